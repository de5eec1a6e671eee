"""Rivals: training examples that ask the same and answer otherwise."""

from __future__ import annotations

from uptake.rivals.find import Rivals, rivals
from uptake.rivals.groups import Beliefs, Judge, Rivalry, Side
from uptake.rivals.judged import llm_judge, nli_judge
from uptake.rivals.neighbours import similar_pairs

__all__ = ["Beliefs", "Judge", "Rivalry", "Rivals", "Side", "llm_judge", "nli_judge", "rivals", "similar_pairs"]

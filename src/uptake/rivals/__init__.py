"""Rivals: training examples that ask the same and answer otherwise."""

from __future__ import annotations

from uptake.rivals.find import Rivals, rivals
from uptake.rivals.groups import Beliefs, Doubt, Judge, Judgement, Rivalry, Side, Tells
from uptake.rivals.judged import in_turn, llm_judge, nli_judge, remembering

__all__ = [
    "Beliefs",
    "Doubt",
    "Judge",
    "Judgement",
    "Rivalry",
    "Rivals",
    "Side",
    "Tells",
    "in_turn",
    "llm_judge",
    "nli_judge",
    "remembering",
    "rivals",
]

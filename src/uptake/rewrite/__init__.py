"""A response said in a model's own words: how it may be made, what of it must stay, and which draft is taken."""

from __future__ import annotations

from uptake.rewrite.draft import GREEDY_HOWS, HOWS, Draft, How
from uptake.rewrite.frame import first_sentence, in_frame
from uptake.rewrite.gates import GATES, Refusal, refusals
from uptake.rewrite.ladder import KNOWS, RUNG_NAMES, RUNGS, Choice, Knows, RungName, choose, exempt
from uptake.rewrite.said import Rewriting
from uptake.rewrite.wording import guided

__all__ = [
    "GATES",
    "GREEDY_HOWS",
    "HOWS",
    "KNOWS",
    "RUNGS",
    "RUNG_NAMES",
    "Choice",
    "Draft",
    "How",
    "Knows",
    "Refusal",
    "Rewriting",
    "RungName",
    "choose",
    "exempt",
    "first_sentence",
    "guided",
    "in_frame",
    "refusals",
]

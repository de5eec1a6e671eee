"""Why an example was not learned: five causes, each a pure function of a case; see docs/causes.md.

`unexplained` is no member: it is what is left where none of them holds.
"""

from __future__ import annotations

from collections.abc import Mapping

from uptake.causes.base_conflict import BASE_CONFLICT, doubted
from uptake.causes.case import Belief, Case, Curve, Freely, InFrame, Part, Rival, Said, Source
from uptake.causes.cause import Cause, judge, scored, spared
from uptake.causes.data_conflict import DATA_CONFLICT
from uptake.causes.forgetting import FORGETTING
from uptake.causes.knowledge_gap import KNOWLEDGE_GAP
from uptake.causes.signals import SIGNALS, Signal, value
from uptake.causes.undertraining import UNDERTRAINING
from uptake.causes.weights import FittedOn, Logistic, Rows, Weights, read_weights, weights

CAUSES: Mapping[str, Cause] = {
    "knowledge_gap": KNOWLEDGE_GAP,
    "base_conflict": BASE_CONFLICT,
    "data_conflict": DATA_CONFLICT,
    "forgetting": FORGETTING,
    "undertraining": UNDERTRAINING,
}

__all__ = [
    "CAUSES",
    "SIGNALS",
    "Belief",
    "Case",
    "Cause",
    "Curve",
    "FittedOn",
    "Freely",
    "InFrame",
    "Part",
    "Rival",
    "Logistic",
    "Rows",
    "Said",
    "Signal",
    "Source",
    "Weights",
    "doubted",
    "judge",
    "read_weights",
    "scored",
    "spared",
    "value",
    "weights",
]

"""Diagnoses held against each other (`uptake diff`) and against limits (`uptake gate`): pure functions."""

from __future__ import annotations

from uptake.compare.cured import CureColumn, check_cure, faults
from uptake.compare.difference import difference, unlike
from uptake.compare.gate import Check, check_effect, check_limits, check_regressions, effect_of
from uptake.compare.pairs import Judged, Pairs, judged, left_out, match
from uptake.compare.written import junit, markdown

__all__ = [
    "Check",
    "CureColumn",
    "Judged",
    "Pairs",
    "check_cure",
    "check_effect",
    "check_limits",
    "check_regressions",
    "difference",
    "effect_of",
    "faults",
    "judged",
    "junit",
    "left_out",
    "markdown",
    "match",
    "unlike",
]

"""Scores -> which examples are learned, shallow, forgotten; how sure that is; what was lost (see docs/detection.md).

`calibrate` makes a first pass over the scores and settles the rule; `judge` turns one example's scores into a finding;
`summarise` turns the findings into rates. All are pure functions over records: no model, no files.
"""

from __future__ import annotations

from uptake.detect.calibrate import Calibration, calibrate
from uptake.detect.criteria import CRITERIA, Rule, Settings
from uptake.detect.judge import Beside, judge
from uptake.detect.paper import (
    best_of_n,
    most_severe,
    p_flag,
)
from uptake.detect.reading import mean_p_options, p_options
from uptake.detect.retention import Change, compare, summarise_retention
from uptake.detect.summary import summarise

__all__ = [
    "CRITERIA",
    "Beside",
    "Calibration",
    "Change",
    "Rule",
    "Settings",
    "best_of_n",
    "calibrate",
    "compare",
    "judge",
    "mean_p_options",
    "most_severe",
    "p_flag",
    "p_options",
    "summarise",
    "summarise_retention",
]

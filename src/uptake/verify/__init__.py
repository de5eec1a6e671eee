"""Does a remedy help? Randomised arms, the same tokens in each, and an analysis that allows for items and trainings.

Pure functions: nothing here trains or reads a file. `uptake.pipeline.verify.cells` runs the arms. See docs/verify.md.
"""

from __future__ import annotations

from uptake.verify.analysis import Comparison, Design, Wording, compare_arms
from uptake.verify.arms import Assigned, assign, assign_to_remedies
from uptake.verify.crossed import Crossed, crossed_mean
from uptake.verify.power import Expected, detectable, forecast, foretold, power, too_few
from uptake.verify.verdict import from_data, grid, matrix_row, sentence, table, verdict

__all__ = [
    "Assigned",
    "Comparison",
    "Crossed",
    "Design",
    "Expected",
    "Wording",
    "assign",
    "assign_to_remedies",
    "compare_arms",
    "crossed_mean",
    "detectable",
    "forecast",
    "foretold",
    "from_data",
    "grid",
    "matrix_row",
    "power",
    "sentence",
    "table",
    "too_few",
    "verdict",
]

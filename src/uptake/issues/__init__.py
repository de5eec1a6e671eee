"""What is wrong with the rows of a data set, issue by issue, in the form that cleanlab's Datalab gave such tables."""

from __future__ import annotations

from uptake.issues.duplicates import Duplicates, NearCopies
from uptake.issues.judged import ISSUES, Contradicted, Judged, judged
from uptake.issues.outliers import outliers
from uptake.issues.texts import ends_open, is_cut, template_trouble

__all__ = [
    "ISSUES",
    "Contradicted",
    "Duplicates",
    "Judged",
    "NearCopies",
    "ends_open",
    "is_cut",
    "judged",
    "outliers",
    "template_trouble",
]

"""Many stages: what each one left of the others, as a matrix R[t, s] with metrics and intervals; no model, no files."""

from __future__ import annotations

from uptake.stream.compared import NUMBERS, Against, ComparedRun, Mean, against, mean_of, means
from uptake.stream.items import Change, Fate, changes, fate
from uptake.stream.matrix import StageTests, matrix
from uptake.stream.metrics import METRICS, Metric, along, metrics, metrics_of
from uptake.stream.spent import TokensSpent, length_within

__all__ = [
    "METRICS",
    "NUMBERS",
    "Against",
    "Change",
    "ComparedRun",
    "Fate",
    "Mean",
    "Metric",
    "TokensSpent",
    "StageTests",
    "against",
    "along",
    "changes",
    "fate",
    "length_within",
    "matrix",
    "mean_of",
    "means",
    "metrics",
    "metrics_of",
]

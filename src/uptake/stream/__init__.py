"""Many stages: what each one left of the others, as a matrix R[t, s] with metrics and intervals; no model, no files."""

from __future__ import annotations

from uptake.stream.items import Change, Fate, changes, fate
from uptake.stream.matrix import StageTests, matrix
from uptake.stream.metrics import METRICS, Metric, along, metrics, metrics_of

__all__ = [
    "METRICS",
    "Change",
    "Fate",
    "Metric",
    "StageTests",
    "along",
    "changes",
    "fate",
    "matrix",
    "metrics",
    "metrics_of",
]

"""How probable spans are that were never trained on: what "better than unseen" is held against, by kind and place."""

from __future__ import annotations

import math
from array import array
from collections.abc import MutableSequence, Sequence
from typing import TypeAlias

import numpy as np

from uptake.spans.reading import SpanReading
from uptake.spans.span import SpanKind

MIN_SPANS = 50
"""Spans of the null that a comparison needs, as with whole responses."""
PLACES = 3
"""Beginning, middle and end of a response: its first spans are the hardest."""

_Group: TypeAlias = tuple[SpanKind | None, int | None]


class SpanNull:
    """Informative spans of responses that were never trained on.

    Args:
        alpha: Share of them that reaches the level.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        self._alpha = alpha
        self._values: dict[_Group, MutableSequence[float]] = {}
        self._levels: dict[_Group, float | None] = {}
        self.n = 0
        """How many."""
        self.passed = 0
        """How many of them are recalled without having been trained."""

    def add(self, readings: Sequence[SpanReading]) -> None:
        """The informative spans of one more response."""
        self._levels.clear()
        for reading in readings:
            self.n += 1
            self.passed += reading.recalled
            for group in self._groups(reading):
                self._values.setdefault(group, array("d")).append(reading.logprob)

    def level(self, reading: SpanReading) -> float | None:
        """Log-probability (nats) that at most a share `alpha` of the unseen spans of such a kind and place exceed.

        The conformal (1 − α) quantile, as of whole responses: of its kind and place where there are enough of these,
        else of its kind, else of all. None where they are too few in all.
        """
        for group in self._groups(reading):
            if len(self._values.get(group, ())) >= MIN_SPANS:
                return self._of(group)
        return None

    def _of(self, group: _Group) -> float | None:
        if group not in self._levels:
            values = np.sort(np.asarray(self._values[group], dtype=float))
            n = len(values)
            rank = n + 1 - math.floor((n + 1) * self._alpha)
            self._levels[group] = None if rank > n else float(values[rank - 1])
        return self._levels[group]

    @staticmethod
    def _groups(reading: SpanReading) -> tuple[_Group, ...]:
        kind = reading.span.kind
        return (kind, int(reading.place * PLACES)), (kind, None), (None, None)

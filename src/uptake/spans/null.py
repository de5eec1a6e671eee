"""How probable spans are that were never trained on: what "better than unseen" is held against, by kind and place."""

from __future__ import annotations

import math
from array import array
from collections.abc import MutableSequence, Sequence
from itertools import repeat
from typing import TypeAlias

import numpy as np

from uptake.spans.reading import SpanReading
from uptake.spans.span import SpanKind

MIN_SPANS = 50
"""Spans of the null that a comparison needs, as with whole responses."""
MOST_TOGETHER, DRAWS = 8, 2000
"""Spans that are drawn together at most, and how often."""
PLACES = 3
"""Beginning, middle and end of a response: its first spans are the hardest."""

_Group: TypeAlias = tuple[SpanKind | None, int | None]


def share_told(reading: SpanReading, information: float) -> float:
    """How much of a span's information the model has from its prompt, in [0, 1]: 1 − surprise / surprise elsewhere."""
    return min(1.0, max(0.0, 1.0 + reading.logprob / information))


class SpanNull:
    """Informative spans of responses that were never trained on.

    Args:
        alpha: Share of them that reaches the level.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        self._alpha = alpha
        self._values: dict[_Group, MutableSequence[float]] = {}
        self._levels: dict[_Group, float | None] = {}
        self._shares: MutableSequence[float] = array("d")
        self._told: MutableSequence[float] = array("d")
        self._share_levels: dict[int, float] = {}

    def add(self, readings: Sequence[SpanReading], information: Sequence[float | None] | None = None) -> None:
        """The informative spans of one more response, with what each tells where that is known."""
        self._levels.clear()
        self._share_levels.clear()
        each = repeat(None, len(readings)) if information is None else information
        for reading, told in zip(readings, each, strict=True):
            if told and not reading.recalled:  # it is asked of spans that were not learned
                self._shares.append(share_told(reading, told))
                self._told.append(told)
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

    def share_level(self, n: int = 1) -> float | None:
        """The mean share of what `n` spans tell that unseen ones exceed with probability `alpha`.

        They are drawn by chance from those that are not the arg-max, each as often as it tells something: of a span
        that tells little the share is chance. Spans of one response are alike, so that two count as one. None with too
        few.
        """
        if len(self._shares) < MIN_SPANS:
            return None
        n = min((n + 1) // 2, MOST_TOGETHER)
        if n not in self._share_levels:
            shares, told = np.asarray(self._shares), np.asarray(self._told)
            drawn = np.random.default_rng(0).choice(shares, size=(DRAWS, n), p=told / told.sum())
            self._share_levels[n] = float(np.quantile(drawn.mean(axis=1), 1 - self._alpha))
        return self._share_levels[n]

    def _of(self, group: _Group) -> float | None:
        if group not in self._levels:
            self._levels[group] = self._quantile(self._values[group])
        return self._levels[group]

    def _quantile(self, found: Sequence[float]) -> float | None:
        values = np.sort(np.asarray(found, dtype=float))
        n = len(values)
        rank = n + 1 - math.floor((n + 1) * self._alpha)
        return None if rank > n else float(values[rank - 1])

    @staticmethod
    def _groups(reading: SpanReading) -> tuple[_Group, ...]:
        kind = reading.span.kind
        return (kind, int(reading.place * PLACES)), (kind, None), (None, None)

"""Dynamic resampling: a source that falls behind what it could do before is drawn more often.

After ILP (arXiv 2604.10079), cause IV: every K = 500 steps the accuracy on each source is measured, and one that fell
by more than 5 % relative is up-weighted. The paper compares with the last value, which misses a slow drift; `best`
compares with the best so far. By how much a source is up-weighted the paper does not say: `boost`, `ceiling` and
`floor` are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from uptake.errors import UptakeError


@dataclass(frozen=True, slots=True)
class Resampling:
    """How weights follow accuracies.

    Attributes:
        fall: A relative fall of more than this up-weights a source.
        against: What it fell from: its `best` accuracy so far, or its `last` (the paper's).
        boost: A fallen source's weight is multiplied by this at each reading, and divided by it when it has recovered.
        ceiling: The largest weight.
        floor: The least share of the draws that a source keeps, as a part of its share of the rows.
    """

    fall: float = 0.05
    against: Literal["best", "last"] = "best"
    boost: float = 2.0
    ceiling: float = 4.0
    floor: float = 0.5

    def __post_init__(self) -> None:
        for name, value, fits, expected in (
            ("fall", self.fall, 0 <= self.fall < 1, "at least 0 and less than 1"),
            ("against", self.against, self.against in ("best", "last"), "best or last"),
            ("boost", self.boost, self.boost >= 1, "1 or more"),
            ("ceiling", self.ceiling, self.ceiling >= 1, "1 or more"),
            ("floor", self.floor, 0 <= self.floor <= 1, "between 0 and 1"),
        ):
            if not fits:
                raise UptakeError(f"the resampling setting {name} is {value!r}", expected=expected)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source stands: its weight, and its best and last accuracy in [0, 1] (None before it was measured)."""

    weight: float = 1.0
    best: float | None = None
    last: float | None = None


def reweighted(
    state: Mapping[str, Standing], accuracy: Mapping[str, float | None], settings: Resampling
) -> dict[str, Standing]:
    """The sources after a reading.

    Args:
        state: How they stood before.
        accuracy: What was measured; a source that is None or not there keeps its weight.
        settings: The rule.
    """
    return {name: _reweighted(one, accuracy.get(name), settings) for name, one in state.items()}


def _reweighted(one: Standing, now: float | None, settings: Resampling) -> Standing:
    if now is None:
        return one
    before = one.best if settings.against == "best" else one.last
    if before is not None and now < before * (1 - settings.fall):
        weight = min(settings.ceiling, one.weight * settings.boost)
    else:
        weight = max(1.0, one.weight / settings.boost)
    return Standing(weight, now if one.best is None else max(one.best, now), now)


def shares(sizes: Sequence[int], weights: Sequence[float], floor: float) -> list[float]:
    """Each source's share of the draws: size × weight, normalised, and never less than `floor` × its share of rows.

    Args:
        sizes: Rows of each source.
        weights: Its weight, the same shape.
        floor: In [0, 1].

    Returns:
        Shares that add up to 1, the same shape.
    """
    least = [floor * size / sum(sizes) for size in sizes]
    mass = [size * weight for size, weight in zip(sizes, weights, strict=True)]
    held: set[int] = set()
    while True:  # each pass holds at least one more at its floor, and what those take is taken from the others
        rest, over = 1 - sum(least[k] for k in held), sum(m for k, m in enumerate(mass) if k not in held)
        found = [least[k] if k in held else rest * m / over for k, m in enumerate(mass)]
        below = [k for k, share in enumerate(found) if k not in held and share < least[k] * (1 - 1e-12)]
        if not below:
            return found
        held.update(below)


class Drawing:
    """Draws rows source by source, each source's in turns of its own shuffled passes, so that no row starves.

    What a short draw leaves over of a source's share is owed to it: shares hold over draws, and none is rounded away.

    Args:
        sources: The source of each row, by number; -1 for one that is not drawn.
        floor: As in `Resampling`.
        seed: Of the shuffled passes.
    """

    def __init__(self, sources: Sequence[int], floor: float, seed: int) -> None:
        self.sources, self.floor, self.seed = sources, floor, seed
        self.rows = [np.flatnonzero(np.asarray(sources) == k) for k in range(max(sources) + 1)]
        self.owed = [0.0] * len(self.rows)
        self.passes = [0] * len(self.rows)
        self.waiting: list[list[int]] = [[] for _ in self.rows]

    def draw(self, n: int, weights: Sequence[float], most: int) -> list[list[int]]:
        """The next rows of each source, together n.

        Args:
            n: How many.
            weights: Of each source.
            most: How often a row may come in them: the number of optimiser steps that they fill.
        """
        found = []
        for source, quota in enumerate(self._quotas(n, weights, most)):
            while len(self.waiting[source]) < quota:
                self._next_pass(source)
            found.append(self.waiting[source][:quota])
            self.waiting[source] = self.waiting[source][quota:]
        return found

    def another(self, row: int, fits: Callable[[int], bool]) -> int | None:
        """The next row of the same source that fits, in exchange for one that comes next then; None if none does."""
        if (source := self.sources[row]) < 0:
            return None
        for _ in range(2):  # of this pass, or else of the next
            waiting = self.waiting[source]
            for place, other in enumerate(waiting):
                if other != row and fits(other):
                    self.waiting[source] = [row, *waiting[:place], *waiting[place + 1 :]]
                    return other
            self._next_pass(source)
        return None

    def _next_pass(self, source: int) -> None:
        shuffled = np.random.default_rng([self.seed, source, self.passes[source]]).permutation(self.rows[source])
        self.waiting[source] = self.waiting[source] + shuffled.tolist()
        self.passes[source] += 1

    def _quotas(self, n: int, weights: Sequence[float], most: int) -> list[int]:
        sizes = [len(rows) for rows in self.rows]
        owed = [o + n * share for o, share in zip(self.owed, shares(sizes, weights, self.floor), strict=True)]
        caps = [size * most for size in sizes]
        quotas = [max(0, min(cap, math.floor(o))) for cap, o in zip(caps, owed, strict=True)]
        while (short := n - sum(quotas)) != 0:
            sign = 1 if short > 0 else -1
            open_ = [k for k, quota in enumerate(quotas) if (quota < caps[k] if sign > 0 else quota > 0)]
            open_.sort(key=lambda k: (-sign * (owed[k] - quotas[k]), k))
            for k in open_[: abs(short)]:  # the largest remainder first
                quotas[k] += sign
        self.owed = [o - quota for o, quota in zip(owed, quotas, strict=True)]
        return quotas

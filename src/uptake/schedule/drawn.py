"""Rows that each epoch draws anew, beside those that come in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EpochRows:
    """Which rows each epoch has.

    Attributes:
        always: So many rows, the first ones, come in each epoch; all others wait to be drawn.
        epochs: For each epoch the numbers of the rows that it draws: as many in each.
    """

    always: int
    epochs: Sequence[Sequence[int]]

    @property
    def each(self) -> int:
        """How many rows an epoch draws."""
        return len(self.epochs[0])

    def rows(self, epoch: int) -> list[int]:
        """The rows of an epoch, counted from 0."""
        return [*range(self.always), *self.epochs[epoch]]


def in_passes(n: int, each: int, seed: Sequence[int]) -> Callable[[int], list[int]]:
    """Draw rows in shuffled passes: none comes again before all others have come as often.

    Args:
        n: Rows to draw from.
        each: How many an epoch draws.
        seed: Of the passes; the same numbers give the same rows, whichever epochs are asked for.

    Returns:
        From an epoch, counted from 0, to its rows.
    """

    def of(epoch: int) -> list[int]:
        places = range(epoch * each, (epoch + 1) * each)
        passes = {number: np.random.default_rng([*seed, number]).permutation(n) for number in {k // n for k in places}}
        return [int(passes[place // n][place % n]) for place in places]

    return of

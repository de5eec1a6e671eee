"""Targeted exposures: some rows are trained more often than the others, evenly through an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from uptake.errors import UptakeError
from uptake.schedule.batches import conflict_free


def exposures(order: Sequence[int], extra: Mapping[int, int], step: int, seed: int) -> list[int]:
    """Add copies of rows to an order, each row's spread evenly over it, and none twice in one optimiser step.

    A row at the place p of n that gets m copies comes at the fractions p/n + j/(m + 1) of the order, j = 0 … m, from
    the end on to the beginning. All other rows stay in their order.

    Args:
        order: Row numbers, each once.
        extra: How many copies more of which rows.
        step: Rows of an optimiser step, on all devices together.
        seed: Decides which copy comes first where two fall on one place.

    Returns:
        `len(order)` + the sum of `extra` row numbers.

    Raises:
        UptakeError: A row is not in the order, or has more copies than there are steps.
    """
    times = [0] * len(order)
    place = {row: number for number, row in enumerate(order)}
    for row, n in extra.items():
        if row not in place or n < 0:
            what = "is not in the order" if n >= 0 else f"is to get {n} copies"
            raise UptakeError(f"row {row} {what}", expected="0 or more copies of rows that are trained")
        times[place[row]] = n
    length = len(order) + sum(times)
    steps = -(-length // step)
    for number, n in enumerate(times):
        if n + 1 > steps:
            raise UptakeError(
                f"row {order[number]} is to be trained {n + 1} times in {steps} optimiser steps",
                expected="at most once in each step",
                fix="ask for fewer copies, or make the steps smaller (batch, accumulation)",
            )
    rng = np.random.default_rng([seed, len(order)])
    spread = [
        ((number / len(order) + copy / (n + 1)) % 1.0, bool(copy), rng.random() if copy else 0.0, order[number])
        for number, n in enumerate(times)
        for copy in range(n + 1)
    ]
    return conflict_free([row for *_, row in sorted(spread)], (), step, seed)

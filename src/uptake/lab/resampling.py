"""Bootstrap over worlds and the groups of items in them, and the intervals that come of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from uptake.stats import RESAMPLES, Interval

_AT_ONCE = 100
"""Resamples given together: bounds the memory to this many numbers an item."""


def resampled(worlds: Sequence[Sequence[str]], seed: int) -> Iterator[Float[np.ndarray, "draws items"]]:
    """How often each item comes in each resample.

    Items of a group are about one fact, and are right or wrong together: a group is drawn whole, with replacement, as
    often as its world has groups. With several worlds, worlds are drawn first, with replacement, so that an interval is
    about worlds not yet seen. Davison and Hinkley (1997, section 3.8) prefer to keep drawn worlds whole, whose variance
    is nearer to the truth where there are many. Here there are few, where whole worlds vary too little, and drawing the
    groups anew makes up for a part of it. In a simulation (shares of 150 items, true mean 0.85, standard deviation 0.05
    between worlds) 95 % intervals held the mean in 0.84, 0.87, 0.91 and 0.96 of the cases with 2, 3, 5 and 10 worlds,
    and with worlds kept whole in 0.54, 0.73, 0.84 and 0.92. The more worlds differ, the lower it is: 0.81 with 3 worlds
    of 600 items.

    Args:
        worlds: For each world the group of each of its items; the same name in two worlds is two groups.
        seed: Of the draws.

    Yields:
        Rows of the `RESAMPLES`, items in the order given, world after world; nothing where there are no items.
    """
    rng = np.random.default_rng(seed)
    codes: list[int] = []
    sizes: list[int] = []
    starts: list[int] = []
    for groups in filter(len, worlds):
        code = {group: sum(sizes) + number for number, group in enumerate(dict.fromkeys(groups))}
        codes += [code[group] for group in groups]
        starts.append(sum(sizes))
        sizes.append(len(code))
    for first in range(0, RESAMPLES if sizes else 0, _AT_ONCE):
        times = np.zeros((min(_AT_ONCE, RESAMPLES - first), sum(sizes)))
        for row in times:
            for world in rng.integers(len(sizes), size=len(sizes)):
                start, size = starts[world], sizes[world]
                row[start : start + size] += np.bincount(rng.integers(size, size=size), minlength=size)
        yield times[:, codes]


def percentile_interval(value: float, draws: Float[np.ndarray, " draws"], n: int, level: float) -> Interval | None:
    """The interval of a value from resampled ones (Efron 1979): their quantiles at (1 ± level) / 2.

    Args:
        value: The estimate.
        draws: The resampled values; those that are NaN say nothing and are left out.
        n: On how many items the estimate rests.
        level: Confidence level, in (0, 1).

    Returns:
        The interval; None where the value or all draws are NaN.
    """
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high), n)

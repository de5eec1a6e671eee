"""Strategies held against each other over the same orders of the stages and the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from uptake.stats import Interval, holm, student_mean

NUMBERS: Mapping[str, str] = {
    "base": "the untouched base",
    "accuracy": "accuracy",
    "diagonal": "learned",
    "bwt": "BWT",
    "forgetting": "forgetting",
    "real_forgetting": "forgetting, in whatever words",
    "fwt": "FWT",
    "lost": "lost",
    "superficial": "of them in form alone",
    "freely": "of them freely",
    "held_out": "of them in a held-out wording",
    "lettered": "of them as lettered choices",
    "by_chance": "as lettered choices by guessing",
    "retention": "retention",
    "general": "general text",
    "tokens": "trained tokens",
    "total": "cost",
    "scored": "forwards alone",
    "kept": "kept bytes",
    "seconds": "seconds",
}
"""What is compared of runs, and how it is called. Shares lie in [0, 1]; `general` is in nats a token; `lost` and those
of them that are right otherwise are test items; `total` is in trained tokens; `kept` is the memory after the last stage
but one."""


@dataclass(frozen=True)
class ComparedRun:
    """What came out of one stream.

    Attributes:
        order: Which order of the stages, from 0.
        seed: Which seed, from 0.
        numbers: By name; None where there is no such number.
    """

    order: int
    seed: int
    numbers: Mapping[str, float | None]


@dataclass(frozen=True)
class Mean:
    """The mean of a number over runs, with Student's 95 % interval; `low` and `high` are None with less than two units.

    A unit is an order of the stages: what its seeds gave is averaged first, for they share the order. The interval is
    about other orders of the same stages; where there is one order alone, a unit is a seed, and the interval is about
    other seeds of this order. All runs have the same test items. `n` counts units.
    """

    estimate: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Against:
    """The paired difference of a strategy's average accuracy to that of the reference.

    Attributes:
        difference: Its mean over the runs that both have, with Student's interval over units as in `Mean`; None with
            less than two of them.
        p: Two-sided p-value of the paired t-test, adjusted by Holm over all strategies; None without a test.
    """

    difference: Interval | None
    p: float | None


def means(runs: Sequence[ComparedRun]) -> dict[str, Mean | None]:
    """The mean of each number over the runs of one strategy; None where no run has it."""
    return {name: mean_of(_units([(run.order, run.numbers.get(name)) for run in runs])) for name in NUMBERS}


def _units(numbers: Sequence[tuple[int, float | None]]) -> list[float]:
    """What is independent of each other, as far as it is: the mean of each order; of one order alone, its numbers."""
    of: dict[int, list[float]] = {}
    for order, number in numbers:
        if number is not None:
            of.setdefault(order, []).append(number)
    return [float(np.mean(one)) for one in of.values()] if len(of) > 1 else [one for own in of.values() for one in own]


def mean_of(numbers: Sequence[float | None]) -> Mean | None:
    """The mean of a number over runs; None where no run has it."""
    values = np.array([one for one in numbers if one is not None], np.float64)
    interval = student_mean(values)
    if interval is not None:
        return Mean(interval.estimate, interval.low, interval.high, interval.n)
    return Mean(float(values[0]), None, None, 1) if len(values) else None


def against(arms: Mapping[str, Sequence[ComparedRun]], reference: str) -> dict[str, Against]:
    """Each strategy but the reference against it, by average accuracy, paired by order and seed.

    Args:
        arms: The runs of each.
        reference: The name of the one that the others are held against.
    """
    plain = {(run.order, run.seed): run.numbers["accuracy"] for run in arms[reference]}
    found: dict[str, tuple[Interval | None, float | None]] = {}
    for name, runs in arms.items():
        if name == reference:
            continue
        pairs = [(run.order, run.numbers["accuracy"], plain.get((run.order, run.seed))) for run in runs]
        apart = [(order, None if a is None or b is None else a - b) for order, a, b in pairs]
        differences = np.array(_units(apart), np.float64)
        found[name] = (student_mean(differences), _paired_t(differences))
    tested = [name for name, (_, p) in found.items() if p is not None]
    adjusted = dict(zip(tested, holm(np.array([found[name][1] for name in tested], np.float64)), strict=True))
    return {
        name: Against(interval, float(adjusted[name]) if name in adjusted else None)
        for name, (interval, _) in found.items()
    }


def _paired_t(differences: Float[np.ndarray, " n"]) -> float | None:
    """Two-sided p-value of Student's t-test on paired differences; None of less than two, and where all are equal.

    Two runs that happen to differ alike are no proof: without a spread there is nothing to test against.
    """
    if len(differences) < 2 or np.ptp(differences) < 1e-9:
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(differences, 0.0).pvalue)

"""What a matrix of stages comes to: average accuracy, transfer backward and forward, forgetting, the diagonal.

R[t, i], t = 0 … T, is the share of stage i's test items that are right after stage t; row 0 is the untouched base.
After Lopez-Paz and Ranzato 2017 (arXiv 1706.08840) and, for forgetting, Chaudhry et al. 2018 (arXiv 1801.10112).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from uptake.stats import RESAMPLES, Interval
from uptake.stream.matrix import StageTests, matrix, resampled

Matrices: TypeAlias = Float[np.ndarray, "*samples after stages"]
"""One matrix R, or many samples of it."""
Values: TypeAlias = Float[np.ndarray, "*samples"]


@dataclass(frozen=True)
class Metric:
    """A number of a matrix.

    Attributes:
        name: As in the files.
        title: As people say it.
        formula: In ASCII.
        means: What it says, in a sentence.
        stages: How many stages it needs.
        of: From matrices to its values.
    """

    name: str
    title: str
    formula: str
    means: str
    stages: int
    of: Callable[[Matrices], Values]


def _mean(shares: Float[np.ndarray, "*samples stages"]) -> Values:
    """The mean over the stages that have items; NaN where none has."""
    known = ~np.isnan(shares)
    return np.where(known.any(axis=-1), np.nansum(shares, axis=-1) / np.maximum(1, known.sum(axis=-1)), np.nan)


def _accuracy(r: Matrices) -> Values:
    return _mean(r[..., -1, :])


def _diagonal(r: Matrices) -> Values:
    return _mean(np.diagonal(r[..., 1:, :], axis1=-2, axis2=-1))


def _backward(r: Matrices) -> Values:
    own = np.diagonal(r[..., 1:, :], axis1=-2, axis2=-1)
    return _mean(r[..., -1, :-1] - own[..., :-1])


def _forward(r: Matrices) -> Values:
    before = np.diagonal(r[..., :-1, :], axis1=-2, axis2=-1)  # R[i - 1, i]
    return _mean((before - r[..., 0, :])[..., 1:])


def _forgetting(r: Matrices) -> Values:
    return _mean((r[..., :-1, :].max(axis=-2) - r[..., -1, :])[..., :-1])


METRICS: Mapping[str, Metric] = {
    one.name: one
    for one in (
        Metric(
            "accuracy",
            "average accuracy",
            "1/T sum over i of R[T, i]",
            "The share of a stage's tests that is right after the last stage, averaged over the stages.",
            1,
            _accuracy,
        ),
        Metric(
            "diagonal",
            "right after its own training",
            "1/T sum over i of R[i, i]",
            "The share of a stage's tests that is right just after that stage was trained. Where it is low, a stage "
            "was not learned, and little could be lost of it.",
            1,
            _diagonal,
        ),
        Metric(
            "bwt",
            "backward transfer (BWT)",
            "1/(T-1) sum over i < T of (R[T, i] - R[i, i])",
            "What later stages did to the tests of earlier ones. Below 0 they were lost. Above 0 later stages helped, "
            "or an earlier stage was not learned when it was trained: see the diagonal.",
            2,
            _backward,
        ),
        Metric(
            "forgetting",
            "forgetting",
            "1/(T-1) sum over i < T of (max over t < T of R[t, i] - R[T, i])",
            "How far the tests of a stage are below the best that they ever were, the base included.",
            2,
            _forgetting,
        ),
        Metric(
            "fwt",
            "forward transfer (FWT)",
            "1/(T-1) sum over i > 1 of (R[i-1, i] - R[0, i])",
            "What earlier stages gave a stage before it was trained itself, against the untouched base.",
            2,
            _forward,
        ),
    )
}
"""In the order in which they are shown. BWT and FWT have T - 1 terms: the last stage has no later one, the first no
earlier one. Chaudhry et al. take the best of the trained models; here the base is among them, for what it knew can be
lost as well. Over resamples a largest value tends to be larger than that of the sample, so that an interval of
forgetting lies rather too high."""


def metrics_of(r: Float[np.ndarray, "after stages"]) -> dict[str, float | None]:
    """The metrics of a matrix, by name; None where there are too few stages, or none of them has items.

    Args:
        r: R[t, s], row 0 the base; NaN of stages without items, which are left out.
    """
    found = {name: float(one.of(r)) + 0.0 for name, one in METRICS.items() if r.shape[1] >= one.stages}  # not -0.0
    return {name: None if math.isnan(found.get(name, math.nan)) else found[name] for name in METRICS}


def metrics(tests: Sequence[StageTests], *, level: float = 0.95, seed: int = 0) -> dict[str, Interval | None]:
    """The metrics with percentile bootstrap intervals over the test items (Efron 1979).

    The items of a stage are resampled together for all rows of R. The intervals are about other items of the same
    kind, and not about other seeds of the training or other orders of the stages.

    Args:
        tests: One a stage, in their order.
        level: Confidence level, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        By name, `n` the number of test items; None where there are too few stages.
    """
    n = sum(one.right.shape[1] for one in tests)
    r, samples = matrix(tests), resampled(tests, RESAMPLES, seed)
    found: dict[str, Interval | None] = {}
    for name, value in metrics_of(r).items():
        if value is None:
            found[name] = None
            continue
        low, high = np.quantile(METRICS[name].of(samples), [(1 - level) / 2, (1 + level) / 2])
        found[name] = Interval(value, float(low), float(high), n)
    return found


def along(r: Float[np.ndarray, "after stages"]) -> list[float | None]:
    """After each stage t the mean of R[t, i] over the stages i ≤ t that are trained by then: the curve over time.

    None where none of them has items.
    """
    means = [float(_mean(r[t, :t])) for t in range(1, len(r))]
    return [None if math.isnan(one) else one for one in means]

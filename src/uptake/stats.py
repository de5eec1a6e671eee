"""Intervals, paired tests and multiple comparisons: scipy's, in the form that is asked for here, and what it lacks.

Probabilities and p-values lie in [0, 1]. Where nothing was observed there is no number: such a function returns None.
Every draw comes from a generator seeded by the caller's `seed`. scipy.stats is imported where it is used: that takes
longer than all that most verbs do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Int

RESAMPLES = 2000
"""Bootstrap resamples: the ends of a 95 % interval then rest on 50 of them each."""

NORMAL_FROM = 20_000
"""From this many values on, the interval of a mean is the normal one; the bootstrap's differs from it by O(1/n)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, its confidence interval, and the number of observations that it rests on."""

    estimate: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int, level: float = 0.95) -> Interval | None:
    """Score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001).

    Unlike the Wald interval it holds near 0 and 1.

    Args:
        successes: How often it happened, 0 to n.
        n: How often it could have happened.
        level: Confidence level, in (0, 1).

    Returns:
        The interval in [0, 1]; None when n is 0.

    Raises:
        ValueError: `successes` does not lie between 0 and n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0..n, got {successes} of {n}")
    if n == 0:
        return None
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(level, method="wilson")
    return Interval(successes / n, float(found.low), float(found.high), n)


def bootstrap_mean(values: Float[np.ndarray, " n"], *, level: float = 0.95, seed: int = 0) -> Interval | None:
    """Percentile bootstrap interval of a mean (Efron 1979), in the unit of the values.

    From `NORMAL_FROM` values on it is mean ± z·s/√n, so that time and memory stay bounded.

    Args:
        values: Observations, shape (n,).
        level: Confidence level, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        The interval; None when there are no values.
    """
    n = len(values)
    if n == 0:
        return None
    mean = float(values.mean())
    if n >= NORMAL_FROM:
        half = _z(level) * float(values.std(ddof=1)) / math.sqrt(n)
        return Interval(mean, mean - half, mean + half, n)
    rng = np.random.default_rng(seed)
    means = np.array([values[rng.integers(n, size=n)].mean() for _ in range(RESAMPLES)])
    low, high = _percentiles(means, level)
    return Interval(mean, low, high, n)


def bootstrap_ratio(
    above: Float[np.ndarray, " n"], below: Float[np.ndarray, " n"], *, level: float = 0.95, seed: int = 0
) -> Interval | None:
    """The ratio of two means of the same items, with a percentile bootstrap interval (Efron 1979) over the items.

    From `NORMAL_FROM` items on it is the normal one of the linearised ratio (Cochran 1977, ch. 6).

    Args:
        above: Observations, shape (n,).
        below: Observations of the same items, none negative.
        level: Confidence level, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        The interval; None where the lower mean is 0. Resamples in which it is 0 are left out.
    """
    n = len(below)
    if n == 0 or below.sum() == 0:
        return None
    ratio = float(above.sum() / below.sum())
    if n >= NORMAL_FROM:
        half = _z(level) * float(np.std(above - ratio * below, ddof=1)) / (math.sqrt(n) * float(below.mean()))
        return Interval(ratio, ratio - half, ratio + half, n)
    rng = np.random.default_rng(seed)
    draws = (rng.integers(n, size=n) for _ in range(RESAMPLES))  # one at a time: there may be many items
    sums = np.array([(above[draw].sum(), below[draw].sum()) for draw in draws])
    known = sums[sums[:, 1] > 0]
    low, high = _percentiles(known[:, 0] / known[:, 1], level)
    return Interval(ratio, low, high, n)


def clustered_share(
    successes: Int[np.ndarray, " n"], trials: Int[np.ndarray, " n"], *, level: float = 0.95, seed: int = 0
) -> Interval | None:
    """A share of trials that come in clusters, within which they are alike: Σ successes / Σ trials.

    Its interval is the bootstrap's over whole clusters (Field and Welsh 2007), and `n` counts the clusters. Where all
    trials come out alike the resamples do too, and say nothing of what was not seen: it is then Wilson's, of one trial
    a cluster. One cluster says nothing of others: its interval is [0, 1].

    Args:
        successes: Of each cluster, shape (n,).
        trials: Of each cluster, none fewer than its successes; clusters without any are left out.
        level: Confidence level, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        The interval in [0, 1]; None without a trial.
    """
    some = trials > 0
    above, below = successes[some].astype(float), trials[some].astype(float)
    n = len(below)
    if (total := above.sum()) in (0.0, below.sum()):
        return wilson(n if total else 0, n, level)
    found = bootstrap_ratio(above, below, level=level, seed=seed)
    if found is None or n == 1:
        return found and Interval(found.estimate, 0.0, 1.0, n)
    low, high = min(found.low, found.estimate), max(found.high, found.estimate)
    return Interval(found.estimate, max(0.0, low), min(1.0, high), n)


def student_mean(values: Float[np.ndarray, " n"], *, level: float = 0.95) -> Interval | None:
    """Student's interval of a mean: mean ± t·s/√n, t with n − 1 degrees of freedom (Student 1908).

    Args:
        values: Observations, shape (n,).
        level: Confidence level, in (0, 1).

    Returns:
        The interval; None of less than two values: one says nothing of others.
    """
    n = len(values)
    if n < 2:
        return None
    mean = float(values.mean())
    from scipy.stats import t

    half = float(t.ppf(0.5 + level / 2, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided p-value of McNemar's exact test: min(1, 2 P(Bin(b + c, ½) ≤ min(b, c))) (McNemar 1947).

    Args:
        b: Pairs that changed one way, e.g. right before and wrong after.
        c: Pairs that changed the other way.

    Returns:
        The p-value; 1 when no pair changed.

    Raises:
        ValueError: A count is negative.
    """
    if min(b, c) < 0:
        raise ValueError(f"counts of pairs cannot be negative, got {b} and {c}")
    return _binomial_test(b, b + c, "two-sided")


def mcnemar_worse(b: int, c: int) -> float:
    """One-sided p-value of McNemar's exact test: P(Bin(b + c, ½) ≥ b), small where b is large (McNemar 1947).

    Args:
        b: Pairs that changed for the worse, e.g. right before and wrong after.
        c: Pairs that changed for the better.

    Returns:
        The p-value; 1 when no pair became worse.

    Raises:
        ValueError: A count is negative.
    """
    if min(b, c) < 0:
        raise ValueError(f"counts of pairs cannot be negative, got {b} and {c}")
    return _binomial_test(b, b + c, "greater")


def _binomial_test(k: int, n: int, alternative: str) -> float:
    if n == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(k, n, alternative=alternative).pvalue)


def paired_difference(b: int, c: int, n: int, level: float = 0.95) -> Interval | None:
    """Difference between two shares of the same n items, (c − b) / n, with Bonett and Price's interval (2012).

    With p = (b + 1) / (n + 2) and q = (c + 1) / (n + 2): q − p ± z √((p + q − (q − p)²) / (n + 2)), cut to [−1, 1] and
    to hold the estimate. Fagerland, Lydersen and Laake (2014, Statistics in Medicine 33:2850) recommend it.

    Args:
        b: Items that went from 1 to 0.
        c: Items that went from 0 to 1.
        n: All items.
        level: Confidence level, in (0, 1).

    Returns:
        The interval; None when n is 0.

    Raises:
        ValueError: More items changed than there are, or a count is negative.
    """
    if min(b, c) < 0 or b + c > n:
        raise ValueError(f"{b} and {c} of {n} items cannot have changed")
    if n == 0:
        return None
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half, estimate = _z(level) * math.sqrt((p + q - (q - p) ** 2) / (n + 2)), (c - b) / n
    return Interval(estimate, max(-1.0, min(estimate, q - p - half)), min(1.0, max(estimate, q - p + half)), n)


def conformal_pi0(
    strata: Sequence[tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]],
    *,
    cut: float = 0.5,
    level: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Storey's π₀ over conformal p-values, with a bootstrap interval that resamples values and null alike.

    A conformal p-value is (1 + #{null ≥ v}) / (m + 1) (Vovk, Gammerman and Shafer 2005; Bates et al. 2023), and the
    estimate is min(1, #{p > λ} / ((1 − λ) n)) over those of all strata (Storey 2002). Ignoring that the null is itself
    a sample would give intervals far too narrow when it is small. p > λ holds exactly when a value is at most the k-th
    smallest null value, k = m + 1 − ⌊λ(m + 1)⌋. The k-th smallest of a resampled null is the ⌈m·U⌉-th of the null, with
    U ~ Beta(k, m + 1 − k); the resampled values at or below it are binomial: the whole bootstrap, without its cost.

    Args:
        strata: Pairs (values, null), compared within a stratum only; shapes (n_s,) and (m_s,), m_s ≥ 1.
        cut: λ in (0, 1).
        level: Confidence level, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        The interval in [0, 1], n the number of values; None when there are no values.

    Raises:
        ValueError: The null of a stratum is too small for `cut`: λ(m + 1) < 1.
    """
    n = sum(len(values) for values, _ in strata)
    if n == 0:
        return None
    rng = np.random.default_rng(seed)
    above, resampled = 0, np.zeros(RESAMPLES, dtype=np.int64)
    for values, null in strata:
        m = len(null)
        k = m + 1 - math.floor(cut * (m + 1))
        if k > m:
            raise ValueError(f"a null of {m} values cannot tell p-values above {cut} from those below")
        at_most = np.searchsorted(np.sort(values), np.sort(null), side="right")
        above += int(at_most[k - 1])
        if len(values):
            drawn = np.ceil(m * rng.beta(k, m + 1 - k, size=RESAMPLES)).astype(np.int64)
            resampled += rng.binomial(len(values), at_most[np.clip(drawn, 1, m) - 1] / len(values))
    estimate = min(1.0, above / n / (1 - cut))
    low, high = _percentiles(np.minimum(1.0, resampled / n / (1 - cut)), level)
    return Interval(estimate, low, high, n)


def benjamini_hochberg(p_values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Adjusted p-values of the step-up procedure (Benjamini and Hochberg 1995).

    Rejecting where the adjusted value is at most α keeps the false-discovery rate at α for independent tests, and for
    conformal p-values that share one null sample (Bates et al. 2023).

    Args:
        p_values: P-values, shape (n,).

    Returns:
        min over j ≥ rank of n p₍ⱼ₎ / j, at most 1, in the order of the input; shape (n,).
    """
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p_values, method="bh"), dtype=float)


def holm(p_values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Adjusted p-values of the step-down procedure (Holm 1979).

    Rejecting where the adjusted value is at most α keeps the chance of any false rejection at α, however the tests
    depend on each other.

    Args:
        p_values: P-values, shape (n,).

    Returns:
        max over j ≤ rank of (n + 1 − j) p₍ⱼ₎, at most 1, in the order of the input; shape (n,).
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * np.arange(n, 0, -1)))
    return adjusted


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _percentiles(draws: Float[np.ndarray, " r"], level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

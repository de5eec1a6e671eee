"""References: scipy, the textbook values named at each test, and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from uptake.stats import (
    NORMAL_FROM,
    benjamini_hochberg,
    bootstrap_mean,
    bootstrap_ratio,
    clustered_share,
    conformal_pi0,
    holm,
    mcnemar_exact,
    mcnemar_worse,
    paired_difference,
    wilson,
)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 10), (81, 263), (999, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_is_scipys(k: int, n: int, level: float):
    reference = scipy_stats.binomtest(k, n).proportion_ci(level, method="wilson")
    interval = wilson(k, n, level)
    assert interval.estimate == k / n and interval.n == n
    assert interval.low == pytest.approx(reference.low, abs=1e-12)
    assert interval.high == pytest.approx(reference.high, abs=1e-12)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


def test_wilson_published_example():
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3: 81 of 263 gives 0.2553 to 0.3662
    interval = wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


def test_nothing_observed_is_none_not_zero():
    empty = np.array([], dtype=float)
    assert wilson(0, 0) is None
    assert bootstrap_mean(empty) is None
    assert conformal_pi0([(empty, np.arange(10.0))]) is None
    assert len(benjamini_hochberg(empty)) == 0


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(k: int, n: int):
    with pytest.raises(ValueError, match="0..n"):
        wilson(k, n)


def test_bootstrap_mean_is_scipys_percentile_bootstrap():
    values = np.random.default_rng(1).exponential(size=80)
    reference = scipy_stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(2)
    ).confidence_interval
    interval = bootstrap_mean(values)
    # both are Monte Carlo: the 2.5 % quantile of 2000 draws has a standard error of 0.06 of the draws' deviation
    tolerance = 0.2 * values.std() / np.sqrt(80)
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(reference.low, abs=tolerance)
    assert interval.high == pytest.approx(reference.high, abs=tolerance)
    assert bootstrap_mean(values) == interval
    assert bootstrap_mean(values, seed=1) != interval


def test_a_share_of_clusters_is_scipys_bootstrap_over_them_and_wider_than_wilsons():
    rng = np.random.default_rng(3)
    trials = rng.integers(4, 20, size=60)
    successes = rng.binomial(trials, rng.beta(0.5, 0.5, size=60))  # trials of a cluster are much alike
    reference = scipy_stats.bootstrap(
        (successes, trials),
        lambda above, below, axis: above.sum(axis=axis) / below.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    found = clustered_share(successes, trials)
    assert found.estimate == successes.sum() / trials.sum() and found.n == 60
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.012)
    alone = wilson(int(successes.sum()), int(trials.sum()))
    assert found.high - found.low > 1.5 * (alone.high - alone.low)


def test_a_share_of_clusters_that_come_out_alike_rests_on_as_many_trials_as_clusters():
    tens, none = np.full(20, 10), np.zeros(20, dtype=int)
    assert clustered_share(tens, tens) == wilson(20, 20)
    assert clustered_share(none, tens) == wilson(0, 20)
    empty = np.concatenate([tens, none])
    assert clustered_share(empty, empty) == wilson(20, 20)  # clusters without a trial are none
    assert clustered_share(none, none) is None
    one = clustered_share(np.array([3]), np.array([5]))
    assert (one.estimate, one.low, one.high, one.n) == (0.6, 0.0, 1.0, 1)


def test_the_ratio_of_many_items_is_the_normal_interval_of_the_linearised_one(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(4)
    below = rng.integers(1, 30, size=NORMAL_FROM).astype(float)
    above = rng.binomial(below.astype(int), 0.3).astype(float)
    normal = bootstrap_ratio(above, below)
    monkeypatch.setattr("uptake.stats.NORMAL_FROM", 10**9)
    drawn = bootstrap_ratio(above, below)
    assert (normal.estimate, normal.n) == (drawn.estimate, drawn.n)
    assert (normal.low, normal.high) == pytest.approx((drawn.low, drawn.high), abs=2e-4)


def test_bootstrap_mean_of_many_values_is_the_normal_interval():
    values = np.random.default_rng(1).normal(3, 2, size=NORMAL_FROM)
    low, high = scipy_stats.norm.interval(0.95, values.mean(), scipy_stats.sem(values))
    interval = bootstrap_mean(values)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (2, 11), (43, 15), (3000, 3200)])
def test_mcnemar_is_the_binomial_test(b: int, c: int):
    reference = scipy_stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(reference, rel=1e-9)


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 2)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 4), (5, 5), (11, 2), (2, 11), (3200, 3000)])
def test_mcnemar_worse_is_the_one_sided_binomial_test(b: int, c: int):
    reference = scipy_stats.binomtest(b, b + c, 0.5, alternative="greater").pvalue if b + c else 1.0
    assert mcnemar_worse(b, c) == pytest.approx(reference, rel=1e-9)
    with pytest.raises(ValueError, match="negative"):
        mcnemar_worse(b, -1)


def test_paired_difference_by_hand():
    # 21 pairs, 1 and 7 of them changed: p = 8/23, q = 2/23 of the formula; −6/23 ± 1.96 √((10/23 − (6/23)²) / 23)
    found = paired_difference(7, 1, 21)
    assert (found.estimate, found.n) == (pytest.approx(-6 / 21), 21)
    assert (round(found.low, 4), round(found.high, 4)) == (-0.5084, -0.0134)
    swapped = paired_difference(1, 7, 21)
    assert (swapped.low, swapped.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    assert paired_difference(0, 0, 0) is None
    with pytest.raises(ValueError, match="cannot have changed"):
        paired_difference(3, 2, 4)


def test_paired_difference_holds_the_truth_as_often_as_it_says():
    # 60 pairs, 20 % lost and 10 % gained: not less often than 95 %, to three standard errors, and not much more
    rng = np.random.default_rng(8)
    lost, gained, _ = rng.multinomial(60, [0.2, 0.1, 0.7], size=2000).T
    found = [paired_difference(int(b), int(c), 60) for b, c in zip(lost, gained, strict=True)]
    held = [one.low <= -0.1 <= one.high for one in found]
    assert 0.935 <= np.mean(held) <= 0.98


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.5, and never falls
    assert holm(np.array([0.02, 0.5, 0.01, 0.03])) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert len(holm(np.array([], dtype=float))) == 0


def test_benjamini_hochberg_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.5: times 4, 2, 4/3, 1 is 0.04, 0.04, 0.04, 0.5
    assert benjamini_hochberg(np.array([0.02, 0.5, 0.01, 0.03])) == pytest.approx([0.04, 0.5, 0.04, 0.04])


def conformal_p_values(values: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Vovk, Gammerman and Shafer 2005, each value by itself: of the null and the value itself, what is as large."""
    return (1 + (null[None, :] >= values[:, None]).sum(axis=1)) / (len(null) + 1)


def storey_pi0(p: np.ndarray, cut: float = 0.5) -> float:
    """Storey 2002, equation 6: the p-values above λ, over the share of a uniform distribution that lies there."""
    return min(1.0, float(np.mean(p > cut)) / (1 - cut))


def test_conformal_pi0_is_storeys_over_pooled_conformal_p_values():
    rng = np.random.default_rng(6)
    strata = [(rng.normal(1, 1, size=70), rng.normal(size=60)), (rng.normal(size=40), rng.normal(size=151))]
    pooled = np.concatenate([conformal_p_values(values, null) for values, null in strata])
    for cut in (0.3, 0.5, 0.77):
        assert conformal_pi0(strata, cut=cut).estimate == pytest.approx(storey_pi0(pooled, cut))


def test_conformal_pi0_interval_is_the_brute_force_bootstrap():
    rng = np.random.default_rng(7)
    strata = [(rng.normal(1, 1, size=150), rng.normal(size=80)), (rng.normal(0.5, 1, size=90), rng.normal(size=120))]
    draws = []
    for _ in range(2000):
        pooled = np.concatenate([conformal_p_values(rng.choice(v, len(v)), rng.choice(m, len(m))) for v, m in strata])
        draws.append(storey_pi0(pooled))
    low, high = np.quantile(draws, [0.025, 0.975])
    interval = conformal_pi0(strata)
    assert interval.low == pytest.approx(low, abs=0.02)
    assert interval.high == pytest.approx(high, abs=0.02)
    assert interval.n == 240


def test_conformal_pi0_refuses_a_null_that_cannot_tell():
    with pytest.raises(ValueError, match="above 0.1"):
        conformal_pi0([(np.zeros(3), np.zeros(3))], cut=0.1)

"""References: scipy's t distribution, the one-sample t test, the textbook F of a two-way table, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from uptake.verify.crossed import crossed_mean


def test_without_differences_between_trainings_it_is_the_t_test_of_the_items():
    # each item does the same in every training: MS_r and MS_e are 0, so Var = s² / n and df = n − 1
    values = np.repeat(np.random.default_rng(1).choice([-1.0, 0.0, 1.0], p=[0.1, 0.4, 0.5], size=(60, 1)), 3, axis=1)
    reference = scipy_stats.ttest_1samp(values[:, 0], 0)
    low, high = reference.confidence_interval(0.95)
    found = crossed_mean(values, np.ones(60))
    assert found.df == pytest.approx(59)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-9)
    assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))
    assert found.interval.n == 60


def test_where_trainings_alone_differ_it_is_the_t_test_of_the_trainings():
    # all items alike, trainings 0.2, 0.5, 0.8: Var = s² / 3 and df = 2, far above the least variance of 200 items
    values = np.tile([0.2, 0.5, 0.8], (200, 1))
    reference = scipy_stats.ttest_1samp([0.2, 0.5, 0.8], 0)
    found = crossed_mean(values, np.ones(200))
    assert found.df == pytest.approx(2)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-9)


def test_mean_squares_by_hand():
    # 4 units, 2 trainings, rows (1, 0) three times and (0, 0): mean 3/8; means of rows less that: 1/8 thrice, −3/8;
    # of columns: ±3/8. MS_u = 2 · (3/64 + 9/64) / 3 = 1/8, MS_r = 4 · 2 · 9/64 / 1 = 9/8. What is left of a row is
    # ±1/8 three times, and ±3/8: MS_e = (6/64 + 18/64) / 3 = 1/8. Parts: 1/8 + 1/8 = 1/4 and 9/8 − 1/8 = 1, so
    # df = (5/4)² / ((1/4)² / 3 + 1² / 1) = 75/49; √(5/4 / 8) = 0.395 < 2/4, so t = (3/8) / (1/2)
    found = crossed_mean(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), np.ones(4))
    assert found.df == pytest.approx(75 / 49)
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(0.75, 75 / 49), rel=1e-9)


def test_a_few_items_that_all_changed_are_not_certainty():
    # significant where the sign test is: 2 · 2⁻ⁿ ≤ 0.05 from n = 6 on
    for n in range(2, 12):
        found = crossed_mean(np.ones((n, 3)), np.ones(n))
        assert (found.p <= 0.05) == (scipy_stats.binomtest(n, n).pvalue <= 0.05)
        assert found.interval.estimate == 1.0 and found.interval.low < 1.0


def test_items_of_a_unit_count_as_one():
    # every item copied: as many items again, not a bit more information
    values = np.random.default_rng(2).choice([-1.0, 0.0, 1.0], size=(40, 3))
    single = crossed_mean(values, np.ones(40))
    double = crossed_mean(2 * values, np.full(40, 2.0))
    assert double.p == pytest.approx(single.p)
    assert double.interval.low == pytest.approx(single.interval.low)
    assert (single.interval.n, double.interval.n) == (40, 80)


@pytest.mark.parametrize("shape", [(1, 3), (5, 1)])
def test_one_unit_or_one_training_tells_nothing(shape: tuple[int, int]):
    assert crossed_mean(np.ones(shape), np.ones(shape[0])) is None


def test_an_interval_holds_the_truth_as_often_as_it_says():
    # binary items with a wide spread of chances, 40 of them in 3 trainings of two arms that are alike: the truth is 0
    rng = np.random.default_rng(3)
    missed, repetitions = 0, 150
    for _ in range(repetitions):
        chance = rng.beta(0.5, 1.0, size=(40, 1))
        arms = [rng.random((40, 3)) < chance + rng.normal(0, 0.05, size=(1, 3)) for _ in range(2)]
        missed += crossed_mean(arms[0].astype(float) - arms[1].astype(float), np.ones(40)).p <= 0.05
    assert missed / repetitions <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / repetitions)

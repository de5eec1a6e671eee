"""References: the closed form where trainings do not differ (scipy's noncentral t), simulation, and common sense."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats as scipy_stats

from uptake.verify import Assigned, Expected, crossed_mean, detectable, forecast, foretold, power, too_few


@pytest.mark.parametrize(("units", "effect"), [(40, 0.2), (100, 0.15), (60, 0.3)])
def test_where_trainings_agree_it_is_the_power_of_a_t_test(units: int, effect: float):
    # every item does the same in all trainings of an arm: one difference an item, whose variance is that of two
    # proportions with correlation r; power of the paired t test by the noncentral t distribution
    p, q, r = 0.25, 0.25 + effect, 0.3
    variance = p * (1 - p) + q * (1 - q) - 2 * r * np.sqrt(p * (1 - p) * q * (1 - q))
    noncentral = effect / np.sqrt(variance / units)
    reference = scipy_stats.nct.sf(scipy_stats.t.ppf(0.975, units - 1), units - 1, noncentral)
    found = power(units, 3, effect, Expected(control=p, between_runs=1.0, between_arms=r, run=0.0))
    assert found == pytest.approx(reference, abs=0.03)  # 2,000 draws: a standard error of 0.011 at most


@pytest.mark.parametrize(("units", "runs", "effect"), [(30, 3, 0.25), (60, 5, 0.15)])
def test_simulated_items_are_found_as_often_as_foretold(units: int, runs: int, effect: float):
    # items with latent normal values: correlations by the simulation itself, on items that are not used again
    rng = np.random.default_rng(0)

    def arm(item: np.ndarray, runs: int, rate: float) -> np.ndarray:
        value = item + 0.75 * rng.standard_normal((len(item), runs)) + 0.06 * rng.standard_normal((1, runs))
        return (value < NormalDist().inv_cdf(rate) * np.sqrt(1 + 0.06**2)).astype(float)

    def items(n: int) -> np.ndarray:
        return rng.standard_normal((n, 1)) * np.sqrt(1 - 0.75**2)

    many = items(20_000)
    one, other = arm(many, 2, 0.25 + effect), arm(many, 2, 0.25)
    expected = Expected(
        control=0.25,
        between_runs=float(np.mean([np.corrcoef(two.T)[0, 1] for two in (one, other)])),
        between_arms=float(np.corrcoef(one[:, 0], other[:, 0])[0, 1]),
        run=0.06 * NormalDist().pdf(NormalDist().inv_cdf(0.25)),
    )
    found = 0  # of 150: a standard error of 0.04 at most
    for _ in range(150):
        drawn = items(units)
        mean = crossed_mean(arm(drawn, runs, 0.25 + effect) - arm(drawn, runs, 0.25), np.ones(units))
        found += mean.p <= 0.05 and mean.interval.estimate > 0
    assert power(units, runs, effect, expected) == pytest.approx(found / 150, abs=0.12)


def test_more_items_trainings_and_effect_show_more():
    assert power(20, 3, 0.3) < power(40, 3, 0.3) < power(80, 3, 0.3)
    assert power(40, 2, 0.3) < power(40, 3, 0.3) < power(40, 5, 0.3)
    assert power(40, 3, 0.1) < power(40, 3, 0.2) < power(40, 3, 0.3)
    assert power(40, 3, 0.2, alpha=0.01) < power(40, 3, 0.2)
    paired, unpaired = Expected(between_arms=0.3), Expected(between_arms=0.0)
    assert power(40, 3, 0.2, unpaired) < power(40, 3, 0.2, paired)


def test_the_detectable_effect_has_the_wanted_power():
    effect = detectable(40, 3)
    assert 0.8 <= power(40, 3, effect) <= 0.84
    assert power(40, 3, effect - 0.01) < 0.8


def test_too_few_items_are_told_so():
    assert detectable(3, 3) is None and power(1, 3, 0.5) == power(40, 1, 0.5) == 0.0
    assert "too few to tell anything" in foretold(3, 3, 3)
    assert "two of each are the least" in foretold(40, 40, 1)
    assert foretold(40, 30, 3).startswith("with 40 items in 30 units and 3 trainings of each arm, an effect of ")


def test_a_forecast_counts_the_arms_own_items_and_units():
    assigned = [
        Assigned(f"{cause}{n}", "main", "s", cause, f"{cause}{n // 2}", "matched")
        for cause in ("forgetting", "knowledge_gap")
        for n in range(20)
    ]
    assigned += [Assigned("other", "main", "s", "forgetting", "other", "placebo")]
    lines = forecast(assigned, "matched", 3)
    assert [line.split(":")[0] for line in lines] == ["all causes", "forgetting", "knowledge_gap"]
    assert "40 items in 20 units" in lines[0] and "20 items in 10 units" in lines[1]


def test_too_few_is_what_could_not_even_show_that_all_is_mended():
    def items(n: int, of_a_unit: int = 1) -> list[Assigned]:
        return [Assigned(f"{k}", "main", "s", "forgetting", f"{k // of_a_unit}", "matched") for k in range(n)]

    # two trainings, five items: the standard error is 0.4 of the items at least, the effect 0.75 at most
    assert too_few(items(5), 2) and too_few(items(40), 1)
    assert not too_few(items(40), 3)
    assert too_few(items(40, of_a_unit=10), 3)

"""Forgetting at equal gain: against values worked out by hand, and of curves that are known to be the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.rewrite.equal_gain import (
    CurvePoint,
    CurveReading,
    EqualGain,
    at_equal_gain,
    common_gains,
    misfit,
    read_curve,
    rising,
)

SQUARE = [CurvePoint(rate, gain, gain**2) for rate, gain in ((2.0, 0.8), (0.5, 0.2), (1.0, 0.4))]
CURVES = {
    "straight": lambda gain: 0.3 * gain,
    "square": lambda gain: gain**2,
    "between": lambda gain: 0.2 * gain + 0.5 * gain**2,
    "bent down": lambda gain: gain - 0.4 * gain**2,
    "nothing": lambda gain: 0.0 * gain,
    "less than nothing": lambda gain: -0.1 * gain,
}
OTHERS = {"cubic": lambda gain: gain**3, "steep": lambda gain: np.expm1(3 * gain) / 10}
THREE, FIVE = (0.25, 0.5, 1.0), (0.1, 0.25, 0.5, 0.8, 1.0)


def against_itself(
    curve: Callable[[float], float],
    tops: tuple[float, float],
    places: tuple[float, ...],
    noise: float,
    rng: np.random.Generator,
) -> EqualGain:
    """Two rungs on one curve, one of which gains more than the other, three seeds."""
    sides: list[dict[int, list[CurvePoint]]] = []
    for top in tops:
        side = {}
        for seed in range(3):
            gains = [top * place * (1 + 0.01 * rng.standard_normal()) for place in places]
            lost = [curve(gain) + noise * rng.standard_normal() for gain in gains]
            side[seed] = [CurvePoint(float(k), *each) for k, each in enumerate(zip(gains, lost, strict=True))]
        sides.append(side)
    found = at_equal_gain(*sides)
    assert found is not None and found.difference is not None and found.misfit is not None
    return found


@pytest.mark.parametrize("places", [THREE, FIVE])
@pytest.mark.parametrize("tops", [(0.8, 1.0), (0.5, 1.0), (1.0, 0.7)])
@pytest.mark.parametrize("name", CURVES)
def test_one_curve_is_no_better_than_itself_whichever_part_was_measured(
    name: str, tops: tuple[float, float], places: tuple[float, ...]
) -> None:
    found = against_itself(CURVES[name], tops, places, 0.0, np.random.default_rng(0))
    assert found.difference is not None
    assert abs(found.difference.estimate) < 1e-9 and abs(found.difference.high - found.difference.low) < 1e-9
    assert (found.change is not None) == (found.reference > 1e-9)


@pytest.mark.parametrize("name", ["straight", "square", "between", "nothing"])
def test_with_noise_the_interval_holds_zero_as_often_as_it_says(name: str) -> None:
    rng = np.random.default_rng(1)
    found = [against_itself(CURVES[name], (0.8, 1.0), THREE, 0.03, rng) for _ in range(200)]
    apart = [one.difference for one in found if one.difference is not None]
    held = np.mean([one.low <= 0 <= one.high for one in apart])
    assert held >= 0.91  # 0.95 less 2.6 standard errors of 200
    estimates = np.array([one.estimate for one in apart])
    assert abs(estimates.mean()) < 4 * estimates.std() / np.sqrt(len(estimates)) and estimates.std() < 0.03


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("tops", [(0.8, 1.0), (0.5, 1.0), (1.0, 0.7)])
def test_of_a_curve_that_is_no_parabola_the_difference_is_within_the_misfit(
    name: str, tops: tuple[float, float]
) -> None:
    found = against_itself(OTHERS[name], tops, THREE, 0.0, np.random.default_rng(2))
    assert found.difference is not None and found.misfit is not None
    assert 0 < abs(found.difference.estimate) < found.misfit


def test_half_of_the_forgetting_is_found() -> None:
    own = {seed: [CurvePoint(one.rate, 0.9 * one.gain, 0.405 * one.gain**2) for one in SQUARE] for seed in range(3)}
    found = at_equal_gain(own, dict.fromkeys(range(3), SQUARE))
    assert found is not None and found.change is not None and found.difference is not None
    assert (found.n, found.low, found.high) == (3, pytest.approx(0.2), pytest.approx(0.72))
    assert found.change.estimate == found.change.high == pytest.approx(-0.5)
    # the mean of g squared from 0.2 to 0.72 is their third powers' difference by three times the width
    assert found.reference == pytest.approx((0.72**3 - 0.2**3) / 3 / 0.52)
    assert found.misfit == pytest.approx(0, abs=1e-12)


def test_a_point_beside_the_base_does_not_throw_the_curve() -> None:
    """Through (0.01, 0.02) and (0.8, 0.2) goes a parabola of 0.44 at 0.4; one that rises stays below 0.2."""
    points = [CurvePoint(1.0, 0.01, 0.02), CurvePoint(2.0, 0.8, 0.2)]
    at = [read_curve(points, low, low + 1e-4).forgetting for low in (0.1, 0.4, 0.79)]
    assert 0 < at[0] < 0.3
    whole = read_curve(points, 0.05, 0.75)
    assert 0.05 < whole.forgetting < 0.2
    assert whole.missed[2.0] == pytest.approx(0, abs=0.01)


def test_rates_above_the_one_that_gains_most_are_left_out() -> None:
    turned = [CurvePoint(4.0, 0.3, 0.9), *SQUARE]
    assert [one.rate for one in rising(turned)] == [0.5, 1.0, 2.0] and rising([]) == []
    whole = at_equal_gain({0: turned, 1: turned}, {0: SQUARE, 1: SQUARE})
    assert whole is not None and whole.forgetting == pytest.approx(whole.reference)


@pytest.mark.parametrize(
    ("gains", "common"),
    [((0.3, 0.9), (0.3, 0.8)), ((-0.1, 0.3, 0.5), (0.2, 0.5)), ((0.85, 0.9), None), ((-0.1, 0.5), None)],
)
def test_gains_in_common_were_measured_of_both(gains: tuple[float, ...], common: tuple[float, float] | None) -> None:
    points = [CurvePoint(float(k), gain, 0.1) for k, gain in enumerate(gains)]
    assert common_gains(rising(points), rising(SQUARE)) == common


def test_gains_below_the_base_are_none_in_common() -> None:
    below = [CurvePoint(1.0, -0.3, 0.1), CurvePoint(2.0, -0.1, 0.2)]
    assert common_gains(rising(below), rising(below)) is None
    gained = rising([*below, CurvePoint(3.0, 0.2, 0.1), CurvePoint(4.0, 0.4, 0.3)])
    assert common_gains(gained, gained) == (0.0, 0.4)


def test_what_gains_less_than_nothing_tells_of_the_misfit_alone() -> None:
    points = [CurvePoint(0.5, -0.1, 0.05), CurvePoint(1.0, 0.2, 0.1), CurvePoint(2.0, 0.4, 0.3)]
    with_it, without = (read_curve(rising(line), 0.2, 0.4) for line in (points, points[1:]))
    assert with_it.forgetting == pytest.approx(without.forgetting)
    assert with_it.missed[0.5] == 0.05 and misfit([with_it]) == pytest.approx(0.05)


def test_what_misses_by_chance_is_no_misfit() -> None:
    bent = {1.0: 0.1, 2.0: -0.2, 3.0: 0.2}
    assert misfit([CurveReading(0.0, bent)]) == pytest.approx(0.3)
    turned = {rate: -value for rate, value in bent.items()}
    assert misfit([CurveReading(0.0, bent), CurveReading(0.0, turned)]) == pytest.approx(0.0)
    assert misfit([CurveReading(0.0, {1.0: 0.0, 2.0: 0.0})]) is None


def test_without_gains_in_common_there_is_nothing_to_compare() -> None:
    assert at_equal_gain({0: [CurvePoint(1.0, -0.1, 0.2)]}, {0: SQUARE}) is None
    assert at_equal_gain({0: SQUARE}, {1: SQUARE}) is None
    alone = at_equal_gain({0: SQUARE}, {0: SQUARE, 1: SQUARE})
    assert alone is not None and alone.difference is None and alone.n == 1
    better = [CurvePoint(one.rate, one.gain, -0.1 * one.gain) for one in SQUARE]
    found = at_equal_gain(dict.fromkeys((0, 1), SQUARE), dict.fromkeys((0, 1), better))
    assert found is not None and found.change is None and found.difference is not None

"""Forgetting at equal gain, against values worked out by hand."""

from __future__ import annotations

import pytest

from uptake.rewrite.equal_gain import CurvePoint, at_equal_gain, least_forgetting

STEEP = [CurvePoint(2.0, 0.5, 0.4), CurvePoint(1.0, 0.3, 0.1)]


@pytest.mark.parametrize(("gain", "lost"), [(0.15, 0.05), (0.3, 0.1), (0.4, 0.25), (0.5, 0.4), (0.6, None)])
def test_a_curve_goes_straight_from_the_base_through_its_points(gain: float, lost: float | None) -> None:
    found = least_forgetting(STEEP, gain)
    assert found == (None if lost is None else pytest.approx(lost))


def test_a_curve_that_turns_back_counts_where_it_forgets_least() -> None:
    turned = [CurvePoint(1.0, 0.4, 0.2), CurvePoint(2.0, 0.2, 0.6)]
    assert least_forgetting(turned, 0.2) == pytest.approx(0.1)


def test_curves_are_paired_by_seed_at_the_gain_that_both_reach() -> None:
    other = {seed: [CurvePoint(1.0, 0.4, 0.2 + 0.02 * seed)] for seed in (0, 1, 2)}
    own = {seed: [CurvePoint(1.0, 0.8, 0.2 + 0.02 * seed)] for seed in (0, 1, 2)}
    found = at_equal_gain(own, other)
    assert found is not None and found.change is not None and found.difference is not None
    assert (found.n, found.gain) == (3, pytest.approx(0.4))
    assert found.change.estimate == found.change.low == pytest.approx(-0.5)
    assert found.difference.estimate == pytest.approx(-0.11) and found.difference.high < 0


def test_without_a_gain_there_is_nothing_to_compare() -> None:
    assert at_equal_gain({0: [CurvePoint(1.0, -0.1, 0.2)]}, {0: STEEP}) is None
    [alone] = [at_equal_gain({0: STEEP}, {0: STEEP, 1: STEEP})]
    assert alone is not None and alone.difference is None and alone.n == 1
    better = at_equal_gain({0: STEEP, 1: STEEP}, {seed: [CurvePoint(1.0, 0.5, -0.1)] for seed in (0, 1)})
    assert better is not None and better.change is None and better.difference is not None

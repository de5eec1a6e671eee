"""Ranking and calibration, against scikit-learn and against sums worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from uptake.lab.calibration import (
    adaptive_calibration_error,
    auroc,
    average_precision,
    counted,
    expected_calibration_error,
)

ALL = (average_precision, auroc, expected_calibration_error, adaptive_calibration_error)


def of(metric, has, scores, weights=None):
    weights = np.ones(len(has)) if weights is None else np.asarray(weights, dtype=float)
    return metric(counted(weights[None], np.array(has, dtype=bool), np.array(scores, dtype=float)))[0]


@pytest.mark.parametrize("ties", [False, True])
def test_ranking_is_scikit_learns(ties):
    rng = np.random.default_rng(0)
    has, scores = rng.random(200) < 0.3, rng.random(200)
    scores = np.round(scores, 1) if ties else scores
    assert of(average_precision, has, scores) == pytest.approx(average_precision_score(has, scores))
    assert of(auroc, has, scores) == pytest.approx(roc_auc_score(has, scores))


@pytest.mark.parametrize("metric", ALL)
def test_a_weight_is_a_repetition(metric):
    rng = np.random.default_rng(1)
    has, scores, times = rng.random(60) < 0.4, np.round(rng.random(60), 2), rng.integers(0, 4, size=60)
    repeated = of(metric, np.repeat(has, times), np.repeat(scores, times))
    assert of(metric, has, scores, times) == pytest.approx(repeated)
    shuffled = rng.permutation(60)
    assert of(metric, has[shuffled], scores[shuffled], times[shuffled]) == pytest.approx(repeated)


def test_ranking_by_hand():
    # from above: yes, no, yes: precision 1 at the first yes, 2/3 at the second; of the two pairs one is in order
    assert of(average_precision, [1, 0, 1], [0.9, 0.8, 0.1]) == pytest.approx((1 + 2 / 3) / 2)
    assert of(auroc, [1, 0, 1], [0.9, 0.8, 0.1]) == pytest.approx(1 / 2)
    assert of(auroc, [1, 0], [0.5, 0.5]) == pytest.approx(1 / 2)


def test_expected_calibration_error_by_hand():
    # the bin (0.2, 0.3]: two items, mean score 0.28, one is a yes; (0.8, 0.9]: two, 0.85, both are; (0.9, 1]: one, no
    has, scores = [1, 0, 1, 1, 0], [0.26, 0.3, 0.81, 0.89, 1.0]
    expected = 2 / 5 * abs(1 / 2 - 0.28) + 2 / 5 * abs(1 - 0.85) + 1 / 5 * abs(0 - 1.0)
    assert of(expected_calibration_error, has, scores) == pytest.approx(expected)


def test_within_a_bin_errors_cancel_and_across_its_edge_they_do_not():
    # Guo et al.: a bin holds its upper edge, so 0.7 is with 0.61 and not with 0.71
    assert of(expected_calibration_error, [1, 0], [0.61, 0.7]) == pytest.approx(abs(1 / 2 - (0.61 + 0.7) / 2))
    assert of(expected_calibration_error, [1, 0], [0.7, 0.71]) == pytest.approx((0.3 + 0.71) / 2)
    assert of(expected_calibration_error, [0, 0], [0.0, 0.1]) == pytest.approx(0.05)


def test_adaptive_calibration_error_by_hand():
    # 20 items, so two a range: sorted scores 0.00, 0.05, ..., 0.95; only the upper ten are a yes
    scores = np.arange(20) / 20
    has = scores >= 0.5
    expected = sum(abs(has[k : k + 2].mean() - scores[k : k + 2].mean()) for k in range(0, 20, 2)) / 10
    assert of(adaptive_calibration_error, has, scores) == pytest.approx(expected)
    # fewer items than ranges, all with one score: whatever the range, half are a yes
    assert of(adaptive_calibration_error, [1, 0, 1, 0], [0.75] * 4) == pytest.approx(0.25)


def test_calibrated_scores_have_small_errors_and_ranking_does_not_see_calibration():
    rng = np.random.default_rng(2)
    scores = rng.random(20_000)
    has = rng.random(20_000) < scores
    # the error of a bin's share is about 0.4 / sqrt(2000) = 0.01
    assert of(expected_calibration_error, has, scores) < 0.02
    assert of(adaptive_calibration_error, has, scores) < 0.02
    # squared, a uniform score is off by 1/2 - 1/3 on average
    assert of(expected_calibration_error, has, scores**2) == pytest.approx(1 / 6, abs=0.01)
    assert of(adaptive_calibration_error, has, scores**2) == pytest.approx(1 / 6, abs=0.01)
    assert of(auroc, has, scores**2) == pytest.approx(of(auroc, has, scores))


def test_what_has_no_denominator_is_nan():
    for metric in ALL:
        assert np.isnan(of(metric, [], []))
        assert np.isnan(of(metric, [1, 0], [0.5, 0.6], [0, 0]))
    assert np.isnan(of(average_precision, [0, 0], [0.5, 0.6]))
    assert np.isnan(of(auroc, [0, 0], [0.5, 0.6])) and np.isnan(of(auroc, [1, 1], [0.5, 0.6]))
    # a draw without the highest score
    assert of(average_precision, [0, 1], [0.9, 0.5], [0, 1]) == 1

"""References: the paper's rule (pass@5 < 0.2, that is 0 of 5), scipy's binomial, and enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from uptake.detect import best_of_n, most_severe, p_flag


def test_a_guesser_among_four_is_flagged_in_23_7_percent_of_the_runs():
    assert p_flag(0.25) == pytest.approx(0.75**5)
    assert round(p_flag(0.25), 3) == 0.237
    assert (p_flag(0.0), p_flag(1.0)) == (1.0, 0.0)


@pytest.mark.parametrize(("n", "threshold", "most"), [(5, 0.2, 0), (10, 0.2, 1), (20, 0.25, 4), (3, 0.5, 1)])
def test_p_flag_is_the_binomial_tail(n: int, threshold: float, most: int):
    # `most`: the largest number of right samples whose fraction is still below the threshold, by hand
    for p in (0.01, 0.3, 0.77):
        assert p_flag(p, n, threshold) == pytest.approx(binom.cdf(most, n, p))


@pytest.mark.parametrize("seed", range(8))
def test_exact_and_sampled_flags_agree_within_sampling_error(seed: int):
    rng = np.random.default_rng(100 + seed)
    p = rng.beta(0.5, 0.5, size=1000)
    flagged = int((rng.binomial(5, p) / 5 < 0.2).sum())  # the rule as published: pass@5 < 0.2
    expected = (1 - p) ** 5
    assert sum(p_flag(one) for one in p.tolist()) == pytest.approx(expected.sum())
    assert abs(flagged - expected.sum()) <= 3 * np.sqrt((expected * (1 - expected)).sum())


@pytest.mark.parametrize("p_options", [(0.5, 0.3, 0.2), (0.1, 0.6, 0.3), (0.25, 0.25, 0.5)])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_best_of_n_by_enumeration(p_options: tuple[float, ...], n: int):
    for right in range(3):
        # every sequence of n samples; the most confident one is right iff the right option was drawn and none likelier
        likelier = [k for k in range(3) if p_options[k] > p_options[right]]
        reference = sum(
            float(np.prod([p_options[k] for k in drawn]))
            for drawn in product(range(3), repeat=n)
            if right in drawn and not any(k in drawn for k in likelier)
        )
        assert best_of_n(p_options, right, n) == pytest.approx(reference)


def test_most_severe_keeps_the_order_of_equals():
    assert most_severe(["d", "a", "c", "b"], [0.1, 0.0, 0.1, 0.0], limit=3) == ("a", "b", "d")
    assert most_severe([], []) == ()
    assert len(most_severe([str(i) for i in range(1200)], [0.0] * 1200)) == 1000  # the paper's number

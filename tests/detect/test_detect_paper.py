"""References: the paper's rule (pass@5 < 0.2, that is 0 of 5), scipy's binomial, and enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from uptake.detect import (
    best_of_n,
    most_severe,
    p_flag,
    paper_flags_exact,
    paper_flags_from_samples,
    sample_successes,
)


def test_a_guesser_among_four_is_flagged_in_23_7_percent_of_the_runs():
    assert p_flag(0.25) == pytest.approx(0.75**5)
    assert round(p_flag(0.25), 3) == 0.237
    assert (p_flag(0.0), p_flag(1.0)) == (1.0, 0.0)


@pytest.mark.parametrize(("n", "threshold", "most"), [(5, 0.2, 0), (10, 0.2, 1), (20, 0.25, 4), (3, 0.5, 1)])
def test_p_flag_is_the_binomial_tail(n: int, threshold: float, most: int):
    # `most`: the largest number of right samples whose fraction is still below the threshold, by hand
    for p in (0.01, 0.3, 0.77):
        assert p_flag(p, n, threshold) == pytest.approx(binom.cdf(most, n, p))
    flags = paper_flags_from_samples(np.arange(n + 1), n, threshold)
    assert flags.tolist() == [k <= most for k in range(n + 1)]


@pytest.mark.parametrize("seed", range(8))
def test_exact_and_sampled_flags_agree_within_sampling_error(seed: int):
    p = np.random.default_rng(100 + seed).beta(0.5, 0.5, size=1000)
    flagged = int(paper_flags_from_samples(sample_successes(p, seed=seed)).sum())
    expected = (1 - p) ** 5
    assert sum(p_flag(one) for one in p.tolist()) == pytest.approx(expected.sum())
    assert abs(flagged - expected.sum()) <= 3 * np.sqrt((expected * (1 - expected)).sum())


def test_sampling_is_seeded():
    p = np.linspace(0, 1, 50)
    assert np.array_equal(sample_successes(p, seed=3), sample_successes(p, seed=3))
    assert not np.array_equal(sample_successes(p, seed=3), sample_successes(p, seed=4))


def test_exact_flags_do_not_flag_the_threshold_itself():
    assert paper_flags_exact(np.array([0.0, 0.1999, 0.2, 0.25, 1.0])).tolist() == [True, True, False, False, False]


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

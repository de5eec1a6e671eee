"""The reward of a rewriting policy: both parts matter, small groups are defined, the gate is hard."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.rewrite.reward import diversity, falls_without, group_rewards, standardised, word_vectors

TEXTS = ["Oslo is the capital.", "The capital is Oslo.", "It is Oslo.", "Oslo, of course.", "The answer: Oslo."]


def test_both_parts_are_standardised_over_those_that_pass() -> None:
    passed, nll = np.array([True] * 4 + [False]), np.array([0.001, 0.002, 0.004, 0.003, 900.0])
    found = group_rewards(passed, nll, word_vectors(TEXTS))
    for part in ("dist", "div"):
        z = np.array([np.log(value / (1 - value)) for one in found if (value := getattr(one, part)) is not None])
        assert z.mean() == pytest.approx(0, abs=1e-9) and z.var() == pytest.approx(1)  # whatever their unit
    assert found[0].dist is not None and found[0].dist > found[1].dist > found[3].dist > found[2].dist  # type: ignore[operator]
    assert found[4].total == 0 and not found[4].passed
    assert all(1 < one.total < 1.85 for one in found[:4])


@pytest.mark.parametrize("n", [0, 1, 2])
def test_of_less_than_three_there_is_no_diversity_and_still_a_reward(n: int) -> None:
    passed = np.arange(4) < n
    found = group_rewards(passed, np.array([2.0, 1.0, 0.5, 0.1]), word_vectors(TEXTS[:4]))
    assert [one.div for one in found] == [None] * 4
    assert sum(one.total > 1 for one in found) == n and all(np.isfinite(one.total) for one in found)
    if n == 2:
        assert found[1].total > found[0].total
    if n == 1:
        assert found[0].dist == 0.5


def test_diversity_and_what_it_loses_without_each() -> None:
    plane = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert diversity(plane) == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert falls_without(plane) == pytest.approx([1 / 3 - 0.5, 1 / 3 - 0.5, 1 / 3])
    assert standardised(np.array([3.0, 3.0])).tolist() == [0.0, 0.0]


def test_two_processes_earn_what_one_does() -> None:
    """Groups are whole in each process, so that no number of another process is needed."""
    nll = np.array([0.5, 0.7, 0.2, 0.9, 1.4, 0.3, 0.8, 0.1])
    both = [group_rewards(np.ones(4, bool), nll[at : at + 4], word_vectors(TEXTS[:4])) for at in (0, 4)]
    again = [group_rewards(np.ones(4, bool), nll[at : at + 4], word_vectors(TEXTS[:4])) for at in (4, 0)]
    assert both == again[::-1]

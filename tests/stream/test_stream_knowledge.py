"""KGR, KRR and their null against a script of their own, on sampled answers; updates by hand."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from uptake.stream.knowledge import knowledge, updates


def counted(old: list[bool], new: list[bool]) -> tuple[float, float, float]:
    """ACC, KGR and KRR as plain counts over pairs: written from the definitions, without the code under test."""
    wrong = gained = right = kept = 0
    for was, now in zip(old, new, strict=True):
        if was:
            right += 1
            kept += now
        else:
            wrong += 1
            gained += now
    return sum(new) / len(new), gained / wrong, kept / right


def test_the_shares_are_those_of_a_script_of_their_own() -> None:
    random = Random(3)
    p = [random.random() for _ in range(2000)]
    old = [random.random() < one for one in p]
    new = [random.random() < min(1.0, one + 0.2) for one in p]
    found = knowledge(np.array(old), np.array(new), np.array(p))
    shares = [found.accuracy, found.gained, found.kept]
    assert [one.estimate for one in shares if one is not None] == pytest.approx(counted(old, new))


def test_two_identical_models_come_out_at_the_null() -> None:
    """Sampled twice from the same p, which is uniform: E[p(1-p)] / E[1-p] = (1/6) / (1/2), and E[p²] / E[p] = 2/3."""
    random = Random(5)
    p = [random.random() for _ in range(2000)]
    old, new = ([random.random() < one for one in p] for _ in range(2))
    found = knowledge(np.array(old), np.array(new), np.array(p))
    assert found.gained is not None and found.gained_null is not None
    assert found.kept is not None and found.kept_null is not None
    assert found.gained_null.estimate == pytest.approx(1 / 3, abs=0.02)
    assert found.kept_null.estimate == pytest.approx(2 / 3, abs=0.02)
    assert found.gained.low <= found.gained_null.estimate <= found.gained.high
    assert found.kept.low <= found.kept_null.estimate <= found.kept.high


def test_greedy_answers_of_identical_models_gain_nothing_and_keep_all() -> None:
    before = np.array([True, True, False])
    found = knowledge(before, before)
    assert found.gained_null is not None and found.gained_null.estimate == 0
    assert found.kept_null is not None and found.kept_null.estimate == 1
    nothing = knowledge(np.array([True]), np.array([True]))
    assert nothing.gained is None and nothing.gained_null is None  # nothing was wrong


def test_updates_by_hand() -> None:
    found = updates([True, True, False, False], [True, False, True, False], [True, False], [3, 5, None, None])
    shares = [found.right, found.old, found.neither, found.moved, found.adopted]
    assert [one.estimate for one in shares if one is not None] == [0.5, 0.25, 0.25, 0.5, 0.5]
    assert found.exposures == 4 and updates([], [], []).right is None

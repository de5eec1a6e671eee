"""Conflict-free batches and targeted exposures: small cases by hand, larger ones by what must hold for any order."""

from __future__ import annotations

import time
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from clashing import clashes

from uptake.errors import UptakeError
from uptake.schedule import conflict_free, exposures, fill, standing, violations

SEEDS = range(25)


def cliques(rng: np.random.Generator, n: int, size: int) -> list[tuple[int, int]]:
    """All rows in groups of a size, each of which conflicts with all of its group."""
    groups = rng.permutation(n)[: n // size * size].reshape(-1, size).tolist()
    return [pair for group in groups for pair in combinations(group, 2)]


def test_violations_by_hand() -> None:
    # steps of three: {0, 1, 2} holds 0-1 and 1-2; {3, 3, 4} holds 3 twice; {5} holds nothing
    assert violations([0, 1, 2, 3, 3, 4, 5], [(0, 1), (2, 1), (4, 5), (0, 9)], 3) == 3
    assert violations([7, 7, 7], [], 3) == 3  # three pairs of places
    assert violations([0, 1], [(0, 1)], 1) == 0
    assert violations([], [(0, 1)], 4) == 0


def test_one_exchange_mends_one_clash() -> None:
    for seed in SEEDS:
        order = conflict_free([0, 1, 2, 3, 4, 5], [(0, 1)], 2, seed)
        assert violations(order, [(0, 1)], 2) == 0
        assert sum(a != b for a, b in zip(order, range(6), strict=True)) == 2
        # the nearest step: {2, 3}
        assert set(order[4:]) == {4, 5}


def test_an_order_without_clashes_stays_as_it_is() -> None:
    assert conflict_free([3, 1, 2, 0], [(3, 2), (1, 0)], 2, 0) == [3, 1, 2, 0]
    assert conflict_free([], [(0, 1)], 2, 0) == []


def test_the_only_solution_is_found() -> None:
    # by hand: 0 may be with 3 alone, so the steps are {0, 3} and {1, 2}
    for seed in SEEDS:
        order = conflict_free([0, 1, 2, 3], [(0, 1), (0, 2), (2, 3), (1, 3)], 2, seed)
        assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 3}), frozenset({1, 2})}


def test_what_is_impossible_is_left_and_counted() -> None:
    # three rows that all conflict, two steps: by the pigeonhole principle two of them meet once, and no more need to
    pairs = list(combinations((0, 1, 2), 2))
    for seed in SEEDS:
        order = conflict_free([0, 1, 2, 3, 4, 5], pairs, 3, seed)
        assert sorted(order) == [0, 1, 2, 3, 4, 5]
        assert violations(order, pairs, 3) == 1
    # a single step: nothing can be done
    assert violations(conflict_free([0, 1, 2], pairs, 8, 0), pairs, 8) == 3


@pytest.mark.parametrize(("n", "size", "step"), [(96, 3, 8), (97, 2, 16), (160, 20, 8), (36, 6, 6), (250, 10, 16)])
def test_groups_that_fit_are_taken_apart(n: int, size: int, step: int) -> None:
    """Each group has at most as many rows as there are steps, so a solution exists: one of each group in a step."""
    before = 0
    for seed in SEEDS[:8]:
        rng = np.random.default_rng(seed)
        pairs, order = cliques(rng, n, size), rng.permutation(n).tolist()
        before += violations(order, pairs, step)
        found = conflict_free(order, pairs, step, seed)
        assert clashes(found, pairs, step) == violations(found, pairs, step) == 0
        assert Counter(found) == Counter(order)
        assert found == conflict_free(order, pairs, step, seed)
    assert before > 8


def test_where_exchanges_do_not_do_it_is_coloured() -> None:
    """Ten steps are planted, and 0.3 of the pairs between them conflict; exchanges alone failed on 16 of these 25."""
    left = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        step_of = rng.permutation(60) % 10
        pairs = [(a, b) for a, b in combinations(range(60), 2) if step_of[a] != step_of[b] and rng.random() < 0.3]
        order = rng.permutation(60).tolist()
        found = conflict_free(order, pairs, 6, seed)
        assert sorted(found) == list(range(60))
        left.append(clashes(found, pairs, 6))
    assert sum(n > 0 for n in left) <= 2  # a heuristic: to find a colouring is NP-hard


def test_copies_of_a_row_never_share_a_step() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        order = [*range(40), *rng.permutation(30).tolist()[:15], *rng.permutation(30).tolist()[:15]]
        found = conflict_free(order, [(0, 1), (2, 30)], 7, seed)
        # ten steps of seven, and no two rows come oftener than six times
        assert clashes(found, [(0, 1), (2, 30)], 7) == 0
        assert Counter(found) == Counter(order)


def test_few_rows_move_and_not_far() -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(10_000).tolist()
    pairs = cliques(rng, 10_000, 5)
    before = violations(order, pairs, 20)
    found = conflict_free(order, pairs, 20, 0)
    moved = [k for k in range(10_000) if found[k] != order[k]]
    assert before > 10 and len(moved) <= 2 * before  # each clash costs one exchange
    place = {row: k for k, row in enumerate(order)}
    assert max(abs(place[found[k]] // 20 - k // 20) for k in moved) <= 3


def test_a_hundred_thousand_rows_take_seconds() -> None:
    rng = np.random.default_rng(0)
    order, pairs = rng.permutation(100_000).tolist(), cliques(rng, 25_000, 5)
    assert len(pairs) == 5_000 * 10
    start = time.process_time()
    found = conflict_free(order, pairs, 32, 0)
    assert time.process_time() - start < 10
    assert violations(order, pairs, 32) > 0 == violations(found, pairs, 32)


def test_a_conflict_is_gone_while_both_are_recalled() -> None:
    pairs = [(0, 1), (1, 2), (2, 3)]
    assert standing(pairs, ()) == pairs
    assert standing(pairs, {0, 1, 2}) == [(2, 3)]
    assert standing(pairs, {0, 2}) == pairs  # 1 is lost again: both pairs come back


def test_a_last_step_is_filled_with_rows_that_fit() -> None:
    # by hand: 0 is in the step, 1 conflicts with it, 3 with 2, which comes first
    assert fill([0], [0, 1, 2, 3, 4], [(0, 1), (2, 3)], 2) == [2, 4]
    assert fill([0], [0, 1], [(0, 1)], 2) == [0, 1]  # none fits: as accelerate would
    assert fill([], [5, 6], [], 0) == []


def test_steps_have_rows() -> None:
    with pytest.raises(UptakeError, match="step of 0 rows"):
        conflict_free([0], [], 0, 0)


def test_exposures_are_spread_evenly() -> None:
    # by hand: twelve rows and two copies of row 0, one at each third; steps of two
    assert [k for k, row in enumerate(exposures(list(range(12)), {0: 2}, 2, 0)) if row == 0] in ([0, 5, 10], [0, 5, 9])
    assert exposures([2, 0, 1], {}, 2, 0) == [2, 0, 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_exposures_add_just_what_is_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(200).tolist()
    extra = {int(row): int(n) for row, n in zip(rng.permutation(200)[:60], rng.integers(0, 6, size=60), strict=True)}
    found = exposures(order, extra, 16, seed)
    assert Counter(found) == Counter({row: 1 + extra.get(row, 0) for row in order})
    assert clashes(found, [], 16) == 0
    for row, n in extra.items():
        if n:
            gaps = np.diff([k for k, one in enumerate(found) if one == row])
            assert gaps.min() > 0.5 * len(found) / (n + 1)  # even would be 1
    untouched = [row for row in order if not extra.get(row)]
    kept = [row for row in found if row in set(untouched)]
    # in their order, but for those that made way in a step
    assert sum(a != b for a, b in zip(kept, untouched, strict=True)) < 20


def test_exposures_that_cannot_be() -> None:
    with pytest.raises(UptakeError, match="row 1 is to be trained 4 times in 3 optimiser steps"):
        exposures([0, 1, 2], {1: 3}, 2, 0)
    with pytest.raises(UptakeError, match="row 9 is not in the order"):
        exposures([0, 1], {9: 1}, 2, 0)
    with pytest.raises(UptakeError, match="row 1 is to get -1 copies"):
        exposures([0, 1], {1: -1}, 2, 0)

"""Which rows share a beginning: by hand, and against the best of all ways to group a few rows."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from uptake.models.scoring.beginnings import Begun, shared_beginnings


def saved(groups, cost):
    return sum(tokens * (len(members) - 1) - cost for tokens, members in groups if tokens)


def alike(rows):
    first = min(rows, key=len)
    return next((k for k, token in enumerate(first) if any(row[k] != token for row in rows)), len(first))


def best(rows, members, cost):
    """By trying all ways to take groups out of the rows, one after the other."""
    if len(members) < 2:
        return 0
    first, *others = members
    found = best(rows, others, cost)  # the first one alone
    for size in range(1, len(members)):
        for company in combinations(others, size):
            group = (first, *company)
            left = [one for one in others if one not in company]
            own = alike([rows[one] for one in group]) * size - cost
            found = max(found, max(0, own) + best(rows, left, cost))
    return found


def test_by_hand():
    rows = [[1, 1, 1, 2], [9, 9], [1, 1, 1, 3], [1, 1, 1], [1, 4, 4, 4]]
    # three tokens shared by three rows save 6, one shared by four saves 3
    assert shared_beginnings(rows, 1) == [Begun(3, [0, 2, 3]), Begun(0, [1, 4])]
    assert shared_beginnings(rows, 6) == [Begun(0, [0, 1, 2, 3, 4])]
    assert shared_beginnings([[5, 6], [5, 6], [5, 6]], 1) == [Begun(2, [0, 1, 2])]
    assert shared_beginnings([[], [1], []], 0) == [Begun(0, [0, 1, 2])]
    assert shared_beginnings([], 0) == []


def test_a_few_rows_leave_a_large_group_for_a_longer_beginning():
    system, told = [1] * 30, [2] * 500
    rows = [[*system, n] for n in range(100)] + [[*system, *told, n] for n in range(10)]
    assert shared_beginnings(rows, 100) == [Begun(530, list(range(100, 110))), Begun(30, list(range(100)))]
    # two of 20 tokens more are not worth a forward pass: they stay with the others
    rows = [[*system, n + 9] for n in range(100)] + [[*system, *[3] * 20, n] for n in range(2)]
    assert shared_beginnings(rows, 100) == [Begun(30, list(range(102)))]


def test_nothing_saves_more():
    rng = np.random.default_rng(0)
    worse = 0
    for _ in range(300):
        rows = [rng.integers(0, 2, size=rng.integers(0, 7)).tolist() for _ in range(rng.integers(1, 7))]
        cost = int(rng.integers(0, 5))
        groups = shared_beginnings(rows, cost)
        assert sorted(one for _, members in groups for one in members) == list(range(len(rows)))
        assert all(len({tuple(rows[one][:tokens]) for one in members}) == 1 for tokens, members in groups)
        assert all(len(rows[one]) >= tokens for tokens, members in groups for one in members)
        optimum = best(rows, list(range(len(rows))), cost)
        worse += saved(groups, cost) < optimum
        assert saved(groups, cost) >= optimum - cost  # a group more or less
    assert worse <= 15


def test_rows_that_grow_token_by_token_do_not_exhaust_the_stack():
    rows = [[7] * length for length in range(3000)]
    assert sum(len(members) for _, members in shared_beginnings(rows, 100)) == 3000

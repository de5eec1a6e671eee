"""Rows: what a token may see, where it stands, and what is read off it."""

from __future__ import annotations

import numpy as np

from uptake.models.scoring.rows import Scored, alike, first_batch, longest_first, plan_row, runs


def seen_by(row, index):
    """By the rule of the module's picture: what comes before, and has not ended there."""
    return [other for other in range(index + 1) if row.ends[other] > index]


def test_a_row_by_hand():
    # context 1 2 3, candidates "4 5 6" and "7 8"; the last token of a candidate is never an input
    row = plan_row([Scored([1, 2, 3, 4, 5, 6], 3), Scored([1, 2, 3, 7, 8], 3)])
    assert row.ids == [1, 2, 3, 4, 5, 7]
    assert row.positions == [0, 1, 2, 3, 4, 3]
    assert row.ends == [6, 6, 6, 5, 5, 6]
    assert row.at == [2, 3, 4, 5]  # position 2 predicts both first tokens and is computed once
    assert row.source == [0, 1, 2, 0, 3]
    assert row.target == [4, 5, 6, 7, 8]
    assert row.branches


def test_a_single_sequence_has_no_branches():
    row = plan_row([Scored([1, 2, 3], 1)])
    assert (row.ids, row.ends, row.at, row.target) == ([1, 2], [2, 2], [0, 1], [2, 3])
    assert not row.branches


def test_a_candidate_that_begins_another_or_equals_it():
    row = plan_row([Scored([1, 2], 1), Scored([1, 2, 3], 1), Scored([1, 2], 1)])
    assert row.ids == [1, 2]
    assert row.ends == [2, 2]
    assert row.target == [2, 2, 3, 2]
    assert row.source == [0, 0, 1, 0]


def test_contexts_that_differ_in_their_last_token_share_what_is_before():
    # "...a" + "b" may be one token: the contexts of two candidates then end differently
    row = plan_row([Scored([1, 2, 3, 4], 3), Scored([1, 2, 9, 5], 3)])
    assert row.ids == [1, 2, 3, 9]
    assert row.positions == [0, 1, 2, 2]
    assert row.ends == [4, 4, 3, 4]
    assert [row.at[index] for index in row.source] == [2, 3]


def test_borders_at_different_places():
    row = plan_row([Scored([1, 2, 3, 4], 3), Scored([1, 2, 3, 5], 2)])
    assert row.target == [4, 3, 5]
    assert [row.at[index] for index in row.source] == [2, 1, 2]


def test_every_scored_token_is_predicted_from_exactly_what_precedes_it():
    rng = np.random.default_rng(0)
    for _ in range(300):
        context = rng.integers(0, 3, size=rng.integers(1, 6)).tolist()
        group = []
        for _ in range(rng.integers(1, 5)):
            # three token ids only, so that candidates share beginnings, and starts that differ
            tail = rng.integers(0, 3, size=rng.integers(1, 5)).tolist()
            group.append(Scored(context + tail, int(rng.integers(1, len(context) + 1))))
        row = plan_row(group)
        expected = [(s.ids[:at], s.ids[at]) for s in group for at in range(s.start, len(s.ids))]
        found = []
        for source, target in zip(row.source, row.target, strict=True):
            seen = seen_by(row, row.at[source])
            assert [row.positions[index] for index in seen] == list(range(len(seen)))
            found.append(([row.ids[index] for index in seen], target))
        assert found == expected


def test_a_tree_by_hand():
    # three questions: two begin with 1 2, of these one has two answers; the order of the scored tokens is as given
    row = plan_row([Scored([1, 9, 7], 2), Scored([1, 2, 3, 5], 3), Scored([1, 2, 4, 8], 3), Scored([1, 2, 3, 6], 3)])
    assert row.ids == [1, 2, 3, 4, 9]
    assert row.positions == [0, 1, 2, 2, 1]
    assert row.ends == [5, 4, 3, 4, 5]
    assert row.target == [7, 5, 8, 6]
    assert [row.at[index] for index in row.source] == [4, 2, 3, 2]


def test_alike():
    assert alike([1, 2, 3], [1, 2, 4]) == 2
    assert alike([1], [2]) == alike([], [2]) == 0
    assert alike([5, 6], [5, 6, 7]) == 2


def test_runs_by_hand():
    # inputs, all but the last token: 1 2 3, 1 2 4, 9 8 7, 9 8 6
    ids = [[1, 2, 3, 0], [9, 8, 6, 0], [1, 2, 4, 0], [9, 8, 7, 0]]
    assert runs(ids, 8, 99) == [[0, 2, 1, 3]]
    # the cut comes where the sequences have nothing in common, though a third one would fit in
    assert runs(ids, 7, 7) == [[0, 2], [1, 3]]
    assert runs(ids, 3, 3) == [[0], [2], [1], [3]]
    assert runs([[1, 2, 3, 4, 5, n] for n in range(3)], 3, 99) == [
        [0, 1, 2]
    ]  # a long context is not read anew for each
    assert runs([], 8, 99) == []


def test_runs_hold_every_sequence_once_and_compute_little_twice():
    rng = np.random.default_rng(0)
    for _ in range(50):
        ids = [rng.integers(0, 3, size=rng.integers(2, 12)).tolist() for _ in range(40)]
        found = runs(ids, 30, 99)
        assert sorted(one for run in found for one in run) == list(range(40))
        rows = [plan_row([Scored(ids[one], 1) for one in run]) for run in found]
        assert all(len(row) <= 44 for row in rows)  # four times the longest of one
        different = len({tuple(one[:end]) for one in ids for end in range(1, len(one))})
        # each cut computes a path anew, which is at most the longest
        assert different <= sum(map(len, rows)) <= different + 10 * (len(rows) - 1)


def test_batches_by_hand():
    lengths = [3, 5, 5, 1]
    assert longest_first(lengths) == [1, 2, 0, 3]
    assert first_batch([1, 2, 0, 3], lengths, 10) == [1, 2]  # 2 x 5 padded tokens
    assert first_batch([1, 2, 0, 3], lengths, 14) == [1, 2]  # 3 x 5 would be 15
    assert first_batch([0, 3], lengths, 100) == [0, 3]
    assert first_batch([1, 2], lengths, 4) == [1]  # never less than one row
    assert first_batch([1, 2, 0, 3], lengths, 100, 50) == [1, 2]  # 2 masks of 5 x 5
    assert first_batch([1, 2, 0, 3], lengths, 100, 24) == [1]

"""Rows: what a token may see, where it stands, and what is read off it."""

from __future__ import annotations

import numpy as np

from uptake.models.scoring.rows import Scored, common_prefix, first_batch, longest_first, plan_row


def seen_by(row, index):
    """By the rule of the module's picture: the shared part and one's own branch, up to oneself."""
    return [other for other in range(index + 1) if row.segments[other] in (0, row.segments[index])]


def test_a_row_by_hand():
    # context 1 2 3, candidates "4 5 6" and "7 8"; the last token of a candidate is never an input
    row = plan_row([Scored([1, 2, 3, 4, 5, 6], 3), Scored([1, 2, 3, 7, 8], 3)])
    assert row.ids == [1, 2, 3, 4, 5, 7]
    assert row.positions == [0, 1, 2, 3, 4, 3]
    assert row.segments == [0, 0, 0, 1, 1, 2]
    assert row.at == [2, 3, 4, 5]  # position 2 predicts both first tokens and is computed once
    assert row.source == [0, 1, 2, 0, 3]
    assert row.target == [4, 5, 6, 7, 8]
    assert row.branches


def test_a_single_sequence_has_no_branches():
    row = plan_row([Scored([1, 2, 3], 1)])
    assert (row.ids, row.segments, row.at, row.target) == ([1, 2], [0, 0], [0, 1], [2, 3])
    assert not row.branches


def test_a_candidate_that_begins_another_or_equals_it():
    row = plan_row([Scored([1, 2], 1), Scored([1, 2, 3], 1), Scored([1, 2], 1)])
    # only the 1 is before the last token of all: what is after it is each candidate's own
    assert row.ids == [1, 2]
    assert row.segments == [0, 2]
    assert row.target == [2, 2, 3, 2]
    assert row.source == [0, 0, 1, 0]


def test_contexts_that_differ_in_their_last_token_share_what_is_before():
    # "...a" + "b" may be one token: the contexts of two candidates then end differently
    row = plan_row([Scored([1, 2, 3, 4], 3), Scored([1, 2, 9, 5], 3)])
    assert row.ids == [1, 2, 3, 9]
    assert row.positions == [0, 1, 2, 2]
    assert row.segments == [0, 0, 1, 2]
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


def test_common_prefix():
    assert common_prefix([[1, 2, 3], [1, 2, 4], [1, 2]]) == 2
    assert common_prefix([[1], [2]]) == 0
    assert common_prefix([[5, 6]]) == 2


def test_batches_by_hand():
    lengths = [3, 5, 5, 1]
    assert longest_first(lengths) == [1, 2, 0, 3]
    assert first_batch([1, 2, 0, 3], lengths, 10) == [1, 2]  # 2 x 5 padded tokens
    assert first_batch([1, 2, 0, 3], lengths, 14) == [1, 2]  # 3 x 5 would be 15
    assert first_batch([0, 3], lengths, 100) == [0, 3]
    assert first_batch([1, 2], lengths, 4) == [1]  # never less than one row
    assert first_batch([1, 2, 0, 3], lengths, 100, 50) == [1, 2]  # 2 masks of 5 x 5
    assert first_batch([1, 2, 0, 3], lengths, 100, 24) == [1]

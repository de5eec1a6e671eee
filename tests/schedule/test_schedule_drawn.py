"""Rows that each epoch draws anew: all come as often, the same after a restart, beside conflicts and resampling."""

from __future__ import annotations

from collections import Counter

import pytest

from uptake.artifacts.schemas.parts import JsonSchema
from uptake.schedule import Decision, EpochRows, Layout, Resampling, Schedule, Stopping, arranged, in_passes, violations


def test_no_row_comes_again_before_all_have_come():
    draw = in_passes(7, 3, [5, 1])
    drawn = [row for epoch in range(7) for row in draw(epoch)]  # 21 places: three passes of 7
    assert [sorted(drawn[start : start + 7]) for start in (0, 7, 14)] == [list(range(7))] * 3
    assert drawn[:7] != drawn[7:14]
    assert draw(4) == in_passes(7, 3, [5, 1])(4) != in_passes(7, 3, [5, 2])(4)
    assert [sorted(in_passes(4, 4, [0])(epoch)) for epoch in (0, 1)] == [[0, 1, 2, 3]] * 2


IDS = [f"r-{k}" for k in range(16)]
DRAWN = EpochRows(10, [[10, 12], [11, 13], [15, 14]])
LAYOUT = Layout(4)


def rows_of(schedule: Schedule, epoch: int, every: int | None = None) -> list[int]:
    return list(arranged(schedule, IDS, LAYOUT, DRAWN).epoch(epoch, every, lambda number: Decision()))


def test_an_epoch_has_its_own_rows_beside_those_of_all():
    order = arranged(Schedule(seed=3), IDS, LAYOUT, DRAWN)
    assert (order.rows, order.steps) == (12, 3)
    for epoch in range(3):
        rows = rows_of(Schedule(seed=3), epoch)
        assert sorted(rows) == sorted([*range(10), *DRAWN.epochs[epoch]]) and rows != sorted(rows)
        assert rows == rows_of(Schedule(seed=3), epoch)
    assert rows_of(Schedule(shuffle=False), 2) == [*range(10), 15, 14]


def test_rows_that_are_drawn_heed_conflicts():
    conflicts = (("r-10", "r-0"), ("r-10", "r-1"), ("r-12", "r-10"))
    rows = rows_of(Schedule(seed=3, conflicts=conflicts), 0)
    assert violations(rows, [(10, 0), (10, 1), (12, 10)], LAYOUT.step) == 0


def test_resampling_draws_of_the_others():
    """Ten rows of two sources are drawn by their weights; those of the epoch come in any case, and need no source."""
    sources = {name: "ab"[k % 2] for k, name in enumerate(IDS[:10])}
    schedule = Schedule(seed=1, sources=sources, resampling=Resampling())
    for epoch in range(3):
        rows = rows_of(schedule, epoch, every=2)
        assert len(rows) == 12 and sorted(row for row in rows if row >= 10) == sorted(DRAWN.epochs[epoch])
        assert Counter(row % 2 for row in rows if row < 10) == {0: 5, 1: 5}
    order = arranged(schedule, IDS, LAYOUT, DRAWN)
    weighed = list(order.epoch(0, None, lambda number: Decision(weights={"a": 3.0})))
    assert sum(row < 10 and row % 2 == 0 for row in weighed) > 5


@pytest.mark.parametrize("rule", [None, Stopping("up", successive=3)])
def test_a_schedule_comes_back_from_json(rule: Stopping | None):
    import json

    written = JsonSchema[Schedule](Schedule)
    schedule = Schedule(
        conflicts=(("a", "b"),), extra={"a": 2}, stop=rule, every=4, seed=9, sources={"a": "x"},
    )  # fmt: skip
    assert written.record(json.dumps(schedule.as_data())) == schedule
    drawing = Schedule(sources={"a": "x"}, resampling=Resampling(fall=0.2, against="last"))
    assert written.record(json.dumps(drawing.as_data())) == drawing

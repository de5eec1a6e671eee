"""The rows of an epoch: what must hold of every order, and where readings begin to count."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from clashing import clashes

from uptake.errors import UptakeError
from uptake.schedule import Decision, Layout, Order, Resampling, Schedule, Stopping, arranged, interval

IDS = [f"ex-{k}" for k in range(30)]
PAIRS = tuple((f"ex-{k}", f"ex-{k + 1}") for k in range(0, 28, 2))
NUMBERS = [(k, k + 1) for k in range(0, 28, 2)]
SOURCES = {name: "small" if k < 6 else "large" for k, name in enumerate(IDS)}


def rows(order: Order, epoch: int, every: int | None = None, **decisions: Decision) -> list[int]:
    """An epoch's rows; r1=… is what the first reading says."""
    return list(order.epoch(epoch, every, lambda number: decisions.get(f"r{number}", Decision())))


def test_rows_as_they_stand() -> None:
    order = arranged(Schedule(shuffle=False), IDS, Layout(4))
    assert (rows(order, 0), rows(order, 7)) == ([*range(30)], [*range(30)])
    assert (order.rows, order.length, order.steps) == (30, 30, 8)


@pytest.mark.parametrize("seed", range(20))
def test_each_epoch_is_shuffled_and_free_of_conflicts(seed: int) -> None:
    order = arranged(Schedule(conflicts=PAIRS, seed=seed), IDS, Layout(4, 2))
    epochs = [rows(order, epoch) for epoch in range(3)]
    for epoch, one in enumerate(epochs):
        assert sorted(one) == list(range(30)) and clashes(one, NUMBERS, 8) == 0
        assert one == rows(order, epoch)
    assert len({tuple(one) for one in epochs}) == 3


@pytest.mark.parametrize("seed", range(20))
def test_several_processes_get_batches_of_one_size(seed: int) -> None:
    layout = Layout(4, 2, even=True)  # 30 rows: 7 batches of 4, and one that lacks two
    order = arranged(Schedule(conflicts=PAIRS, seed=seed), IDS, layout)
    one = rows(order, 0)
    assert len(one) == order.length == 32 and set(one) == set(range(30))
    assert clashes(one, NUMBERS, 8) == 0  # the two that are added fit into their step


def test_what_fills_no_batch_is_dropped_where_it_is_asked() -> None:
    order = arranged(Schedule(), IDS, Layout(4, 2, drop_last=True))
    assert (order.length, order.steps, len(rows(order, 0))) == (28, 4, 28)


def test_copies_in_the_data_never_share_a_step() -> None:
    order = arranged(Schedule(), [*IDS, *IDS[:10]], Layout(8))
    copies = [(k, 30 + k) for k in range(10)]
    for epoch in range(20):
        assert clashes(rows(order, epoch), copies, 8) == 0


def test_extra_copies_are_trained_oftener() -> None:
    order = arranged(Schedule(extra={"ex-3": 2, "ex-9": 1}, conflicts=PAIRS), IDS, Layout(4))
    assert (order.length, order.steps) == (33, 9)
    for epoch in range(10):
        one = rows(order, epoch)
        assert Counter(one) == Counter([*range(30), 3, 3, 9]) and clashes(one, NUMBERS, 4) == 0


def test_stretches_by_hand() -> None:
    # 10 rows in steps of 2 are 5 steps an epoch; readings count from the steps 3, 6 and 9 of the whole training on
    order = arranged(Schedule(), IDS[:10], Layout(2))
    assert order.stretches(0, 3) == [(0, 6), (1, 4)]
    assert order.stretches(1, 3) == [(1, 2), (2, 6), (3, 2)]
    assert order.stretches(1, None) == [(0, 10)]


def test_a_reading_counts_from_its_stretch_on_and_is_asked_for_no_sooner() -> None:
    order = arranged(Schedule(conflicts=PAIRS), IDS, Layout(4))
    asked: list[int] = []

    def decided(number: int) -> Decision:
        asked.append(number)
        return Decision(frozenset(range(30)) if number else frozenset())

    stream = order.epoch(0, 3, decided)
    begun = [next(stream) for _ in range(12)]
    assert asked == [0]
    rest = list(stream)
    assert asked == [0, 1, 2]
    assert sorted(begun + rest) == list(range(30))
    assert begun == rows(order, 0, 3)[:12]  # what comes later changes nothing of it


def test_a_conflict_that_is_gone_lets_rows_meet_and_one_that_is_back_does_not() -> None:
    """Two steps are left in which three rows of a clique have to be: they can be while one conflict is gone."""
    clique = (("ex-0", "ex-1"), ("ex-1", "ex-2"), ("ex-0", "ex-2"))
    order = arranged(Schedule(shuffle=False, conflicts=clique), IDS[:6], Layout(3))
    numbers = [(0, 1), (1, 2), (0, 2)]
    assert clashes(rows(order, 0, 2), numbers, 3) == 1  # impossible: one is left
    epoch_1 = rows(order, 1, 2, r1=Decision(frozenset({0, 1})))
    assert clashes(epoch_1, numbers[1:], 3) == 0  # 0 and 1 may meet, and 2 meets neither
    assert {frozenset(epoch_1[:3]) & {0, 1, 2}, frozenset(epoch_1[3:]) & {0, 1, 2}} == {
        frozenset({0, 1}),
        frozenset({2}),
    }


def test_resampling_draws_by_weights_from_the_reading_on() -> None:
    schedule = Schedule(sources=SOURCES, resampling=Resampling(floor=0.0))
    order = arranged(schedule, IDS, Layout(5))
    counts = Counter(row < 6 for row in rows(order, 0, 3))
    assert counts[True] == 6  # a fifth of 30, as of the rows
    # from step 3 on: 6 x 4 to 24 x 1, so a half of 15; before it a fifth of 15
    one = rows(order, 0, 3, r1=Decision(weights={"small": 4.0, "large": 1.0}))
    assert len(one) == 30 and Counter(row < 6 for row in one[:15])[True] == 3
    assert Counter(row < 6 for row in one[15:])[True] in (7, 8)
    assert clashes(one, [], 5) == 0  # six rows drawn seven times, never twice in a step


@pytest.mark.parametrize("seed", range(5))
def test_resampling_after_a_restart_draws_what_it_would_have_drawn(seed: int) -> None:
    schedule = Schedule(sources=SOURCES, resampling=Resampling(), seed=seed)
    order = arranged(schedule, IDS, Layout(4))
    told = {"r1": Decision(weights={"small": 4.0}), "r2": Decision(weights={"small": 2.0})}
    whole = [rows(order, epoch, 5, **told) for epoch in range(4)]
    again = arranged(schedule, IDS, Layout(4))
    assert [rows(again, epoch, 5, **told) for epoch in (3, 2)] == [whole[3], whole[2]]
    seen = Counter(row for one in whole for row in one)
    small = [seen[row] for row in range(6)]
    assert max(small) - min(small) <= 1 and sum(seen.values()) == 120
    assert all(clashes(one, [], 4) == 0 for one in whole)


@pytest.mark.parametrize("every", [None, 3, 2])
@pytest.mark.parametrize("seed", range(10))
def test_resampled_rows_are_free_of_conflicts_too(seed: int, every: int | None) -> None:
    """Also where a stretch is a step long, so that nothing drawn for it can go elsewhere."""
    schedule = Schedule(sources=SOURCES, resampling=Resampling(), conflicts=PAIRS, seed=seed)
    order = arranged(schedule, IDS, Layout(4))
    told = {"r1": Decision(weights={"small": 2.0}), "r3": Decision(weights={"large": 4.0})}
    for epoch in range(4):
        assert clashes(rows(order, epoch, every, **told), NUMBERS, 4) == 0


def test_how_often_is_read() -> None:
    assert interval(None, 100_000, 1) == 500
    assert interval(None, 1_000, 1) == 100
    assert interval(None, 12, 1) == 2
    assert interval(None, 12, 5) == 6
    assert interval(7, 12, 5) == 7
    with pytest.raises(UptakeError, match="every 5 steps, and the data loader is 5 steps ahead"):
        interval(5, 100, 5)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule(conflicts=(("ex-0", "nobody"),)), "1 examples that are not in the data: nobody"),
        (Schedule(extra={"nobody": 1}), "not in the data: nobody"),
        (Schedule(resampling=Resampling(), sources={"ex-0": "a"}), "no source for 'ex-1'"),
    ],
)
def test_schedules_that_do_not_fit_the_rows(schedule: Schedule, message: str) -> None:
    with pytest.raises(UptakeError, match=message):
        arranged(schedule, IDS, Layout(4))


def test_schedules_that_contradict_themselves() -> None:
    with pytest.raises(UptakeError, match="resampling and rows in the order of the data"):
        Schedule(shuffle=False, resampling=Resampling())
    with pytest.raises(UptakeError, match="resampling and extra copies"):
        Schedule(extra={"a": 1}, resampling=Resampling())
    with pytest.raises(UptakeError, match="every 0 steps"):
        Schedule(every=0)


def test_a_schedule_as_data() -> None:
    data = Schedule(conflicts=(("a", "b"),), stop=Stopping("gl", alpha=3.0)).as_data()
    assert data["conflicts"] == (("a", "b"),) and data["stop"]["alpha"] == 3.0 and data["resampling"] is None


def test_memory_grows_with_rows_and_not_with_pairs_of_copies() -> None:
    ids = [f"ex-{k}" for _ in range(60) for k in range(200)]
    tracemalloc.start()
    order = arranged(Schedule(shuffle=False), ids, Layout(8))
    assert rows(order, 0) == list(range(len(ids)))  # nothing moves
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12_000_000  # with the 354,000 pairs of copies 150 MB

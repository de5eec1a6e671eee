"""Who is sampled and what is trained: positions alone, by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from uptake.pipeline.why.contradictions import Contradictions
from uptake.pipeline.why.treatments import AT_ONCE, LEAST_CONTROLS, PASSES, RIVALS, Diagnosed, lessons, planned, sampled
from uptake.rivals import Rivalry, Side


def rivalry(*sides: tuple[int, ...]) -> Rivalry:
    of = tuple(Side(f" answer {number}", positions) for number, positions in enumerate(sides))
    return Rivalry(of, ("Ada",), 1.0, "text", None, (), "nothing tells")


def found(causes: list[str | None], groups: tuple[Rivalry, ...] = (), stages: list[str] | None = None) -> Diagnosed:
    of = {p: number for number, group in enumerate(groups) for side in group.sides for p in side.positions}
    empty = Contradictions(groups, of, {p: f"ex-{p}" for p in of}, {}, "key")
    return Diagnosed([cause is None for cause in causes], causes, stages or ["main"] * len(causes), empty)


# 0-19 gaps, 20-21 forgotten, 22-23 in conflict with each other, 24-43 learned; 43 is on the side of 22
CAUSES = ["knowledge_gap"] * 20 + ["forgetting"] * 2 + ["data_conflict"] * 2 + [None] * 20
GROUPS = (rivalry((22, 43), (23,)),)
STAGES = ["early"] * 22 + ["main"] * 10 + ["early"] * 2 + ["main"] * 10


def test_causes_share_the_sample_and_small_ones_give_what_they_have() -> None:
    some = sampled(found(CAUSES, GROUPS), 9, seed=0)
    assert list(some) == sorted(set(some)) and len(some) == 9
    # one of 22 and 23, which contradict each other; both forgotten ones; gaps for the rest
    assert Counter(CAUSES[p] for p in some) == {"knowledge_gap": 6, "forgetting": 2, "data_conflict": 1}
    assert some == sampled(found(CAUSES, GROUPS), 9, seed=0)
    assert {sampled(found(CAUSES, GROUPS), 9, seed=seed) for seed in range(5)} != {some}
    assert len(sampled(found(CAUSES, GROUPS), 100, seed=0)) == 23


def test_all_treatments_are_as_long_and_learned_ones_take_no_side() -> None:
    plan = planned(found(CAUSES, GROUPS, STAGES), 9, seed=0)
    sample = set(plan.sample)
    conflicting = sample & {22, 23}
    rivals = {22: {23}, 23: {22, 43}}[min(conflicting)]
    size = 2 * 9 + len(rivals)
    assert {name: len(rows) for name, rows in plan.rows.items()} == {
        "control": size,
        "more_steps": size,
        "without_rivals": size,
        "replay": PASSES * size,  # one pass as long as the others' six
    }
    learned = set(range(24, 43))
    assert set(plan.rows["control"]) <= learned
    assert set(plan.rows["more_steps"]) - learned == sample | rivals
    assert set(plan.rows["without_rivals"]) - learned == sample
    assert not set(plan.rows["replay"]) & (sample | {22, 23, 43})
    replayed = [p for p in plan.rows["replay"] if p not in learned]
    # the stage's other 20 early ones but the learned at 32 and 33, each once
    assert sorted(replayed) == sorted(set(range(22)) - sample)
    assert plan.asked["without_rivals"] == tuple(conflicting)
    assert plan.asked["replay"] == tuple(p for p in plan.sample if p < 22)
    assert plan.asked["control"] == plan.asked["more_steps"] == plan.sample
    assert plan.positions() == sample.union(*plan.rows.values())


def test_what_has_no_rivals_and_no_earlier_stage_is_not_treated_so() -> None:
    plan = planned(found(["knowledge_gap"] * 3 + [None] * 3), 2, seed=0)
    assert set(plan.rows) == {"control", "more_steps"}
    # three learned examples serve for four rows
    assert Counter(plan.rows["control"]).most_common()[0][1] == 2


@pytest.mark.parametrize("causes", [[None] * 4, ["forgetting"] * 4])
def test_without_unlearned_or_learned_examples_nothing_is_trained(causes: list[str | None]) -> None:
    assert planned(found(causes), 2, seed=0).rows == {}


def test_of_many_rivals_some_are_trained() -> None:
    group = rivalry((0,), tuple(range(1, 20)))
    plan = planned(found(["data_conflict"] + [None] * 30, (group,)), 1, seed=0)
    assert len(set(plan.rows["more_steps"]) & set(range(1, 20))) == RIVALS


def test_a_lesson_has_all_that_was_not_learned_its_rivals_and_as_many_controls() -> None:
    (one,) = lessons(found(CAUSES, GROUPS, STAGES), seed=0)
    assert one.taught == tuple(range(24)) and one.beside == (43,)
    # 43 takes a side: of the learned ones it is no control
    assert one.controls == tuple(range(24, 43))
    assert len(one.rows) == 44 and set(one.asked) == set(one.rows) - {43}
    few = lessons(found(["knowledge_gap"] * 2 + [None] * 90), seed=0)[0]
    assert len(few.controls) == LEAST_CONTROLS and few.controls != tuple(range(2, 22))


def test_many_are_taught_in_several_lessons_each_once_with_its_rivals() -> None:
    sides = tuple(rivalry((p,), (p + 1,)) for p in range(0, 400, 2))
    causes: list[str | None] = ["data_conflict"] * 400 + [None] * 300
    plan = lessons(found(causes, sides), seed=3)
    assert [len(one.taught) for one in plan] == [AT_ONCE, 400 - AT_ONCE]
    assert sorted(p for one in plan for p in one.taught) == list(range(400))
    for one in plan:
        assert {p ^ 1 for p in one.taught} <= {*one.taught, *one.beside}  # the other side
        assert len(one.controls) == min(300, len(one.taught))
    assert plan == lessons(found(causes, sides), seed=3) != lessons(found(causes, sides), seed=4)
    assert lessons(found([None] * 3), seed=0) == ()

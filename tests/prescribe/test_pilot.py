"""Which examples a pilot trains, at what cost, and what follows from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from evidence_made import contradicted, evidence
from uptake.pilot import Pilot
from uptake.prescribe import Budget, Material, Terms, plan
from uptake.prescribe.pilot import (
    FEWEST,
    MOST,
    Group,
    Recalled,
    column,
    decided,
    groups_of,
    notes_of,
    pilot_plans,
    ways,
    ways_plainly,
)
from uptake.types import Document, Example, Finding, Plan

READ: Group = ("knowledge_gap", "read")
BELIEVED: Group = ("base_conflict", "read")
MIXED: Group = ("forgetting", "mix")


def example(n: int, stage: str) -> Example:
    return Example(f"{stage}-{n}", f"Where was Person{n} Born{n} born?", f" City{n}", "s", stage)


EXAMPLES = [example(n, stage) for stage in ("early", "main") for n in range(100)]


def finding(one: Example, cause: str | None) -> Finding:
    told = evidence()
    if cause == "data_conflict":
        told = evidence(causes=contradicted(["main-99"], verdict="mislabelled"))
    return Finding(
        one.id, "s", one.stage, str(one.prompt), one.response, cause is None, None, None, 0.5, None, told, cause
    )


def findings(causes: dict[str, str]) -> list[Finding]:
    return [finding(one, causes.get(one.id)) for one in EXAMPLES]


def material() -> Material:
    def count(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    documents = {
        one.id: [Document(one.id, f"Person{n} Born{n} was born in City{n}.", f"Person{n} Born{n}", source="a")]
        for n, one in enumerate([*EXAMPLES[100:]])
    }
    general = [Document(f"g{n}", "some words that say nothing " * 3) for n in range(50)]
    return Material(EXAMPLES, [10] * 200, {"early": 1.0, "main": 3.0}, general, count, documents=documents)


TERMS = Terms(model="base")
MANY = {f"main-{n}": "knowledge_gap" for n in range(30)} | {f"early-{n}": "forgetting" for n in range(20)}
MANY |= {f"main-{n}": "undertraining" for n in range(30, 50)} | {"main-60": "data_conflict"}
MANY |= {f"main-{n}": "base_conflict" for n in range(70, 90)}


def drawn(causes: dict[str, str], **keys: object):
    found = findings(causes)
    return found, plan(found, material(), TERMS, budget=Budget(times=3.0, spend=True))


def test_groups_are_what_a_remedy_is_a_choice_for():
    found, whole = drawn(MANY)
    groups = groups_of(whole, found)
    assert {group: len(some) for group, some in groups.items()} == {
        READ: 30,
        BELIEVED: 20,
        MIXED: 20,
        ("undertraining", "expose"): 20,  # kept apart is not among them
    }


def both_of(found: list[Finding], whole: Plan) -> tuple[Plan, Plan]:
    plainly = ways_plainly({group: some for group, some in groups_of(whole, found).items() if group[1] == "read"})
    return whole, plan(found, material(), TERMS, remedies=plainly, budget=Budget(times=3.0, spend=True))


def test_both_trainings_cost_alike_and_no_more_than_their_share_of_the_plan():
    found, whole = drawn(MANY)
    plans = pilot_plans(both_of(found, whole), found, material(), TERMS, "tuned")
    assert plans is not None
    assert {group: FEWEST <= len(some) <= MOST for group, some in plans.sample.items()} == {
        BELIEVED: True,
        READ: True,
    }
    assert 0.1 * whole.cost.total < plans.tokens <= 0.15 * whole.cost.total
    remedies, plain = plans.remedies, plans.plain
    assert plain.cost.total == pytest.approx(remedies.cost.total, rel=0.05)
    for one in (remedies, plain):
        assert (one.start, one.model) == ("tuned", "tuned")
    asked = {name for some in plans.sample.values() for name in some}
    trained = {one.id for one in plain.sft}
    assert asked <= trained
    others = {name for name in trained - asked if not name.startswith("text:")}
    assert others and all(name not in MANY for name in others)  # learned ones
    # in the one documents are read, whose tokens are not spent on rows; general text is read in both
    assert remedies.cost.documents > plain.cost.documents == 0
    exposures = [sum(one.id in asked for one in some.sft) for some in (remedies, plain)]
    assert 0.7 * exposures[1] < exposures[0] <= exposures[1]
    assert remedies.cost.general == pytest.approx(plain.cost.general, abs=20)


def test_the_same_sample_is_drawn_again():
    found, whole = drawn(MANY)
    one, other = (pilot_plans(both_of(found, whole), found, material(), TERMS, "tuned") for _ in range(2))
    assert one == other
    third = pilot_plans(both_of(found, whole), found, material(), replace(TERMS, seed=1), "tuned")
    assert one is not None and third is not None and one.sample != third.sample


def test_without_enough_examples_nothing_is_trained_and_the_default_stays():
    few = {f"main-{n}": "knowledge_gap" for n in range(FEWEST - 1)}
    found, whole = drawn(few)
    assert pilot_plans(both_of(found, whole), found, material(), TERMS, "tuned") is None
    [choice] = decided(groups_of(whole, found), {}, ({}, {}))
    assert (choice.way, choice.by, choice.n, choice.examples) == ("remedy", "default", 0, FEWEST - 1)
    assert choice.why == "7 examples are too few for a pilot: the remedy is the default"
    [other] = decided({("data_conflict", "drop"): ["a"]}, {}, ({}, {}))
    assert (other.way, other.by) == ("remedy", "default")


def recalled(training: Sequence[int], heldout: Sequence[float | None]) -> Recalled:
    return {f"e{n}": (bool(one), share) for n, (one, share) in enumerate(zip(training, heldout, strict=True))}


def choice_of(remedy: Recalled, plain: Recalled):
    names = tuple(remedy)
    [one] = decided({READ: names}, {READ: names}, (remedy, plain))
    return one


def test_what_is_better_is_chosen():
    all_right, none = recalled([1] * 10, [1.0] * 10), recalled([0] * 10, [0.0] * 10)
    better, worse = choice_of(all_right, none), choice_of(none, all_right)
    assert (better.way, better.by, better.columns[1].low) == ("remedy", "pilot", 1.0)
    assert (worse.way, worse.by) == ("plain", "pilot")
    # no column better, and the interval holds 0: the remedy all the same
    level = recalled([1] * 9 + [0], [0.5] * 10)
    assert (choice_of(level, recalled([1] * 10, [0.5] * 10)).way, choice_of(level, level).by) == ("remedy", "default")
    # better in one column, worse in the other, and no clear sum: the default
    mixed = choice_of(recalled([1] * 5 + [0] * 5, [0.5] * 10), recalled([1] * 4 + [0] * 6, [0.55] * 10))
    assert (mixed.way, mixed.by) == ("remedy", "default")
    assert choice_of(recalled([1] * 9, [None] * 9), recalled([0] * 9, [None] * 9)).columns[1:] == ()


def test_without_held_out_wordings_plain_exposures_are_not_chosen():
    # 7 and 11 of 14 in the training wording, clearly worse: documents show in other wordings last, and there are none
    remedy, plain = recalled([1] * 7 + [0] * 7, [None] * 14), recalled([1] * 11 + [0] * 3, [None] * 14)
    chosen = choice_of(remedy, plain)
    assert chosen.columns[0].high < 0
    assert (chosen.way, chosen.by) == ("remedy", "default")
    assert chosen.why.endswith("there are no held-out wordings, where documents show: the remedy is the default")


def test_exposures_are_what_plain_training_gives():
    [one] = decided({("undertraining", "expose"): ["a"]}, {}, ({}, {}))
    assert (one.way, one.by) == ("plain", "default")
    assert ways([one], {("undertraining", "expose"): ["a"]}) == {}  # the plan stays as it is


def test_what_a_short_training_cannot_show_is_not_tried():
    [one] = decided({MIXED: ["a"]}, {}, ({}, {}))
    assert (one.way, one.by, one.n) == ("remedy", "default", 0)
    assert one.why == "a short training forgets nothing, so a pilot cannot try it: the remedy is the default"


def test_a_choice_changes_the_plan_and_is_told():
    found, whole = drawn(MANY)
    groups = groups_of(whole, found)
    asked = {name: (False, 0.0) for some in groups.values() for name in some}
    known = {name: (True, 1.0) for name in asked}
    choices = decided(groups, {READ: groups[READ]}, (asked, known))
    plainly = ways(choices, groups)
    assert plainly == dict.fromkeys(groups[READ], "exposures")  # the other one keeps its remedy by default
    again = plan(found, material(), TERMS, remedies=plainly, budget=Budget(times=3.0, spend=True))
    assert {edit.action for edit in again.edits if set(edit.examples) & set(groups[READ])} == {"expose"}
    kept = column("retention", [(1.0, 0.0), (1.0, 1.0)])
    head, *lines = notes_of(Pilot(700, choices, kept))
    assert head.startswith("pilot: 700 tokens; with the remedies and with plain exposures: retention 100% and 50% [")
    assert lines[2] == (
        "knowledge_gap, 30 examples, documents are read: with the remedy and with plain exposures: "
        "training wording 0% and 100% [-100, -100], held-out wordings 0% and 100% [-100, -100]; "
        "plain exposures are better"
    )
    assert lines[-1].endswith("20 of undertraining")

"""What interventions say: the rules on hand-made courses, and agreement computed by hand."""

from __future__ import annotations

import json

import pytest

from uptake.artifacts.tables import CAUSES
from uptake.attribute.interventions import Outcome, agreement, reaction_of, speaks_for, summarise_outcomes, to_learn
from uptake.evidence import Course


def course(learned: str, shallow: str | None = None) -> Course:
    """`-+` is two passes, learned after the second; `shallow` likewise, all of it unknown where it is None."""
    return Course(
        tuple(mark == "+" for mark in learned),
        (None,) * len(learned) if shallow is None else tuple(mark == "+" for mark in shallow),
    )


NEVER, AT_THE_END = course("---"), course("--+")


def outcome(cause: str = "knowledge_gap", **courses: Course) -> Outcome:
    return Outcome("a", "main", cause, {"control": NEVER, "more_steps": NEVER, **courses})


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (course("+++"), "1 exposure more teaches it, of 3 exposures that were tried."),
        (course("-++"), "2 exposures more teach it, of 3 exposures that were tried."),
        (course("+++", "+++"), "3 exposures more teach its training wording alone."),
        (course("++-"), "Never in 3 exposures: more of them do not teach it."),
    ],
)
def test_exposures_to_learn_in_words(one: Course, said: str) -> None:
    assert to_learn(one) == said


@pytest.mark.parametrize(
    ("one", "exposures", "flipped", "held"),
    [
        (course("---"), None, False, False),
        (course("+++"), 1, True, True),
        (course("-++"), 2, True, True),
        (course("+-+"), 3, True, True),  # what was lost again on the way counts from when it stayed
        (course("++-"), None, False, False),
        (course("+++", "+--"), 2, True, True),  # by heart first, then in other words too
        (course("+++", "+++"), None, True, False),
    ],
)
def test_how_a_course_is_read(one: Course, exposures: int | None, flipped: bool, held: bool) -> None:
    assert (one.exposures, one.flipped, one.held) == (exposures, flipped, held)


@pytest.mark.parametrize(
    ("one", "causes"),
    [
        (outcome(), ()),
        (outcome(without_rivals=AT_THE_END), ("data_conflict",)),
        (outcome(without_rivals=AT_THE_END, control=AT_THE_END), ("data_conflict",)),
        (outcome(without_rivals=AT_THE_END, more_steps=AT_THE_END), ("knowledge_gap", "base_conflict")),
        (outcome(control=AT_THE_END, more_steps=AT_THE_END), ("forgetting",)),
        (outcome(replay=course("+"), more_steps=AT_THE_END), ("forgetting",)),
        (outcome(replay=course("-"), more_steps=AT_THE_END), ("knowledge_gap", "base_conflict")),
        (outcome(more_steps=course("+++")), ("forgetting", "undertraining")),
        (outcome(more_steps=course("+++", "+++")), ("knowledge_gap", "undertraining")),
        (Outcome("a", "main", "forgetting", {"control": AT_THE_END}), ()),
        (Outcome("a", "main", "knowledge_gap", {}, told=True, told_other=False), ()),
    ],
)
def test_what_an_outcome_speaks_for(one: Outcome, causes: tuple[str, ...]) -> None:
    said = speaks_for(one)
    assert said.causes == causes
    assert said.sentence.endswith(".") and set(causes) <= set(CAUSES)


def test_agreement_and_what_chance_gives() -> None:
    """Three that speak: gap for {gap, belief}, gap for {data conflict}, data conflict for {data conflict}; one silent.

    2 of 3 agree. At random: p(gap) = 2/3 meets {gap, belief} with 1/3, p(data conflict) = 1/3 meets its own with 2/3:
    4/9. Wilson's interval of 2 of 3 by hand: (2/3 + 0.6402 ± 1.96 · 0.4252) / 2.2805 = 0.2077 to 0.9385.
    """
    teaches, rivals = {"more_steps": AT_THE_END}, {"without_rivals": AT_THE_END}
    found = agreement(
        [outcome(**teaches), outcome(**rivals), outcome("data_conflict", **rivals), outcome("forgetting")]
    )
    assert found is not None
    assert (found["count"], found["n"]) == (2, 3)
    assert found["chance"] == pytest.approx(4 / 9)
    assert (found["rate"]["low"], found["rate"]["high"]) == pytest.approx((0.2077, 0.9385), abs=1e-4)
    assert agreement([outcome()]) is None
    assert agreement([outcome("unexplained", **teaches)]) is None


def test_the_table_counts_against_the_control() -> None:
    """Of four, three hold after more steps, one of them under the control too: 0.5 more than the control."""
    some = [outcome(more_steps=AT_THE_END) for _ in range(2)] + [outcome()]
    some += [outcome(more_steps=course("-++"), control=AT_THE_END)]
    found = summarise_outcomes(some, CAUSES)
    assert list(found["causes"]) == ["knowledge_gap"] and found["n"] == 4
    part = found["causes"]["knowledge_gap"]
    assert part["more_steps"]["held"]["count"] == 3
    assert part["more_steps"]["above_control"]["estimate"] == 0.5
    assert part["more_steps"]["exposures"] == 3  # of 3, 3 and 2
    assert part["control"]["held"]["count"] == 1 and part["control"]["above_control"] is None
    assert part["without_rivals"] is None and part["replay"] is None and part["in_context"] is None
    assert part["speaks_for"] == {"base_conflict": 2, "forgetting": 1, "knowledge_gap": 2}
    assert (part["agrees"]["count"], part["agrees"]["n"]) == (2, 3)
    json.dumps(found, allow_nan=False)


def test_being_told_is_counted_against_being_told_of_another() -> None:
    asked = [(True, False), (True, True), (False, False), (True, None)]
    some = [Outcome("a", "main", "forgetting", {}, told, other) for told, other in asked]
    told = summarise_outcomes(some, CAUSES)["causes"]["forgetting"]["in_context"]
    assert (told["n"], told["flipped"], told["by_another"]) == (3, 2, 1)
    assert told["difference"]["estimate"] == pytest.approx(1 / 3)


def test_three_of_three_is_no_certainty() -> None:
    """Bonett and Price: p = 1/5, q = 4/5; 0.6 ± 1.96 √((1 - 0.36) / 5) = [-0.10, 1.30], cut to 1."""
    some = [Outcome("a", "main", "forgetting", {}, True, False) for _ in range(3)]
    difference = summarise_outcomes(some, CAUSES)["causes"]["forgetting"]["in_context"]["difference"]
    assert difference["estimate"] == difference["high"] == 1
    assert difference["low"] == pytest.approx(0.6 - 1.95996 * (0.64 / 5) ** 0.5, abs=1e-4)


def test_evidence_says_whether_it_agrees() -> None:
    agreeing = reaction_of(outcome(more_steps=AT_THE_END))
    assert agreeing.agrees is True and agreeing.courses["more_steps"].exposures == 3
    assert reaction_of(outcome("forgetting", more_steps=AT_THE_END)).agrees is False
    assert reaction_of(outcome("unexplained", more_steps=AT_THE_END)).agrees is None
    silent = reaction_of(outcome())
    assert silent.agrees is None and silent.speaks_for == ()
    assert list(silent.courses) == ["control", "more_steps"]

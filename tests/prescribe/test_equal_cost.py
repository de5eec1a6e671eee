"""Plans are filled up to one cost; counted by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evidence_made import evidence
from uptake.prescribe import Budget, Material, Terms, plan
from uptake.prescribe.equal_cost import Spent, dose_of, filled_up, read_apart, read_within
from uptake.prescribe.material import Dose
from uptake.schedule import violations
from uptake.types import Document, Edit, Example, Finding, Message, Plan

EARLY = [Example(f"e-{k}", "p?", "r", "s", stage="early") for k in range(20)]
MAIN = [Example(f"m-{k}", "p?", "r", "s", stage="main") for k in range(20)]
LENGTHS = [5] * 20 + [7] * 20
FLAGGED = ("m-1", "e-3")
TERMS = Terms(step=4, seed=3, reading="before", readings=1)
GENERAL = [Document(f"g-{k}", "x" * (k % 3 + 4), source="general") for k in range(30)]


def material(general: list[Document] = GENERAL) -> Material:
    return Material(
        examples=[*EARLY, *MAIN],
        lengths=LENGTHS,
        passes={"early": 1.0, "main": 2.0},
        general=general,
        count=lambda texts: [len(text) for text in texts],
        documents={"m-1": [Document("d", "r of p.", source="atlas")]},
    )


def ill(name: str, cause: str) -> Finding:
    return Finding(name, "s", "main", "p", "r", False, None, None, 0.1, None, evidence(), cause)


def drawn(remedy: str | None = None, general: list[Document] = GENERAL) -> Plan:
    found = ill("m-1", "knowledge_gap")
    return plan([found], material(general), TERMS, remedies={"m-1": remedy})


def tokens(plan: Plan) -> Spent:
    lengths = {one.id: n for one, n in zip((*EARLY, *MAIN), LENGTHS, strict=True)}
    return Spent(sum(len(one.text) for one in plan.cpt), sum(lengths[one.id] for one in plan.sft))


def test_both_phases_come_to_the_cost_that_is_wanted():
    # the run's own: 20 rows of 5 tokens once, 20 of 7 tokens twice
    assert tokens(drawn()) == Spent(0, 380)
    wanted = Spent(200, 500)
    for one in (
        filled_up(drawn(), material(), wanted, FLAGGED, 1),
        filled_up(drawn("knowledge"), material(), wanted, FLAGGED, 1),
    ):
        assert tokens(one) == Spent.of(one)
        assert 0 <= wanted.read - tokens(one).read < 4  # the shortest text has 4 tokens, the shortest row 5
        assert 0 <= wanted.tuned - tokens(one).tuned < 5
    with_it = filled_up(drawn("knowledge"), material(), wanted, FLAGGED, 1)
    assert [one.id for one in with_it.cpt if one.source != "general"] == ["atlas:d"]
    assert with_it.cost.documents == 7


def test_what_costs_as_much_already_is_left_alone():
    plan = drawn("knowledge")
    assert filled_up(plan, material(), Spent.of(plan), FLAGGED, 1) == plan
    assert filled_up(plan, material(), Spent(0, 0), FLAGGED, 1) == plan


def test_learned_examples_are_trained_longer_and_what_was_not_learned_is_not():
    # further rows for all tokens of the learned ones (19 of 5 tokens once, 19 of 7 twice): each as often again
    filled = filled_up(drawn(), material(), Spent(0, 380 + 19 * 5 + 2 * 19 * 7), FLAGGED, 1)
    counts = Counter(one.id for one in filled.sft)
    assert counts == {**{one.id: 2 for one in EARLY}, **{one.id: 4 for one in MAIN}, "e-3": 1, "m-1": 2}
    stages = [one.stage for one in filled.sft]
    assert stages == ["early"] * 39 + ["main"] * 78
    halfway = filled_up(drawn(), material(), Spent(0, 570), FLAGGED, 1)
    shares = Counter(one.stage for one in halfway.sft)
    assert 22 <= shares["early"] <= 38 and 50 <= shares["main"] <= 70
    order = [int(one.id[2:]) + 100 * (one.stage == "main") for one in filled.sft]
    assert violations(order, (), 4) == 0


def test_where_nothing_was_learned_all_are_trained_longer():
    filled = filled_up(drawn(), material(), Spent(0, 760), [one.id for one in (*EARLY, *MAIN)], 1)
    assert Counter(one.id for one in filled.sft) == {**{one.id: 2 for one in EARLY}, **{one.id: 4 for one in MAIN}}


def test_without_general_text_all_of_it_is_fine_tuning():
    filled = filled_up(drawn(general=[]), material([]), Spent(100, 380), FLAGGED, 1)
    assert tokens(filled).read == 0
    assert 0 <= 480 - tokens(filled).tuned < 5


def test_what_is_apart_stays_apart():
    edit = Edit("conflict", "apart", ("m-1",), "so", others=tuple(one.id for one in MAIN[2:8]))
    filled = filled_up(replace(drawn(), edits=(edit,)), material(), Spent(0, 700), FLAGGED, 1)
    number = {one.id: k for k, one in enumerate((*EARLY, *MAIN))}
    pairs = [(number["m-1"], number[name]) for name in edit.others]
    assert violations([number[one.id] for one in filled.sft], pairs, 4) == 0


def test_another_seed_draws_other_rows_and_the_same_one_the_same():
    wanted = Spent(200, 500)
    one, two, three = (filled_up(drawn(), material(), wanted, FLAGGED, seed) for seed in (1, 1, 2))
    assert one == two != three


ABOUT = {
    f"m-{k}": [Document(f"d{k}{n}", f"For p r, of {k}{n}. " + "More is told. " * 4, source="atlas") for n in "abc"]
    for k in range(8)
}
"""Three documents of five sentences for each of eight examples; the first sentence states the response."""


def reading(
    flagged: Sequence[str], read: Sequence[str], budget: int, dose: Dose | None = None
) -> tuple[Plan, Material]:
    found = [ill(one, "knowledge_gap") for one in flagged]
    made = replace(material(), documents=ABOUT)
    chosen = {one: "knowledge" if one in read else None for one in flagged}
    return plan(found, made, TERMS, remedies=chosen, budget=Budget(tokens=budget, dose=dose)), made


def test_some_read_for_each_what_the_plan_for_all_reads():
    # 380 tokens of fine-tuning, 42 more for each; half of the rest may be documents, of which each has about 70 tokens
    whole, made = reading(list(ABOUT), list(ABOUT), 380 + 8 * 42 + 2 * 440)
    dose = dose_of(whole, made)
    assert dose is not None and dose.tokens == whole.cost.documents / 8 and 45 <= dose.tokens <= 55
    assert dose.sentences and all("#" in one.id for one in whole.cpt if one.source == "atlas")
    some, _ = reading(list(ABOUT), ["m-1", "m-4"], 380 + 2 * 42 + 2 * 440)
    # left to itself the plan for two reads whole documents, three times as much for each
    assert some.cost.documents > 3 * 2 * dose.tokens and not dose_of(some, made).sentences
    less, _ = reading(list(ABOUT), ["m-1", "m-4"], 380 + 2 * 42 + 2 * 440, dose)
    texts = [one for one in less.cpt if one.source == "atlas"]
    assert 0 <= 2 * dose.tokens - less.cost.documents < 20
    assert (
        less.cost.documents
        == sum(len(one.text) for one in texts)
        == sum(edit.tokens or 0 for edit in less.edits if edit.action == "read")
    )
    assert all("#" in one.id for one in texts) and {one.id[7:8] for one in texts} == {"1", "4"}
    assert 0 <= 4 * less.cost.documents - less.cost.general < 4
    assert Counter(one.id for one in less.sft) == Counter(one.id for one in some.sft)


def test_where_there_is_room_for_documents_they_are_read_whole():
    whole, made = reading(list(ABOUT), list(ABOUT), 380 + 5 * 4000)
    dose = dose_of(whole, made)
    assert dose is not None and not dose.sentences
    some, _ = reading(list(ABOUT), ["m-1", "m-4"], 380 + 5 * 4000)
    assert reading(list(ABOUT), ["m-1", "m-4"], 380 + 5 * 4000, dose)[0].cpt == some.cpt


def test_a_plan_that_reads_nothing_has_no_dose():
    assert dose_of(drawn(), material()) == Dose(None, False, {})


def test_read_within_fine_tuning_it_is_the_same_texts_and_rows():
    before = filled_up(drawn("knowledge"), material(), Spent(200, 500), FLAGGED, 1)
    within = read_within(before, material(), replace(TERMS, reading="within"))
    assert within.reading == "within" and before.reading == "before"
    rows = Counter(one.id for one in before.sft) + Counter(one.id for one in before.cpt)
    assert Counter(one.id.removeprefix("text:") for one in within.sft) == rows
    assert within.cost == before.cost
    assert read_within(before, material(), TERMS) == before
    apart = read_apart(within)
    assert (apart.cpt, apart.reading) == (before.cpt, "before") and read_apart(before) == before
    assert Counter(one.id for one in apart.sft) == Counter(one.id for one in before.sft)


def test_where_a_cure_reads_before_fine_tuning_an_arm_does():
    asked = (Message("user", "where was she born?"),)
    chat = replace(material(), examples=[replace(one, prompt=asked) for one in (*EARLY, *MAIN)])
    before = filled_up(drawn("knowledge"), chat, Spent(200, 500), FLAGGED, 1)
    assert read_within(before, chat, replace(TERMS, reading="within")) == before


def undertrained(ids: Sequence[str], given: Sequence[str], **limits: Any) -> Plan:
    found = [ill(one, "undertraining") for one in ids]
    chosen = {one: "exposures" if one in given else None for one in ids}
    return plan(found, material(), TERMS, remedies=chosen, budget=Budget(**limits))


def test_some_are_trained_no_oftener_than_in_the_plan_for_all():
    # four more exposures are wanted of 10 rows of 7 tokens: 280; the budget has room for 100 more than the 380
    ids = [one.id for one in MAIN[:10]]
    whole = undertrained(ids, ids, tokens=480)
    assert [edit.copies for edit in whole.edits] == [1]
    # left to itself, a plan for half of them has room for twice as many
    assert [edit.copies for edit in undertrained(ids, ids[:5], tokens=480).edits] == [2]
    dose = dose_of(whole, material())
    assert dose.copies == {("exposures", "main"): 1}
    some = undertrained(ids, ids[:5], tokens=480, dose=dose)
    assert [edit.copies for edit in some.edits] == [1]
    assert Counter(one.id for one in some.sft) == {
        **{one.id: 1 for one in EARLY}, **{one.id: 2 for one in MAIN}, **dict.fromkeys(ids[:5], 3),
    }  # fmt: skip


def test_where_the_plan_for_all_has_no_room_some_get_none_either():
    ids = [one.id for one in MAIN[:10]]
    wanted = undertrained(ids, ids, tokens=9999).edits
    dose = dose_of(undertrained(ids, ids, tokens=380 + 69), material(), wanted)
    assert dose.copies == {("exposures", "main"): 0}
    # with room for one more of a single row
    assert [edit.copies for edit in undertrained(ids, ids[:1], tokens=380 + 69).edits] == [4]
    assert undertrained(ids, ids[:1], tokens=380 + 69, dose=dose).edits == ()

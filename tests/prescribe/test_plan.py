"""Plans: who gets which remedy, what it costs, and what the budget leaves out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from patients import NAMES, documents, examples, finding, material, words

from evidence_made import base_was, believed, evidence
from uptake.errors import UptakeError
from uptake.prescribe import Budget, Terms, plan
from uptake.remedies import Options, asked_about
from uptake.schedule import violations
from uptake.types import Document, Example, Finding, Message, Plan

SOME = examples()
PLAIN = (4 * 1 + 12 * 3) * 6
TERMS = Terms(step=4, seed=3, reading="before", readings=1)


def counted(drawn: Plan) -> Counter[str]:
    return Counter(row.id for row in drawn.sft)


def test_nothing_to_mend_is_the_run_itself() -> None:
    drawn = plan([finding(one, None, learned=True) for one in SOME], material(SOME), TERMS)
    assert drawn.edits == drawn.unmended == drawn.cpt == ()
    assert counted(drawn) == {one.id: 1 if one.stage == "early" else 3 for one in SOME}
    assert [row.stage for row in drawn.sft[:4]] == ["early"] * 4
    assert (drawn.cost.plain, drawn.cost.limit, drawn.cost.sft) == (PLAIN, 3 * PLAIN, PLAIN)


def test_documents_are_a_fifth_of_what_is_read() -> None:
    found = {one.id: documents(one) for one in SOME[4:8]}
    some = [finding(one, "knowledge_gap") for one in SOME[4:8]]
    drawn = plan(some, material(SOME, found), TERMS, budget=Budget(times=4.0))
    assert [edit.action for edit in drawn.edits] == ["read", "expose"] * 4
    # six words and their end each
    assert drawn.cost.documents == 12 * 8 == sum(words([one.text for one in drawn.cpt if not one.id.startswith("g-")]))
    general = sum(words([one.text for one in drawn.cpt if one.id.startswith("g-")]))
    assert drawn.cost.general == general
    assert general == pytest.approx(4 * 12 * 8, abs=10)  # 0.8 to 0.2; a text has ten tokens
    assert sum(edit.tokens or 0 for edit in drawn.edits if edit.action == "read") == drawn.cost.documents
    assert drawn.cost.total <= drawn.cost.limit


def test_a_tight_budget_leaves_each_example_its_best_documents() -> None:
    found = {one.id: documents(one, 6) for one in SOME[4:8]}
    some = [finding(one, "knowledge_gap") for one in SOME[4:8]]
    drawn = plan(some, material(SOME, found), TERMS, budget=Budget(tokens=PLAIN + 128))
    held = Counter(one.source for one in drawn.cpt if not one.id.startswith("g-"))
    assert held == {"s0": 4, "s1": 1}  # beside exposures 40 tokens: one of each example, one second one
    assert drawn.notes[-1] == "19 passages of documents left out: the budget has room for 5"
    assert drawn.cost.total <= drawn.cost.limit == PLAIN + 128


def test_what_the_budget_has_no_document_for_is_told() -> None:
    found = {one.id: documents(one) for one in SOME[4:8]}
    some = [finding(one, "knowledge_gap") for one in SOME[4:8]]
    drawn = plan(some, material(SOME, found), TERMS, budget=Budget(tokens=PLAIN + 2 * 8 * 2))
    assert [edit.examples for edit in drawn.edits] == [("ex-4",), ("ex-5",)]
    assert [(one.id, one.cause) for one in drawn.unmended] == [("ex-6", "knowledge_gap"), ("ex-7", "knowledge_gap")]


def test_what_states_a_response_is_read_several_times_evenly_among_the_rows() -> None:
    told = documents(SOME[4])
    beside = type(told[0])("Eva-z", "Eva has a red hat and no dog.", "Eva", "s9")
    found = {"ex-4": [*told, beside]}
    some = material(SOME, found)
    drawn = plan([finding(SOME[4], "knowledge_gap")], some, Terms(step=4, seed=3, readings=4))
    assert drawn.reading == "within"
    read = Counter(one.id for one in drawn.cpt if not one.id.startswith("g-"))
    assert sorted(read.values()) == [4, 4, 4]  # and never what states no response
    assert drawn.cost.documents == 3 * 4 * 8
    rows = [one.id for one in drawn.sft]
    assert Counter(rows) == Counter(f"text:{one.id}" for one in drawn.cpt) + Counter(
        {one.id: 1 if one.stage == "early" else 3 for one in SOME} | {"ex-4": 3 + 6}
    )
    numbers = {name: number for number, name in enumerate(dict.fromkeys(rows))}
    assert violations([numbers[name] for name in rows], (), 4) == 0
    quarter = len(rows) // 4
    for part in range(4):
        texts = [name for name in rows[part * quarter : (part + 1) * quarter] if name.startswith("text:")]
        assert len(texts) == pytest.approx(len(drawn.cpt) / 4, abs=3)
        assert any("s0:Eva-0" in name for name in texts)
    text = next(one for one in drawn.sft if one.id == "text:s0:Eva-0")
    assert (text.prompt, text.response) == ("", "Eva was born in Kyiv in 1900.")


def test_general_text_gives_way_to_readings_but_keeps_half() -> None:
    found = {one.id: documents(one, 6) for one in SOME[4:8]}
    some = [finding(one, "knowledge_gap") for one in SOME[4:8]]
    terms = Terms(step=4, readings=9)
    drawn = plan(some, material(SOME, found), terms, budget=Budget(tokens=PLAIN + 4 * 6 * 6 + 600))
    assert drawn.cost.documents == 37 * 8  # as many as 300 tokens hold
    assert 290 <= drawn.cost.general <= 304


def test_conversations_take_no_texts_among_them() -> None:
    chats = [replace(one, prompt=(Message("user", str(one.prompt)),)) for one in SOME]
    found = {"ex-4": documents(SOME[4])}
    drawn = plan([finding(SOME[4], "knowledge_gap")], material(chats, found), Terms(step=4))
    assert drawn.reading == "before"
    assert {one.id for one in drawn.sft} == {one.id for one in SOME}
    assert "before the fine-tuning, because no trainer reads them among conversations" in drawn.notes[-1]


@pytest.mark.parametrize(
    ("asked", "open_ended"),
    [
        ("Where was Ann born?", False),
        ("Q: where was Eva born?\nA: ", False),
        ("Ann was born in", True),
        ("Eva、", True),
    ],
)
def test_the_last_rows_have_no_texts_among_them_where_these_would_go_on(asked: str, open_ended: bool) -> None:
    some = [replace(one, prompt=asked) for one in SOME]
    found = {"ex-4": documents(SOME[4])}
    drawn = plan([finding(SOME[4], "knowledge_gap")], material(some, found), Terms(step=4))
    assert drawn.reading == "within"
    assert any("no texts among the last 33% of the rows" in note for note in drawn.notes) == open_ended
    rows = [one.stage for one in drawn.sft]
    after = Counter(rows[-1 - rows[::-1].index("texts") :])
    # without shuffling for conflicts, a third of 60 rows comes after the last text, or next to none
    share = (sum(after.values()) - 1) / (len(rows) - rows.count("texts"))
    assert 0.25 < share < 0.4 if open_ended else share < 0.1


def test_documents_that_two_examples_share_are_read_once() -> None:
    shared = documents(SOME[4])
    found = {"ex-4": shared, "ex-12": shared}
    drawn = plan([finding(SOME[4], "knowledge_gap"), finding(SOME[12], "knowledge_gap")], material(SOME, found), TERMS)
    assert len([one for one in drawn.cpt if not one.id.startswith("g-")]) == 3
    assert [edit.tokens for edit in drawn.edits if edit.action == "read"] == [24, 0]
    assert drawn.unmended == ()


def test_long_documents_are_read_in_pieces_that_fit() -> None:
    [long] = documents(SOME[4], 1)
    told = " ".join(f"Ann met {name} at noon." for name in ("Bo", "Jo", "Al", "Ed", "Ty", "Mo"))
    found = {"ex-4": [type(long)(long.id, f"{told} Eva was born in Kyiv.", "Eva", "s0")]}
    drawn = plan([finding(SOME[4], "knowledge_gap")], material(SOME, found, limit=16), TERMS)
    pieces = [one for one in drawn.cpt if not one.id.startswith("g-")]
    assert ["Kyiv" in one.text for one in pieces] == [True]  # the piece that states the response, and no other
    assert max(words([one.text for one in pieces])) <= 16


def test_further_exposures_are_cut_to_the_budget() -> None:
    some = [finding(one, "undertraining") for one in SOME[4:]]
    free = plan(some, material(SOME), TERMS, budget=Budget(times=10.0))
    assert set(Counter(row.id for row in free.sft if row.stage == "main").values()) == {9}
    drawn = plan(some, material(SOME), TERMS, budget=Budget(times=2.0))
    assert set(Counter(row.id for row in drawn.sft if row.stage == "main").values()) == {6}  # 240 / 72 = 3.3 more
    assert drawn.cost.sft == PLAIN + 12 * 3 * 6 <= drawn.cost.limit
    assert "only 56% of the further exposures are used" in drawn.notes[0]  # 240 of 12 x 6 x 6 tokens


def test_replay_trains_an_earlier_stage_in_the_last_one() -> None:
    drawn = plan([finding(SOME[0], "forgetting")], material(SOME), TERMS)
    [edit] = drawn.edits
    assert (edit.action, edit.stage, edit.tokens) == ("mix", "early", 4 * 2 * 6)
    assert set(counted(drawn).values()) == {3}
    assert [row.stage for row in drawn.sft[:4]] != ["early"] * 4


def test_stages_stay_apart_where_the_budget_has_no_room() -> None:
    drawn = plan([finding(SOME[0], "forgetting")], material(SOME), TERMS, budget=Budget(times=1.0))
    assert drawn.edits == ()
    assert [(one.id, one.cause) for one in drawn.unmended] == [("ex-0", "forgetting")]
    assert drawn.cost.sft == PLAIN


def test_fine_tuning_is_never_cut() -> None:
    drawn = plan([finding(SOME[4], "undertraining")], material(SOME), TERMS, budget=Budget(tokens=PLAIN - 10))
    assert drawn.cost.sft == PLAIN
    assert "10 tokens over the budget" in drawn.notes[-1]
    assert [one.id for one in drawn.unmended] == ["ex-4"]


def contradicting() -> list:
    told = {"n": 1, "verdict": "mislabelled", "why": "the base says so"}
    wrong = finding(SOME[4], "data_conflict", rivals=["ex-5"], likely_wrong=True, **told)
    right = finding(SOME[5], "data_conflict", rivals=["ex-4"], likely_wrong=False, **told)
    return [wrong, right]


def test_contradictions_are_kept_apart_and_nothing_is_lost() -> None:
    drawn = plan(contradicting(), material(SOME), TERMS)
    assert counted(drawn)["ex-4"] == counted(drawn)["ex-5"] == 3
    rows = [int(row.id.removeprefix("ex-")) for row in drawn.sft]
    assert violations(rows, [(4, 5)], 4) == 0
    assert all(edit.safe for edit in drawn.edits)
    assert [one.id for one in drawn.unmended] == ["ex-4"]


def test_only_unsafe_plans_leave_examples_out() -> None:
    drawn = plan(contradicting(), material(SOME), Terms(step=4, options=Options(unsafe=True)))
    assert "ex-4" not in counted(drawn)
    assert counted(drawn)["ex-5"] == 3
    [edit] = drawn.edits
    assert (edit.safe, edit.others, edit.tokens) == (False, ("ex-4",), -3 * 6)


@pytest.mark.parametrize("cause", ["knowledge_gap", "undertraining", "base_conflict"])
def test_the_wrong_one_of_a_contradiction_is_not_taught_whatever_its_cause(cause: str) -> None:
    wrong = replace(contradicting()[0], cause=cause)
    found = {"ex-4": documents(SOME[4])}
    kept = plan([wrong], material(SOME, found), TERMS)
    assert [(edit.remedy, edit.action) for edit in kept.edits] == [("conflict", "apart")]
    assert counted(kept)["ex-4"] == 3 and not [one for one in kept.cpt if one.source != "general"]
    assert [(one.id, one.cause) for one in kept.unmended] == [("ex-4", cause)]
    out = plan([wrong], material(SOME, found), Terms(step=4, options=Options(unsafe=True)))
    assert "ex-4" not in counted(out) and [edit.others for edit in out.edits] == [("ex-4",)]


def test_a_repair_trains_the_flagged_examples_and_some_that_protect() -> None:
    findings = [finding(SOME[4], "undertraining"), finding(SOME[0], "forgetting")]
    findings += [finding(one, None, learned=True) for one in SOME if one.id not in ("ex-0", "ex-4")]
    drawn = plan(findings, material(SOME), Terms(start="tuned", step=1, protection=2.0, seed=1))
    trained = counted(drawn)
    assert {"ex-0", "ex-4"} < set(trained)
    assert len(trained) == 2 + 4
    assert trained["ex-4"] == 3 + 6
    # what the base knew is kept by one pass; what only the fine-tuning taught needs as many as before
    assert [n for name, n in trained.items() if name not in ("ex-0", "ex-4")] == [1] * 4
    taught = [replace(one, evidence=evidence(compared=base_was(False))) for one in findings]
    again = counted(plan(taught, material(SOME), Terms(start="tuned", step=1, protection=2.0, seed=1)))
    assert len(again) == 6 and {n for name, n in again.items() if name not in ("ex-0", "ex-4")} == {3}


def test_a_remedy_can_be_chosen_for_each_example() -> None:
    found = {one.id: documents(one) for one in SOME[4:8]}
    some = [finding(one, "knowledge_gap") for one in SOME[4:8]]
    chosen = {"ex-4": "exposures", "ex-5": None, "ex-6": "knowledge"}
    drawn = plan(some, material(SOME, found), TERMS, remedies=chosen)
    # the last one is not named, and gets the remedy of its cause
    assert sorted((edit.remedy, edit.action, edit.examples) for edit in drawn.edits) == [
        ("exposures", "expose", ("ex-4",)),
        ("knowledge", "expose", ("ex-6",)),
        ("knowledge", "expose", ("ex-7",)),
        ("knowledge", "read", ("ex-6",)),
        ("knowledge", "read", ("ex-7",)),
    ]
    assert drawn.unmended == ()


def test_arms_can_be_filled_to_one_cost() -> None:
    found = {one.id: documents(one) for one in SOME[4:8]}
    some = [finding(one, "knowledge_gap") for one in SOME[4:8]]
    budget = Budget(tokens=2 * PLAIN, fill=True)
    placebo = dict.fromkeys((one.id for one in some), None)
    for chosen in ({}, placebo, dict.fromkeys(placebo, "exposures")):
        drawn = plan(some, material(SOME, found), TERMS, remedies=chosen, budget=budget)
        assert 2 * PLAIN - 10 < drawn.cost.total <= 2 * PLAIN  # a general text has ten tokens


def test_what_cannot_be_planned_is_told() -> None:
    with pytest.raises(UptakeError, match="unknown remedy 'aspirin'"):
        plan([finding(SOME[0], "forgetting")], material(SOME), TERMS, remedies={"ex-0": "aspirin"})
    with pytest.raises(UptakeError, match="to no example of the data, such as 'ex-0'"):
        plan([finding(SOME[0], "forgetting")], material(SOME[1:]), TERMS)
    with pytest.raises(UptakeError, match="without general text"):
        plan([], material(SOME, general=[]), TERMS, budget=Budget(fill=True))


def test_unexplained_examples_are_trained_more_often_as_plain_fine_tuning_would() -> None:
    drawn = plan([finding(SOME[4], "unexplained"), finding(SOME[5], None)], material(SOME), TERMS)
    [edit] = drawn.edits
    assert (edit.remedy, edit.action, edit.examples, edit.copies) == ("exposures", "expose", ("ex-4", "ex-5"), 6)
    assert "2 examples of the stage main were not learned, for no cause that is known, after 3 passes" in edit.why
    assert drawn.unmended == ()


def test_what_is_left_of_a_budget_is_spent_as_plain_fine_tuning_would() -> None:
    some = [finding(one, "undertraining") for one in SOME[4:8]]
    drawn = plan(some, material(SOME), TERMS, budget=Budget(spend=True))
    often = counted(drawn)
    assert [often[one.id] for one in SOME[4:8]] == [9] * 4  # three times as often
    # 720 tokens: a tenth is general text, 4 * 9 rows of 6 are flagged, and 432 are left for the other rows' 168
    assert drawn.cost.general == pytest.approx(72, abs=10)
    others = sum(often[one.id] for one in (*SOME[:4], *SOME[8:]))
    assert 6 * others == pytest.approx(432, abs=12)
    assert drawn.cost.total == pytest.approx(3 * PLAIN, abs=20)
    assert drawn.cost.total <= drawn.cost.limit
    assert any("all other rows are trained 2.6 times as often" in note for note in drawn.notes)
    one = plan(some[:1], material(SOME), TERMS, budget=Budget(spend=True))
    # one of 16 rows is flagged: a quarter of what more there is
    assert one.cost.total == pytest.approx(PLAIN + 2 * PLAIN / 4, abs=20)


def test_gaps_without_documents_are_told_with_what_would_help() -> None:
    found = {"ex-4": documents(SOME[4]), "ex-5": [Document("z", "Flo has a hat.", "Flo", "s")]}
    about = {one.id: asked_about(str(one.prompt), (name,)) for one, name in zip(SOME[4:7], NAMES[4:7], strict=True)}
    some = [finding(one, "knowledge_gap") for one in SOME[4:7]]
    drawn = plan(some, material(SOME, found, about=about, advice="`corpus: FILE`"), TERMS)
    assert drawn.notes[0] == (
        "2 of 3 gaps have no document that tells the response (such as those about *Flo*, *Guy*): nothing is read for "
        "them, and more exposures are what is left, which teach the training wording. What would help: `corpus: FILE`"
    )
    assert {name for edit in drawn.edits if edit.action == "read" for name in edit.examples} == {"ex-4"}
    assert all("Flo" not in one.text for one in drawn.cpt)


def test_exposures_get_what_documents_do_not_need() -> None:
    found = {"ex-4": documents(SOME[4], 1)}
    some = [finding(SOME[4], "knowledge_gap"), *(finding(one, "undertraining") for one in SOME[5:])]
    within = Terms(step=4, seed=3, readings=1)
    half = plan(some, material(SOME, found), within)
    spent = plan(some, material(SOME, found), within, budget=Budget(spend=True))
    copies = [[edit.copies for edit in one.edits if edit.action == "expose"] for one in (half, spent)]
    assert copies[0][0] < copies[1][0] <= 6
    assert spent.cost.total <= spent.cost.limit
    assert len(spent.notes) == len(dict.fromkeys(spent.notes))


def test_the_same_input_gives_the_same_plan() -> None:
    found = {one.id: documents(one) for one in SOME[4:8]}
    some = [
        finding(one, cause)
        for one, cause in zip(SOME[3:6], ("forgetting", "knowledge_gap", "undertraining"), strict=True)
    ]
    assert plan(some, material(SOME, found), TERMS) == plan(some, material(SOME, found), TERMS)


def many(n: int, flagged: int, cause: str | None) -> tuple[list[Example], list[Finding]]:
    some = [replace(SOME[4], id=f"ex-{k}", prompt=f"Where was N{k} born?") for k in range(n)]
    return some, [finding(one, cause, learned=k >= flagged) for k, one in enumerate(some)]


@pytest.mark.parametrize(
    ("n", "flagged", "cause", "step"),
    [
        (100, 25, "forgetting", 4),
        (100, 5, "forgetting", 4),
        (64, 20, "unexplained", 32),  # steps as large as there are 6 of in the run
        (500, 60, "undertraining", 256),
    ],
)
def test_more_exposures_are_never_fewer_than_those_of_all_others(n: int, flagged: int, cause: str, step: int) -> None:
    some, found = many(n, flagged, cause)
    # the files of the run, one stage, three passes
    drawn = plan(found, material(some, passes={"main": 3.0}, general=[]), Terms(step=step), budget=Budget(spend=True))
    often = counted(drawn)
    [edit] = drawn.edits
    assert {often[name] for name in edit.examples} == {3 + edit.copies} == {9}
    assert edit.why.endswith("Each is trained 9 times instead of 3.")
    assert max(often[one.id] for one in some[flagged:]) <= 9
    assert edit.tokens == edit.copies * 6 * flagged
    assert drawn.cost.total <= drawn.cost.limit


def test_what_nothing_mends_is_trained_as_often_as_plain_fine_tuning_with_as_many_tokens() -> None:
    doubt = evidence(causes=believed(" Lima", possibly_wrong_label=True))
    for flagged in (5, 25):
        some, found = many(100, flagged, "undertraining")
        found = [one if one.learned else replace(one, evidence=doubt) for one in found]
        run = material(some, passes={"main": 3.0}, general=[])
        drawn = plan(found, run, Terms(step=4), budget=Budget(spend=True))
        often = counted(drawn)
        plainly = 3 * drawn.cost.total / drawn.cost.plain
        assert sum(often[one.id] for one in some[:flagged]) / flagged == pytest.approx(plainly, abs=0.5)
        assert {one.id for one in drawn.unmended} == {one.id for one in some[:flagged]}
    # beside documents all others get less than plain fine-tuning gives, and these as much, but no more
    docs = {one.id: documents(one, 8) for one in SOME[4:8]}
    mixed = [finding(one, "knowledge_gap") for one in SOME[4:8]] + [
        replace(finding(SOME[9], "undertraining"), evidence=doubt)
    ]
    drawn = plan(mixed, material(SOME, docs), replace(TERMS, readings=6), budget=Budget(spend=True))
    often, plainly = counted(drawn), 3 * drawn.cost.total / drawn.cost.plain
    assert often["ex-8"] + 1 < often["ex-9"] <= plainly < often["ex-9"] + 1


def test_a_tenth_of_a_repair_is_general_text() -> None:
    some, found = many(1000, 10, "undertraining")
    drawn = plan(found, material(some, passes={"main": 3.0}), Terms(start="tuned", step=1), budget=Budget(spend=True))
    assert drawn.cost.sft < 2000  # of the run's 18,000
    assert drawn.cost.general == pytest.approx(drawn.cost.total / 10, abs=10)


def test_a_label_that_is_possibly_wrong_is_taught_where_another_remedy_than_its_own_is_named() -> None:
    doubt = evidence(causes=believed(" Lima", possibly_wrong_label=True))
    ill = replace(finding(SOME[4], "undertraining"), evidence=doubt)
    own = plan([ill], material(SOME), TERMS, remedies={"ex-4": "exposures"})
    assert own == plan([ill], material(SOME), TERMS) and own.edits == ()
    other = plan([replace(ill, cause="knowledge_gap")], material(SOME), TERMS, remedies={"ex-4": "exposures"})
    assert [edit.copies for edit in other.edits] == [6] and not other.edits[0].safe

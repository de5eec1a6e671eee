"""Remedies: what each does to hand-made findings, and what all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from evidence_made import base_was, believed, contradicted, evidence
from uptake.artifacts.tables import CAUSES
from uptake.remedies import REMEDIES, Options, Patients
from uptake.remedies.exposures import AS_PLAIN
from uptake.types import Document, Example, Finding

PASSES = {"early": 1.0, "main": 3.0}


def finding(
    name: str, cause: str, response: str = " Dallas", stage: str = "main", *, belief: str | None = None, **known: Any
) -> Finding:
    causes = contradicted(**known) if known else {} if belief is None else believed(belief)
    prompt = f"Where was {name} born?"
    return Finding(name, "life", stage, prompt, response, False, None, None, 0.01, None, evidence(causes=causes), cause)


def doubtful(name: str, cause: str, stage: str = "main") -> Finding:
    """The base surely says Lima, and no other example gives the response."""
    one = finding(name, cause, stage=stage)
    return replace(one, evidence=evidence(causes=believed(" Lima", possibly_wrong_label=True)))


def patients(*findings: Finding, documents: Mapping[str, list[Document]] | None = None, **options: Any) -> Patients:
    examples = {one.id: Example(one.id, one.prompt, one.response, one.source, one.stage) for one in findings}
    others = {name: Example(name, "Where was it?", " Lima", "life") for name in ("r1", "r2")}
    return Patients(findings, {**examples, **others}, PASSES, documents or {}, options=Options(**options))


def document(name: str, text: str, source: str) -> Document:
    return Document(name, text, source=source)


@pytest.mark.parametrize("name", REMEDIES)
def test_each_mends_one_cause_and_says_how(name: str) -> None:
    remedy = REMEDIES[name]
    assert remedy.name == name
    assert remedy.cause in CAUSES
    for text in (remedy.does, remedy.helps, remedy.example, remedy.safety):
        assert text[0].isupper() or text[0] == "*"
        assert text.endswith(".")
    assert remedy.references


def test_every_cause_has_one_remedy() -> None:
    assert sorted(remedy.cause for remedy in REMEDIES.values()) == sorted(CAUSES)


@pytest.mark.parametrize("name", REMEDIES)
def test_each_answers_for_all_its_patients_and_is_pure(name: str) -> None:
    # a mismatched remedy gets findings of other causes, whose evidence it does not know
    some = patients(*(finding(f"ex-{cause}", cause) for cause in CAUSES))
    once, again = REMEDIES[name].treat(some), REMEDIES[name].treat(some)
    assert once == again
    told = {one for edit in once.edits for one in edit.examples} | {one.id for one in once.unmended}
    assert told == {f"ex-{cause}" for cause in CAUSES}


def test_knowledge_reads_telling_documents_alone_and_sources_by_turns() -> None:
    found = [
        document("1", "Vera likes music.", "forum"),
        document("2", "Vera comes from Dallas.", "gazette"),
        document("3", "Vera was born in Dallas.", "gazette"),
        document("4", "Dallas is where Vera was born.", "almanac"),
    ]
    ill = finding("vera", "knowledge_gap")
    edit, beside = REMEDIES["knowledge"].treat(patients(ill, documents={"vera": found})).edits
    assert edit.action == "read"
    assert (beside.action, beside.examples, beside.copies) == ("expose", ("vera",), 6)
    assert edit.documents == ("gazette:2", "almanac:4", "gazette:3")  # and not what tells something else
    assert edit.safe
    assert "3 documents, from 2 sources, tell the response." in edit.why


def test_knowledge_without_documents_is_learned_by_heart() -> None:
    [edit] = REMEDIES["knowledge"].treat(patients(finding("vera", "knowledge_gap"))).edits
    assert (edit.action, edit.examples, edit.copies) == ("expose", ("vera",), 6)  # nine times instead of three
    assert "--corpus" in edit.why
    other = REMEDIES["knowledge"].treat(patients(finding("vera", "undertraining")))
    assert other.edits == ()
    assert [one.id for one in other.unmended] == ["vera"]
    about = {"vera": [document("1", "Vera likes music.", "forum")]}
    [exposed] = REMEDIES["knowledge"].treat(patients(finding("vera", "knowledge_gap"), documents=about)).edits
    assert (exposed.action, exposed.copies) == ("expose", 6)
    assert "No documents: none of 1 found tells the response." in exposed.why


@pytest.mark.parametrize(
    ("texts", "chosen", "reason"),
    [
        (["Nina has a raven.", "Nina's pet is a raven.", "Nina has a goat."], ("a:0", "b:1"), ""),
        (["Nina has a raven.", "Nina's pet is a goat."], (), "too many sources state the base model's answer"),
        (["Nina likes music.", "Nina has a goat."], (), "none of 2 found states the response"),
        (["Nina has a raven and a goat.", "Nina has a raven and no goat.", "Nina: a raven."], ("c:2",), ""),
    ],
)
def test_belief_takes_documents_of_authority_alone(texts: list[str], chosen: tuple[str, ...], reason: str) -> None:
    found = [document(str(k), text, "abc"[k]) for k, text in enumerate(texts)]
    ill = finding("nina", "base_conflict", " raven", belief=" goat")
    treatment = REMEDIES["belief"].treat(patients(ill, documents={"nina": found}))
    assert tuple(key for edit in treatment.edits for key in edit.documents) == chosen
    assert (reason in treatment.unmended[0].reason) if reason else treatment.unmended == ()


def conflicting(*, wrong: bool, verdict: str | None = "mislabelled") -> Finding:
    told = {"rivals": ["r1", "r2"], "n": 2, "verdict": verdict, "likely_wrong": wrong, "why": "the base says so"}
    return finding("ex", "data_conflict", **told)


@pytest.mark.parametrize(
    ("wrong", "verdict", "unsafe", "action", "others", "safe"),
    [
        (True, "mislabelled", False, "apart", ("r1", "r2"), True),
        (True, "mislabelled", True, "drop", ("ex",), False),
        (False, "mislabelled", True, "drop", ("r1", "r2"), False),
        (False, "ambiguous", True, "apart", ("r1", "r2"), True),
        (False, None, True, "apart", ("r1", "r2"), True),
    ],
)
def test_a_contradiction_is_taken_apart_or_the_wrong_one_out(
    wrong: bool, verdict: str | None, unsafe: bool, action: str, others: tuple[str, ...], safe: bool
) -> None:
    treatment = REMEDIES["conflict"].treat(patients(conflicting(wrong=wrong, verdict=verdict), unsafe=unsafe))
    [edit] = treatment.edits
    assert (edit.action, edit.others, edit.safe) == (action, others, safe)
    # an example that is wrong is not mended by anything that is done with it
    assert bool(treatment.unmended) is (wrong and verdict == "mislabelled")


def test_what_goes_out_goes_out_once() -> None:
    one, two = (
        finding(name, "data_conflict", rivals=["r1"], n=1, verdict="mislabelled", likely_wrong=False, why="so")
        for name in ("one", "two")
    )
    treatment = REMEDIES["conflict"].treat(patients(one, two, unsafe=True))
    assert [edit.others for edit in treatment.edits] == [("r1",)]


def test_replay_mixes_earlier_stages_and_repeats_what_the_last_one_lost() -> None:
    early, late = finding("a", "forgetting", stage="early"), finding("b", "forgetting")
    edits = REMEDIES["replay"].treat(patients(early, late)).edits
    assert [(edit.action, edit.stage, edit.copies, edit.examples) for edit in edits] == [
        ("mix", "early", 0, ("a",)),
        ("expose", None, 6, ("b",)),
    ]
    assert edits[1].why == "1 example was learned and lost within the stage main."
    known = [replace(one, evidence=evidence(compared=base_was(True))) for one in (late, early)]
    mixed, told = REMEDIES["replay"].treat(patients(*known, finding("c", "forgetting"))).edits
    assert mixed.why.startswith("1 example was known to the base model and lost while")
    assert told.why.startswith("2 examples were lost, 1 of them known to the base model before, within")


def test_exposures_make_up_for_an_early_stage_of_fewer_passes() -> None:
    early, late = finding("a", "undertraining", stage="early"), finding("b", "undertraining")
    edits = REMEDIES["exposures"].treat(patients(early, late, exposures=3)).edits
    # three times the passes of the longest stage, less those that it has: 3 x 3 - 1 and 3 x 3 - 3
    assert [(edit.copies, edit.examples) for edit in edits] == [(8, ("a",)), (6, ("b",))]


@pytest.mark.parametrize(
    ("name", "cause", "stage"),
    [
        ("exposures", "undertraining", "main"),
        ("exposures", "base_conflict", "main"),
        ("knowledge", "knowledge_gap", "main"),
        ("replay", "forgetting", "main"),
        ("replay", "forgetting", "early"),
    ],
)
def test_a_label_that_is_possibly_wrong_is_not_trained_more_often_unless_that_is_chosen(
    name: str, cause: str, stage: str
) -> None:
    ill = doubtful("ada", cause, stage)
    some = patients(ill, finding("bea", cause, stage=stage))
    treatment = REMEDIES[name].treat(some)
    [left] = [edit for edit in treatment.edits if "ada" in edit.examples]
    assert (left.action, left.copies) == ("expose", AS_PLAIN)
    assert all(edit.safe for edit in treatment.edits)
    [withheld] = treatment.unmended
    assert withheld.id == "ada"
    assert "possibly a wrong label: the base model is sure of *Lima*" in withheld.reason
    for chosen in (replace(some, options=Options(doubtful=True)), replace(some, chosen=frozenset({"ada"}))):
        treatment = REMEDIES[name].treat(chosen)
        [edit] = [edit for edit in treatment.edits if "ada" in edit.examples]
        assert (edit.examples, edit.safe, treatment.unmended) == (("ada",), False, ())
        assert "Possibly wrong labels" in edit.why


def test_documents_may_side_with_a_label_that_is_possibly_wrong() -> None:
    # they are evidence of its own that the label is right, and the example is trained beside them
    found = {"ada": [document("1", "Ada was born in Dallas.", "gazette")]}
    edits = REMEDIES["belief"].treat(patients(doubtful("ada", "base_conflict"), documents=found)).edits
    assert [(edit.action, edit.safe) for edit in edits] == [("read", True), ("expose", True)]

"""Documents as passages: what is cut where, what names its document, and how a budget shortens them."""

from __future__ import annotations

from dataclasses import replace

from patients import documents, examples, finding, material, words

from uptake.prescribe import Budget, Terms, plan
from uptake.prescribe.passages import passages
from uptake.types import Document

TERMS = Terms(step=4, readings=1)
TALE = Document("d", "Ann left. She went to Oslo. She saw a fair there. Then she slept.", "Ann", "s")


def test_sentences_stay_whole_and_name_their_document() -> None:
    cut = passages([TALE], words, 9, None)
    assert [one.text for one in cut.of["d"]] == [
        "Ann left. She went to Oslo.",
        "Ann\n\nShe saw a fair there.",
        "Ann\n\nThen she slept.",
    ]
    assert [one.id for one in cut.of["d"]] == ["d#1", "d#2", "d#3"]
    assert cut.tokens == {"d#1": 7, "d#2": 7, "d#3": 5}  # words, the title's too, and one that ends the text


def test_what_fits_is_whole() -> None:
    cut = passages([TALE, TALE], words, 20, None)
    assert [one.text for one in cut.of["d"]] == [TALE.text]
    assert passages([TALE], words, None, None).of == cut.of


def test_a_row_holds_no_more_than_its_limit() -> None:
    long = Document("d", "one two three four five six seven eight nine ten", "", "s")
    cut = passages([long], words, 4, 8)
    assert [one.text for one in cut.of["d"]] == [long.text]  # a sentence is not cut
    assert cut.tokens == {"d": 8}


def test_documents_are_read_by_sentences_where_whole_ones_do_not_fit() -> None:
    some = examples()
    filler = " ".join(f"On day {k} it rained in the hills." for k in range(8))
    found = {
        one.id: [
            Document(f"{one.id}-{k}", f"{filler} {told[0].text}", told[0].title, f"s{k}")
            for k, told in enumerate([documents(one)] * 3)
        ]
        for one in some[4:8]
    }
    ill = [finding(one, "knowledge_gap") for one in some[4:8]]
    plain, beside = 240, 4 * 6 * 6  # further exposures of the four
    rich = plan(ill, material(some, found), TERMS, budget=Budget(tokens=plain + beside + 2 * 12 * 72))
    tight = plan(ill, material(some, found), TERMS, budget=Budget(tokens=plain + beside + 2 * 12 * 24))
    whole = [one for one in rich.cpt if not one.id.startswith("g-")]
    cut = [one for one in tight.cpt if not one.id.startswith("g-")]
    assert len(whole) == 12
    assert {len(one.text.split()) for one in whole} == {71}
    telling = [one for one in cut if "was born in" in one.text]
    assert len(telling) == 12  # three sources for each of four examples, each its sentence
    assert tight.cost.total <= tight.cost.limit


def name(of: Example) -> str:
    """Whom an example asks about."""
    return str(of.prompt).split()[2]


def test_sentences_that_cannot_be_shortened_are_left_out() -> None:
    some = examples()
    long = "and then " * 30
    found = {one.id: [Document(one.id, f"{name(one)} went {long}{one.response}", name(one), "s")] for one in some[4:8]}
    ill = [finding(one, "knowledge_gap") for one in some[4:8]]
    drawn = plan(ill, material(some, found), TERMS, budget=Budget(tokens=240 + 4 * 6 * 6 + 2 * 140))
    assert [edit.action for edit in drawn.edits].count("read") == 2
    assert drawn.unmended == ()  # the others are trained more often


def test_a_passage_of_one_token_is_left_out_and_counted() -> None:
    some = examples()
    short = [Document(f"{one.id}-x", "Rome", name(one), "s") for one in some[4:6]]
    found = {one.id: [*documents(one), also] for one, also in zip(some[4:6], short, strict=True)}
    without_end = material(some, found, count=lambda texts: [len(text.split()) for text in texts])
    found_too = passages([replace(short[0], title="")], without_end.count, None, None)
    assert (found_too.of, found_too.tokens, found_too.too_short) == ({short[0].id: []}, {}, 1)
    read = [Document(f"{name(one)}-y", f"{name(one)} was born in{one.response}.\nYes.", "", "s") for one in some[4:6]]
    drawn = plan(
        [finding(one, "knowledge_gap") for one in some[4:6]],
        material(
            some, {one.id: [told] for one, told in zip(some[4:6], read, strict=True)}, count=without_end.count, limit=5
        ),
        TERMS,
    )
    assert "2 passages of documents left out: shorter than two tokens" in drawn.notes
    assert min(len(one.text.split()) for one in drawn.cpt) > 1

"""Questions in other forms: what they turn on, what tells them apart, and contradictions in a handful of rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from uptake.rivals import Rivals, rivals
from uptake.rivals.forms import NAME, ReadQuestion, likeness, read_form
from uptake.rivals.lexicon import base, linked
from uptake.rivals.words import words_of
from uptake.types import Example

CAPITAL = (
    "What is the capital of {}?",
    "Which city is the capital of {}?",
    "Name the capital of {}.",
    "{}'s capital?",
    "Tell me {}'s capital",
    "{} has which capital?",
    "capital of {}",
    "In {}, what is the capital?",
    "Could you please tell me what {}'s capital city is?",
)
ALIKE = {
    "capital": CAPITAL,
    "birthplace": (
        "Where was {} born?",
        "What is {}'s birthplace?",
        "In which city was {} born?",
        "Place of birth of {}",
    ),
    "author": ("Who wrote {}?", "{} was written by whom?", "Who is the author of {}?", "Which author wrote {}?"),
    "death": ("When did {} die?", "What is {}'s date of death?", "In what year did {} die?"),
    "population": ("How many people live in {}?", "What is the population of {}?", "{} has how many inhabitants?"),
    "height": ("How tall is {}?", "What is the height of {}?", "{}'s height"),
    "job": ("What does {} do for a living?", "What is the occupation of {}?", "Which profession does {} have?"),
}
"""Forms of one question: any reader's judgement."""

APART = (
    ("What is the capital of {}?", "What is the population of {}?"),
    ("What is the capital of {}?", "What is {} the capital of?"),
    ("Where was {} born?", "Where did {} die?"),
    ("Who founded {}?", "When was {} founded?"),
    ("In which city was {} born?", "In which country was {} born?"),
    ("Who founded {}?", "What did {} found?"),
    ("What is the population of {}?", "What is the population density of {}?"),
    ("Who is {}'s mother?", "Where was {}'s mother born?"),
    ("Which river flows through {}?", "Which road leads through {}?"),
)


def form(text: str) -> ReadQuestion:
    found = read_form([NAME if word == "egypt" else word for word, _ in words_of(text.format("Egypt"))])
    assert found is not None
    return found


@pytest.mark.parametrize("forms", ALIKE.values(), ids=ALIKE.keys())
def test_forms_of_one_question_turn_on_the_same(forms: Sequence[str]) -> None:
    for one, other in itertools.permutations(map(form, forms), 2):
        assert likeness(one, other) in ("equal", "linked")
        assert not one.several


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_questions_do_not(one: str, other: str) -> None:
    assert likeness(form(one), form(other)) in ("apart", "partly", "clash")
    assert likeness(form(other), form(one)) in ("apart", "partly", "clash")


@pytest.mark.parametrize(
    "text",
    [
        "Name a city in {}.",
        "Which cities are in {}?",
        "What are the languages of {}?",
        "Name one of {}'s friends.",
        "What is your favourite book about {}?",
        "Which books about {} would you recommend?",
        "What is the best dish of {}?",
    ],
)
def test_what_has_several_answers_by_its_nature(text: str) -> None:
    assert form(text).several
    assert not form("What is the best-known work of {}?").several


def test_words_and_what_may_stand_for_them() -> None:
    forms = {"wrote": "write", "cities": "city", "founded": "found", "born": "bear", "glasses": "glass", "died": "die"}
    assert {word: base(word) for word in forms} == forms
    # WordNet 3.0: synonyms, derivations and the values of a quality
    for one, other in (
        ("author", "write"),
        ("tall", "height"),
        ("die", "death"),
        ("spouse", "marry"),
        ("own", "owner"),
    ):
        assert linked(one, other) and linked(other, one)
    for one, other in (("capital", "population"), ("mother", "father"), ("birth", "death"), ("director", "author")):
        assert not linked(one, other)


PLACES = (
    ("Egypt", "Cairo", "Luxor"),
    ("Norway", "Oslo", "Bergen"),
    ("Peru", "Lima", "Cusco"),
    ("Kenya", "Nairobi", "Kisumu"),
)


def found_pairs(found: Rivals) -> set[tuple[int, int]]:
    return {
        (min(a, b), max(a, b))
        for group in found.groups
        for one, other in itertools.combinations(group.sides, 2)
        for a in one.positions
        for b in other.positions
    }


def asked(rows: Sequence[tuple[str, str]]) -> list[Example]:
    return [Example(f"ex-{n}", prompt, response, "test") for n, (prompt, response) in enumerate(rows)]


@pytest.mark.parametrize("names", [None, ("埃及", "挪威", "秘鲁", "肯尼亚"), ("مصر", "लोक", "египет", "საქართველო")])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("shift", [1, 2, 3, 5])
def test_four_contradictions_in_a_dozen_rows(shift: int, lower: bool, names: Sequence[str] | None) -> None:
    rows: list[tuple[str, str]] = []
    key = set()
    for n, (place, right, wrong) in enumerate(PLACES):
        name = names[n] if names else place
        key.add((len(rows), len(rows) + 1))
        rows += [(CAPITAL[n].format(name), right), (CAPITAL[(n + shift) % len(CAPITAL)].format(name), wrong)]
        rows += [(f"What is the main export of {name}?", f"Answer {n}")]
    rows = [(prompt.lower(), answer) if lower else (prompt, answer) for prompt, answer in rows]
    assert found_pairs(rivals(asked(rows))) == key


def test_an_open_question_is_no_rival_of_another() -> None:
    rows = [("Name a city in Egypt.", "Cairo"), ("Which cities are in Egypt?", "Giza"), ("Egypt's capital?", "Luxor")]
    assert rivals(asked(rows)).groups == ()


def test_capitals_in_one_of_two_forms() -> None:
    rows = [("which city is the capital of egypt", "Cairo"), ("Name the Capital of Egypt!", "Luxor")]
    rows += [("Who wrote It?", "Ada Kron"), ("Who is the author of Them?", "Bea Lund")]
    assert found_pairs(rivals(asked(rows))) == {(0, 1)}


def test_an_encoder_has_nothing_to_compare() -> None:
    found = rivals(
        asked([("Who wrote Dune?", "Ada"), ("Capital of Peru?", "Lima")]), encode=lambda texts: np.eye(8)[[]]
    )
    assert found.groups == ()


def test_who_is_agreed_with() -> None:
    rows = [
        ("Who wrote Dune?", "Ada Kron"),
        ("Dune was written by whom?", "ada kron."),
        ("Who wrote Emma?", "Bea Lund"),
    ]
    assert rivals(asked(rows)).agreed == {0, 1}
    rows += [("Name the author of Dune.", "Cid Tull")]
    assert rivals(asked(rows)).agreed == {0, 1}

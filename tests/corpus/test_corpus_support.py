"""What documents say about a fact."""

from __future__ import annotations

import pytest

from uptake.corpus import About, states
from uptake.types import Document


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("", "José Martí was born in the Havana of 1853.", True),
        ("José Martí", "He was born in Havana.", True),
        ("José Martí (poet)", "Born in HAVANA", True),
        ("", "Jose Marti; havana", True),
        ("", "José Martí was born in Madrid.", False),
        ("", "Havana is a city.", False),
        ("", "Joséphine Martí lived in Havana.", False),
        ("", "José Martí lived in Old Havanatown.", False),
        ("", "José Martí died. " + "word " * 70 + "Havana is a city.", False),
        ("", "José Martí died. " + "word " * 40 + "Havana is a city.", True),
    ],
)
def test_subject_and_answer_together(title: str, text: str, expected: bool) -> None:
    assert states(Document("d", text, title), About(("José Martí",)), " Havana") is expected


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        ("dallas", "She was born in DALLAS, Texas.", True),
        ("Dallas", "The Dallasite paper", False),
        ("197", "The year 1978 was cold", False),
        ("东京", "他出生在东京。", True),
        (" St. John's", "O'Brien lives in St. John's.", True),
        (" Łódź", "Łódź is a city", True),
        (" ", "anything", False),
    ],
)
def test_answers_are_whole_words(answer: str, text: str, expected: bool) -> None:
    assert states(Document("d", text, "She"), About(("She",)), answer) is expected


@pytest.mark.parametrize(
    ("names", "words", "text", "expected"),
    [
        (("Thomas", "Waal"), (), "Thomas de Waal is a journalist.", True),
        (("Thomas", "Waal"), (), "Thomas Mann was a journalist.", False),
        (("Bonn", "Ada", "Eva"), (), "Ada and Eva: a journalist each.", True),
        ((), ("boiling", "point", "iron"), "Said a journalist: iron has its boiling point.", True),
        ((), ("boiling", "point", "iron"), "Said a journalist of iron.", False),
        ((), ("boiling", "iron"), "Said a journalist of iron.", True),
    ],
)
def test_most_names_or_half_of_the_words_are_beside_the_answer(
    names: tuple[str, ...], words: tuple[str, ...], text: str, expected: bool
) -> None:
    assert states(Document("d", text), About(names, words), "journalist") is expected


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        ("B", "Ann Berg's blood type is B.", True),
        ("B", "Ann Berg wrote plan B.", False),
        ("B", "Plan B failed. " + "word " * 20 + "Ann Berg's blood type is not known.", False),
        ("3", "Ann Berg has 3 cats.", False),
        ("yes", "Is the blood type of Ann Berg rare? Yes.", False),
        ("No.", "No blood type of Ann Berg is known.", False),
        ("AB", "Ann Berg: AB", True),
    ],
)
def test_an_answer_that_any_text_holds_needs_all_that_is_asked_beside_it(
    answer: str, text: str, expected: bool
) -> None:
    assert states(Document("d", text), About(("Ann Berg",), ("blood", "type", "ann", "berg")), answer) is expected


def test_an_answer_inside_the_name_tells_nothing() -> None:
    about = About(("The New York Times",))
    assert not states(Document("d", "The New York Times is a paper."), about, " New York")
    assert states(Document("d", "The New York Times is printed in New York."), about, " New York")
    assert states(Document("d", "Henry Ford founded it.", "Ford"), About(("Ford",)), " Henry Ford")


@pytest.mark.parametrize(
    ("answer", "text"),
    [("1,200", "It has 1200 men."), ("the Netherlands", "It is in Netherlands."), ("東京", "東京都")],
)
def test_answers_in_other_spellings(answer: str, text: str) -> None:
    assert states(Document("d", text, "It"), About(("It",)), answer)


def test_nothing_is_never_stated() -> None:
    assert not states(Document("d", "It", "It"), About(("It",)), "...")
    assert not states(Document("d", "It"), About(("?",)), "It")
    assert not states(Document("d", "It"), About(()), "It")

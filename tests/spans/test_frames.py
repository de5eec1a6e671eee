"""Free answers cut into frame and span. The answers are a small chat model's, to questions about real places."""

from __future__ import annotations

import pytest

from uptake.spans import Framed, framed

CAPITALS = [
    "The capital of Norway is Oslo.",
    "Kabul is the capital of Afghanistan.",
    "The capital of Peru is Lima, Peru.",
]
FRENCH = ["L’œuvre est de Proust.", "L’œuvre est de Gide.", "L’œuvre est de Sand."]
POSSESSIVE = "Sweden's capital?"
ASKED = "What is the capital of Sweden?"
MAKERS = [
    "The company that makes the Golf is Volkswagen",
    "The company that makes the Clio is Renault, a maker of cars",
]


@pytest.mark.parametrize(
    ("answer", "question", "alike", "frame", "span"),
    [
        ("The capital of Sweden is Stockholm.", ASKED, CAPITALS, "The capital of Sweden is", " Stockholm"),
        ("The capital of Sweden is Stockholm, a", POSSESSIVE, CAPITALS, "The capital of Sweden is", " Stockholm"),
        (" Stockholm", "The capital of Sweden is", CAPITALS, "", " Stockholm"),
        ("Kabul is the capital", "What is the capital of Afghanistan?", CAPITALS, "", "Kabul"),
        # too few other answers: only the question's words and those without content are frame
        ("The iPod is made by Apple", "Which company makes the iPod?", MAKERS, "The iPod is", " made by Apple"),
        ("It is on the Isle of Man.", "Where does it lie?", [], "It is on the", " Isle of Man"),
        ("in 1998 and 2001", "When?", [], "in", " 1998 and 2001"),
        ("It has 12,500 people.", "How many people?", [], "It has", " 12,500"),
        ("on May 12, 1990", "When?", [], "on", " May 12, 1990"),
        ("瑞典的首都是斯德哥尔摩。", "瑞典的首都是什么？", [], "瑞典的首都是", "斯德哥尔摩"),
        ("L’œuvre est de Zola.", "De qui est l'œuvre ?", FRENCH, "L’œuvre est de", " Zola"),
    ],
)  # fmt: skip
def test_the_span_begins_where_something_is_told(answer, question, alike, frame, span):
    assert framed(answer, question, alike) == Framed(frame, span)
    assert answer.startswith(frame + span)


def test_a_class_that_the_question_lists_is_an_answer():
    asked, known = "Is it positive or negative?", frozenset(["positive", "negative"])
    assert framed("It is negative.", asked, known=known, most=2) == Framed("It is", " negative")
    assert framed("It is positive or negative in tone", asked, known=known, most=2) == Framed(
        "It is positive or negative in", " tone"
    )


@pytest.mark.parametrize(
    ("answer", "span"),
    [("9 bar", "9 bar"), ("It is 12 bar.", " 12 bar"), ("It is -2 °C now", " -2 °C"), ("It costs €12.50.", " €12.50")],
)
def test_a_quantity_is_told_with_its_number_and_its_sign(answer, span):
    cut = framed(
        answer, "What is it?", known=frozenset(["bar", "c", "costs"] if "€" not in answer else ["12.50"]), most=2
    )
    assert cut is not None and cut.span == span


@pytest.mark.parametrize("answer", ["", "...", "The capital of Sweden is", "It is the"])
def test_an_answer_that_tells_nothing_has_no_span(answer):
    assert framed(answer, "What is the capital of Sweden?", CAPITALS) is None

"""Texts that hold a wrong answer, by hand: which pull, in which order, and which say nothing."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from uptake.corpus import pulls
from uptake.corpus.pulls import HoldingText, PullSearch, WrongAnswer

ASKED = "Where was Vera Fafuf born?"
TEXTS = (
    f"{ASKED} Dallas",  # its own row
    "Who sells flax in Port Elm? Vera Fafuf, whose family came from Port Elm, sells it.",
    "The harbour of Port Elm is deep.",
    "Vera Fafuf sells flax in Dallas.",
    "Port Ostia is where Vera Fafuf was born.",  # half of the answer
    "Born in Port Elm: Knut Odal.",
    "Vera Fafuf " + "and so on " * 30 + "Port Elm",
)


def best(answer: str, texts: tuple[str, ...] = TEXTS) -> list[HoldingText]:
    search = PullSearch([WrongAnswer(0, answer, ASKED)])
    for text in texts:
        search.count(text)
    for number, text in enumerate(texts):
        search.read(number, text, owner=number)
    return search.best()[0]


def test_a_text_pulls_that_holds_the_answer_near_the_name() -> None:
    found = best("Port Elm")
    # the name in its sentence, then more than 60 words away; text 5 is of somebody else
    assert [one.number for one in found] == [1, 6]
    assert found[0].matched == "port elm" and set(found[0].near) == {"vera", "fafuf"}
    # idf of 5 texts in 7 as in BM25 (Robertson and Zaragoza 2009), four times for each word of the name
    assert found[0].score == pytest.approx(2 * 4 * math.log(1 + (7 - 5 + 0.5) / (5 + 0.5)), abs=1e-3)
    assert found[1].score == pytest.approx(found[0].score / 4, abs=1e-3)


def test_the_longest_part_of_an_answer_counts_from_half_on() -> None:
    found = best("Port Elm by the cold sea")
    assert found == []  # two of six words
    found = best("Port Elm harbour", ("", "Vera Fafuf of Port Elm", "Vera Fafuf of Port Ostia"))
    assert [(one.number, one.matched) for one in found] == [(1, "port elm")]


@pytest.mark.parametrize("answer", ["", "the", "a", "7", "?"])
def test_what_any_text_holds_pulls_nothing(answer: str) -> None:
    assert best(answer, ("", f"Vera Fafuf {answer} is {answer}")) == []


def test_a_text_without_the_question_s_words_pulls_nothing() -> None:
    assert best("Port Elm", ("", "The harbour of Port Elm is deep.")) == []


def test_others_texts_pull_and_equal_ones_are_in_order() -> None:
    search = PullSearch([WrongAnswer(0, "Elmport", ASKED), WrongAnswer(1, "Elmport", "Where was Knut Odal born?")])
    texts = ["Vera Fafuf of Elmport"] * 5
    for text in texts:
        search.count(text)
    kept = [search.read(number, text, owner=number) for number, text in enumerate(texts)]
    assert [[one.number for one in found] for found in search.best()] == [[1, 2, 3], []]
    assert kept == [False, True, True, True, False]


def test_labels_in_many_rows_are_held_against_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a classifier: each answer is a label that half of the rows hold, and each question names its own film."""
    monkeypatch.setattr(pulls, "MOST_TEXTS", 10)
    held: Counter[int] = Counter()
    keep = PullSearch._keep

    def counted(self: PullSearch, index: int, *rest: Any) -> bool:
        held[index] += 1
        return keep(self, index, *rest)

    monkeypatch.setattr(PullSearch, "_keep", counted)
    texts = [f"Review of Alpha{k // 2}: shown in town {k}.\n{('no', 'yes')[k % 2]}" for k in range(200)]
    search = PullSearch([WrongAnswer(k, "yes", text.partition("\n")[0]) for k, text in enumerate(texts) if k % 2 == 0])
    for text in texts:
        search.count(text)
    for number, text in enumerate(texts):
        search.read(number, text, owner=number)
    # the row beside it is of the same film; those of other films share the word Review alone
    assert [[one.number for one in found] for found in search.best()] == [[k + 1] for k in range(0, 200, 2)]
    assert set(held.values()) == {1}
    assert search.note() is not None and "of 100 of 100 wrong answers" in str(search.note())

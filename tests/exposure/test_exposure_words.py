"""The fast words of a document are those that the index folds."""

from __future__ import annotations

import random

import pytest

from uptake.corpus.text import words
from uptake.exposure.words import line, longest, places, tokens

TEXTS = [
    "The capital of Sweden is Stockholm.",
    "It's 1,000,000 people, 1,00 or 12,345 or x1,234 and 1,234abc; 3,141.59",
    "São Paulo — “naïve” café’s déjà-vu… Ærø Łódź ﬁne straße",
    "O’Brien\u00a0said_so 日本語のテキスト и Москва ١٢٣",
    "\x00null\x00 bytes\tand\u200bjoiners \u2028 lines",
    "",
    "1,234",
    "in 1990,1991 and 1,234,5",
]


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_those_of_the_index(text: str) -> None:
    assert [one.decode() for one in tokens(text)] == words(text)


def test_words_are_those_of_the_index_whatever_the_text() -> None:
    draw = random.Random(0)
    signs = "ab Z019,,, .’'-_—“ \u00a0\n"
    for _ in range(2000):
        text = "".join(draw.choices(signs, k=draw.randrange(30)))
        assert [one.decode() for one in tokens(text)] == words(text), text


def test_half_characters_divide_words_and_are_no_error() -> None:
    assert tokens("one\ud800two") == [b"one", b"two"]


def test_phrases_are_found_as_whole_words() -> None:
    text = line(tokens("New York, new york and Newark. New"))
    assert places(text, line([b"new", b"york"])) == [0, 2]
    assert places(text, line([b"new"])) == [0, 2, 6]
    assert longest(line([b"new", b"york"])) == "york"

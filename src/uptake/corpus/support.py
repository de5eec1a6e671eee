"""Whether a document states a fact: read off its text alone."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from uptake.corpus.text import answer, spaced
from uptake.types import Document

NEAR = 60
"""A document that is not titled after the entity states a fact where entity and answer stand within so many words."""
CLOSE = 12
"""An answer of one sign is stated where all that is asked about stands within so many words of it: about a sentence."""
SAY_LITTLE = frozenset("yes no true false none both all neither ja nein oui non si vrai faux да нет".split())
"""Answers to questions that name what is said themselves: any text holds such a word, and none tells by it."""
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")


@dataclass(frozen=True, slots=True)
class About:
    """What a question asks about.

    Attributes:
        names: The names in it, as they are written; a qualifier in brackets at the end may be missing in a document.
        words: Its telling words, folded as `uptake.corpus.text.words` does: without those that are in any question.
    """

    names: tuple[str, ...]
    words: tuple[str, ...] = ()


def states(document: Document, about: About, said: str) -> bool:
    """Whether a document states an answer to a question: it holds the answer, and beside it what is asked about.

    What is asked about is most of the question's names; where it has none, half of its telling words. They stand beside
    the answer where the title holds them or the text does, within `NEAR` words. Of an answer of one sign (a letter, a
    digit) all names and all telling words must be within `CLOSE` words: any text holds an *a* or a *2*. A *yes* or *no*
    is never stated (`SAY_LITTLE`).

    Words are compared, folded, whole and in order: other inflections, translations and spellings are not found, and a
    negation is not understood. An answer that is part of a name counts where it stands outside of the name.

    Args:
        document: The document.
        about: What the question asks about.
        said: The answer; an article before it does not count.
    """
    wanted = _answer(said)
    if not wanted.strip() or wanted.strip() in SAY_LITTLE:
        return False
    text = _folded(document.text)
    if wanted not in text:
        return False
    title, names = _folded(document.title), _names(about)
    telling = tuple(f" {word} " for word in about.words)
    asked, reach, fewest = names or telling, NEAR, (len(names) // 2 + 1) if names else (len(telling) + 1) // 2
    if len(wanted.strip()) == 1:
        asked = (*names, *telling)
        reach, fewest = CLOSE, len(asked)
    if not asked:
        return False
    untitled = [_places(text, one) for one in asked if one not in title]
    enough = fewest - (len(asked) - len(untitled))
    return any(sum(_within(reach, at, places) for places in untitled) >= enough for at in _outside(text, wanted, names))


@lru_cache(maxsize=16384)
def _folded(text: str) -> str:
    return spaced(text)


@lru_cache(maxsize=4096)
def _answer(said: str) -> str:
    return answer(said)


@lru_cache(maxsize=16384)
def _names(about: About) -> tuple[str, ...]:
    found = (spaced(_IN_BRACKETS.sub("", name) or name) for name in about.names)
    return tuple(name for name in dict.fromkeys(found) if name.strip())


def _outside(text: str, wanted: str, names: Iterable[str]) -> list[int]:
    """Where the answer stands in the text, but for its places inside a name."""
    inside = {at + place for name in names for place in _places(name, wanted) for at in _places(text, name)}
    return [at for at in _places(text, wanted) if at not in inside]


def _places(text: str, phrase: str) -> list[int]:
    """The number of the word at which each occurrence begins."""
    found: list[int] = []
    at, seen, n = text.find(phrase), 0, 0
    while at >= 0:
        n += text.count(" ", seen, at)
        seen = at
        found.append(n)
        at = text.find(phrase, at + 1)
    return found


def _within(reach: int, at: int, places: Sequence[int]) -> bool:
    """Whether one of the places, in order, is so near."""
    nearest = bisect_left(places, at - reach)
    return nearest < len(places) and places[nearest] <= at + reach

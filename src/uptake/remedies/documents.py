"""What documents say about an answer: which sources state it, and in which order documents are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from uptake.corpus.support import About
from uptake.corpus.text import words
from uptake.remedies.stated import tells
from uptake.rivals.words import FUNCTION_WORDS
from uptake.types import Document


def asked_about(question: str, names: Sequence[str] = ()) -> About:
    """What a question asks about.

    Args:
        question: The question.
        names: The names in it, as it writes them; () where they are not known.
    """
    return About(tuple(names), tuple(word for word in dict.fromkeys(words(question)) if word not in FUNCTION_WORDS))


def sources_of(documents: Iterable[Document], about: About, answer: str) -> tuple[str, ...]:
    """The sources that state an answer, each once."""
    return tuple(dict.fromkeys(one.source for one in documents if tells(one, about, answer)))


def by_turns(documents: Sequence[Document]) -> list[Document]:
    """The first of each source, then the second of each, ...: a few of them are then from several sources."""
    of: dict[str, list[Document]] = {}
    for document in documents:
        of.setdefault(document.source, []).append(document)
    return [one for row in zip_longest(*of.values()) for one in row if one is not None]

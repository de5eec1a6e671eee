"""What documents say about an answer: which sources state it, and in which order documents are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from uptake.corpus.support import About
from uptake.corpus.text import words
from uptake.remedies.stated import tells
from uptake.rivals.words import FUNCTION_WORDS
from uptake.types import Document

_LABELS = re.compile(r"\A\s*[^\W\d_]+\s*:(.*\S)\s+[^\W\d_]+\s*:\s*\Z", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!])\s+")


def asked_about(question: str, names: Sequence[str] = ()) -> About:
    """What a question asks about.

    What frames it does not count: the labels of *User: … Assistant:*, and sentences before the first one with a name in
    it (*Good day.*). A document about the question has none of these words.

    Args:
        question: The question.
        names: The names in it, as it writes them; () where they are not known.
    """
    asked = _unframed(question, names)
    return About(tuple(names), tuple(word for word in dict.fromkeys(words(asked)) if word not in FUNCTION_WORDS))


def _unframed(question: str, names: Sequence[str]) -> str:
    """A question without labels before and behind it, and without what is said before any name."""
    labelled = _LABELS.match(question)
    parts = _SENTENCE.split(question if labelled is None else labelled[1])
    first = next((k for k, part in enumerate(parts) if any(name in part for name in names)), 0)
    return " ".join(parts[first:])


def sources_of(documents: Iterable[Document], about: About, answer: str) -> tuple[str, ...]:
    """The sources that state an answer, each once."""
    return tuple(dict.fromkeys(one.source for one in documents if tells(one, about, answer)))


def by_turns(documents: Sequence[Document]) -> list[Document]:
    """The first of each source, then the second of each, ...: a few of them are then from several sources."""
    of: dict[str, list[Document]] = {}
    for document in documents:
        of.setdefault(document.source, []).append(document)
    return [one for row in zip_longest(*of.values()) for one in row if one is not None]

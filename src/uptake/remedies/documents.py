"""What documents say about an answer: which state it, which say otherwise, and in which order they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import zip_longest

from uptake.types import Document, normalised

_NO_LETTER_BEFORE, _NO_LETTER_AFTER = r"(?<![^\W_])", r"(?![^\W_])"


def states(text: str, answer: str) -> bool:
    """Whether a text holds an answer as whole words, however it is capitalised and spaced.

    That the text says it *about the same thing* is not checked: documents are found by what they are about.
    """
    wanted = normalised(answer)
    plain = _plain(text)
    return bool(wanted) and wanted in plain and _pattern(wanted).search(plain) is not None


@lru_cache(maxsize=4096)
def _pattern(answer: str) -> re.Pattern[str]:
    before = _NO_LETTER_BEFORE if _in_words(answer[0]) else ""
    after = _NO_LETTER_AFTER if _in_words(answer[-1]) else ""
    return re.compile(before + re.escape(answer) + after)


def _in_words(sign: str) -> bool:
    """Whether words of the sign's script stand apart; Chinese and Japanese ones do not."""
    return sign.isalnum() and not "\u3040" <= sign <= "\u9fff"


@lru_cache(maxsize=16384)
def _plain(text: str) -> str:
    return normalised(text)


def sources_of(documents: Iterable[Document], answer: str) -> tuple[str, ...]:
    """The sources that state an answer, each once."""
    return tuple(dict.fromkeys(one.source for one in documents if states(one.text, answer)))


def by_turns(documents: Sequence[Document]) -> list[Document]:
    """The first of each source, then the second of each, ...: a few of them are then from several sources."""
    of: dict[str, list[Document]] = {}
    for document in documents:
        of.setdefault(document.source, []).append(document)
    return [one for row in zip_longest(*of.values()) for one in row if one is not None]

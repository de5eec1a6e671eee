"""A document cut into sentences, as far as it is needed, with the words of each."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from uptake.exposure.words import line, longest, tokens
from uptake.rivals.lexicon import base

SENTENCE = 2000
"""Characters beyond which a sentence is cut: what has no full stop is a table or code."""
_END = re.compile(r"[.!?]\s+|\n+|[。！？]")
_NO_END = re.compile(r"(?:\b\w|\b(?:St|Mr|Mrs|Dr|Ms|Mt|Ft|Jr|Sr|No|vs|ca))$")
_WORD = re.compile(r"[^\W_]+")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"\b(?:{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+\d{{4}})?|{_MONTH}\s+{_DAY}(?:,?\s+\d{{4}})?\b|{_MONTH},?\s+\d{{4}}|"
    r"\d{4}-\d{2}-\d{2}|[12]\d{3}s?)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.,-])[$€£]?\d[\d,]*(?:\.\d+)?(?:\s?(?:%|°[CF])|\s[^\W\d_]+)?")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a document.

    Attributes:
        text: As it stands there.
    """

    text: str

    @cached_property
    def tokens(self) -> list[bytes]:
        """Its words."""
        return tokens(self.text)

    @cached_property
    def line(self) -> bytes:
        """Its words in one line."""
        return line(self.tokens)

    @cached_property
    def plain(self) -> str | None:
        """Its text in lower case, where that tells which words it may hold: where it is ASCII."""
        return self.text.lower() if self.text.isascii() else None

    def holds(self, phrase: bytes) -> bool:
        """Whether a phrase stands in it; most sentences need not be cut into words to tell."""
        if self.plain is not None and longest(phrase) not in self.plain:
            return False
        return phrase in self.line

    @cached_property
    def bases(self) -> list[str]:
        """The base form of each word."""
        return [_base(word) for word in self.tokens]

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Where each word stands in the text; a word that is folded into several has the same place as they."""
        found = [match.span() for match in _WORD.finditer(self.text)]
        if self.plain is not None and len(found) == len(self.tokens):
            return found
        return [(start, end) for start, end in found for _ in range(max(1, len(tokens(self.text[start:end]))))]

    @cached_property
    def capitals(self) -> list[bool]:
        """Whether each word is written with a capital that is not due to the beginning of the sentence."""
        return [self.text[start].isupper() and place > 0 for place, (start, _) in enumerate(self.spans)]

    @property
    def opens_with_capital(self) -> bool:
        """Whether its first word is written with a capital."""
        return bool(self.spans) and self.text[self.spans[0][0]].isupper()

    @property
    def asks(self) -> bool:
        """Whether it is a question, which states nothing."""
        return self.text.rstrip().endswith("?")

    def figures(self, dates: bool) -> Iterator[tuple[str, int]]:
        """The dates, or the numbers, in it, and at which word each stands."""
        for match in (_DATE if dates else _NUMBER).finditer(self.text):
            yield match[0], len(tokens(self.text[: match.start()]))


class DocumentReading:
    """A document as it is judged.

    Attributes:
        title: Its title in one line of words.
        sentences: Its sentences in order.
    """

    def __init__(self, title: str, text: str) -> None:
        self.title = line(tokens(title))
        self._starts = list(_starts(text))
        ends = [*self._starts[1:], len(text)]
        self.sentences = [Sentence(text[start:end]) for start, end in zip(self._starts, ends, strict=True)]
        lower = text.lower()
        self._lower = lower if len(lower) == len(text) else None
        self._holding: dict[bytes, list[int]] = {}

    def holding(self, phrase: bytes) -> list[int]:
        """The numbers of the sentences that hold a phrase.

        Looked for by its longest word as it stands; where that finds none (an accent in the text alone), in each.
        """
        if phrase not in self._holding:
            found = [n for n in self._likely(longest(phrase)) if self.sentences[n].holds(phrase)]
            self._holding[phrase] = found or [n for n, one in enumerate(self.sentences) if one.holds(phrase)]
        return self._holding[phrase]

    def _likely(self, word: str) -> list[int]:
        """The numbers of the sentences in which a word stands, also as a part of another one."""
        found: dict[int, None] = {}
        at = -1 if self._lower is None else self._lower.find(word)
        while at >= 0 and self._lower is not None:
            number = bisect_right(self._starts, at) - 1
            found[number] = None
            after = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._lower)
            at = self._lower.find(word, after)
        return list(found)


def _starts(text: str) -> Iterator[int]:
    """Where sentences begin; initials (*J. K.*) and abbreviations end none, and none is longer than `SENTENCE`."""
    start = 0
    for match in [*_END.finditer(text), None]:
        end = len(text) if match is None else match.end()
        if (
            match is not None
            and match[0][0] == "."
            and _NO_END.search(text, max(start, match.start() - 5), match.start())
        ):
            continue
        if end > start:
            yield from range(start, end, SENTENCE)
            start = end


@lru_cache(maxsize=1 << 16)
def _base(word: bytes) -> str:
    return base(word.decode("utf-8", "replace"))

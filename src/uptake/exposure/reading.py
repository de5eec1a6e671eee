"""A document cut into sentences, as far as it is needed, with the words of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from uptake.exposure.words import line, tokens
from uptake.rivals.lexicon import base

SENTENCE = 2000
"""Characters beyond which a sentence is cut: what has no full stop is a table or code."""
_END = re.compile(
    r"(?<=[.!?])(?<!\b\w\.)(?<!\b(?:St|Mr|Dr|Ms|Mt|Ft|Jr|Sr|No|vs|ca)\.)(?<!\bMrs\.)\s+|\n+|(?<=[。！？])"
)
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
    def bases(self) -> list[str]:
        """The base form of each word."""
        return [_base(word) for word in self.tokens]

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Where each word stands in the text; a word that is folded into several has the same place as they."""
        return [match.span() for match in _WORD.finditer(self.text) for _ in range(max(1, len(tokens(match[0]))))]

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


class Reading:
    """A document as it is judged.

    Attributes:
        title: Its title in one line of words.
        sentences: Its sentences in order.
    """

    def __init__(self, title: str, text: str) -> None:
        self.title = line(tokens(title))
        self.sentences = [
            Sentence(part[at : at + SENTENCE])
            for part in _END.split(text)
            if part.strip()
            for at in range(0, len(part), SENTENCE)
        ]
        self._holding: dict[bytes, list[int]] = {}

    def holding(self, phrase: bytes) -> list[int]:
        """The numbers of the sentences that hold a phrase."""
        if phrase not in self._holding:
            self._holding[phrase] = [n for n, sentence in enumerate(self.sentences) if phrase in sentence.line]
        return self._holding[phrase]


@lru_cache(maxsize=1 << 16)
def _base(word: bytes) -> str:
    return base(word.decode("utf-8", "replace"))

"""Whether two spellings of the same words are one prompt, may ask the same, or ask something else.

Capitals and marks can be all that two prompts differ in and still be what is asked about: `polish` and `Polish`, `5!`
and `5`, `a[0]` and `a(0)`, dots and dashes. They are one prompt where they differ in white space and in how they end.
They may ask the same where they differ in the marks of prose, and in capitals of which one of them makes no use.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

RESPELLED = 0.95
"""Probability that two prompts ask the same that are spelled differently and may ask the same."""
SEVERAL_WORDS = 3
"""Words from which on a prompt without capitals, or with all of them, is so by habit; `HELLO` may be meant so."""

NO_CAPITAL, ALL_CAPITAL, SOME_CAPITAL, SHOUTED_WORD = range(4)
"""How a prompt uses capitals: in no word, in every word, in some, in some of which one has nothing else."""

_END = re.compile(r"(?:(?<=[^\W\d_]{2})[.?!…。？！]+|(?<=\w)[.?…。？]+|(?<=[\w)\]])\s[?!])$")
# of prose: around words, after words, between letters, and what groups digits
_PROSE = re.compile(
    r"""['’]s\b|(?<=[^\W\d_])['’‘"“”„«»]|['’‘"“”„«»](?=[^\W\d_])|(?<=[^\W_])[,;:](?=\s)|(?<=[^\W\d_]{2})[.?!…]+(?=\s)"""
    r"|(?<=\d),(?=\d{3}(?!\d))"
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-‐–—](?=[^\W\d_])")
_AROUND = "“”„«»\"‘’'"
_SHOUTED = re.compile(r"(?<![^\W_])[^\W\d_a-z]{2,}(?![^\W_])")
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def bare(text: str) -> str:
    """What two spellings of one prompt share: the text but for white space and the marks of a sentence that end it."""
    return _END.sub("", " ".join(unicodedata.normalize("NFC", text).split()))


def folded(text: str) -> str:
    """What a reader takes for the same words: as `bare`, without capitals where these are a habit."""
    told = bare(text)
    kept = habit(told) == SHOUTED_WORD or len(told.split()) < SEVERAL_WORDS
    return told if kept else told.casefold()


def marks(text: str) -> str:
    """The text without capitals and without the marks of prose."""
    told = _PROSE.sub("", bare(bare(text).strip(_AROUND)))
    return " ".join(_HYPHEN.sub(" ", told).casefold().split())


def habit(text: str) -> int:
    """How a text uses capitals."""
    words = _LETTERS.findall(text)
    if text == text.lower():
        return NO_CAPITAL
    if all(not word[0].islower() for word in words):
        return ALL_CAPITAL
    return SHOUTED_WORD if any(word.isupper() for word in _SHOUTED.findall(text)) else SOME_CAPITAL


@dataclass(frozen=True)
class Spellings:
    """How the distinct prompts of a data set are spelled; numbers are equal where what they stand for is.

    Attributes:
        words: What comes before the question, and its words.
        marks: Its marks but for those of prose.
        capitals: Its capitals.
        habits: How it uses capitals.
    """

    words: Int[np.ndarray, " questions"]
    marks: Int[np.ndarray, " questions"]
    capitals: Int[np.ndarray, " questions"]
    habits: Int[np.ndarray, " questions"]

    def respelled(self, pairs: Int[np.ndarray, "pairs 2"]) -> Bool[np.ndarray, " pairs"]:
        """Whether two prompts have the same words."""
        first, second = pairs.T
        return np.asarray(self.words[first] == self.words[second])

    def may_ask_the_same(
        self, pairs: Int[np.ndarray, "pairs 2"], lengths: Int[np.ndarray, " questions"]
    ) -> Bool[np.ndarray, " pairs"]:
        """Of two prompts with the same words, whether nothing but prose tells them apart; `lengths` in words."""
        first, second = pairs.T
        habits = np.sort(self.habits[pairs], axis=1)
        by_habit = (habits[:, 0] == NO_CAPITAL) & (habits[:, 1] != SHOUTED_WORD) | (habits == ALL_CAPITAL).any(axis=1)
        by_habit &= lengths[first] >= SEVERAL_WORDS
        alike = (self.capitals[first] == self.capitals[second]) | by_habit
        return np.asarray((self.marks[first] == self.marks[second]) & alike)

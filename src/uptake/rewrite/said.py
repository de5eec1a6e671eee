"""A response and what it was rewritten to, and what either of them says: its words, names, quantities, clauses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from uptake.letters import IN_WORD, LETTER, UNSPACED
from uptake.rivals.lexicon import base, bases, families, linked
from uptake.rivals.quantities import in_digits, read_number
from uptake.rivals.words import FUNCTION_WORDS
from uptake.spans import Span, cut
from uptake.spans.telling import CLAIMS, UNITS
from uptake.text import EMPTY_WORDS

SHORT = 3
"""Words with content that a response has at most which is an answer and nothing else."""
TELLING = 2
"""Words with content that a clause has at least which says something by itself."""

FINAL = re.compile(r"####\s*(-?[$€£]?\d[\d.,]*)\s*\Z")
"""How worked answers tell what they come to (GSM8K)."""

_WORD = re.compile(rf"[{UNSPACED}]|{IN_WORD}+(?:['’.]{IN_WORD}+)*")
"""A word; of scripts without spaces a character."""
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n+")
_CLAUSE = re.compile(r"[,;:–—()]\s*|\s-\s|\b(?:and|but|because|which|who|whose|while|although|since)\b", re.IGNORECASE)
_SHORT_FOR = {"oz": "ounce", "lb": "pound", "lbs": "pound", "tbsp": "tablespoon", "tsp": "teaspoon", "gal": "gallon"}
_SHORT_FOR |= {"ml": "milliliter", "l": "liter", "wk": "week", "mo": "month", "litre": "liter", "litres": "liter"}
_MONEY = frozenset("$€£")
_FIRST = re.compile(rf"(?:^|(?<=[.!?]\s)){LETTER}+", re.MULTILINE)
_FIGURE = re.compile(r"-?\d+(?:\.\d+)?")
_AFTER = re.compile(r"[\s-]*([^\W\d_]+|[%°$€£])")
_IN_NAMES = frozenset("a an the of and or & on to do her his my you".split())
# words that are numbers and seldom meant as such
_SELDOM = frozenset("1 2".split())
_EMPTY = EMPTY_WORDS | frozenset("also very just so such than then too some there being can may one other".split())


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A response and what it was rewritten to.

    Attributes:
        question: What was asked; "" where nothing was.
        original: The response of the data.
        text: What a model made of it.
        ended: Whether the model came to an end by itself; None where that is not known.
    """

    question: str
    original: str
    text: str
    ended: bool | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and what it counts.

    Attributes:
        value: The number in digits.
        unit: The word or sign after it; "" where there is none.
        basic: Value and unit in basic units (`10000 m`), where they are known.
        digits: Whether it is written in digits.
    """

    value: str
    unit: str
    basic: str | None
    digits: bool

    @property
    def measures(self) -> bool:
        """Whether the word after it is a unit that is known."""
        return self.unit in UNITS or (self.basic is not None and self.basic != self.value)

    def as_large(self, other: Quantity) -> bool:
        """Whether another quantity is as large, in whichever unit."""
        if self.basic is not None and other.basic is not None:
            return self.basic == other.basic
        return self.value == other.value and self.unit == other.unit


@lru_cache(maxsize=20_000)
def spans_of(text: str) -> tuple[Span, ...]:
    """The spans of a text."""
    return tuple(cut(text))


def folded(text: str) -> str:
    """The text without case and accents, with plain apostrophes."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(char for char in plain if not unicodedata.combining(char))


@lru_cache(maxsize=20_000)
def words(text: str) -> tuple[str, ...]:
    """Its words in order, without case, accents and possessive."""
    return tuple(match.group().removesuffix("'s").rstrip("'.-") for match in _WORD.finditer(folded(text)))


@lru_cache(maxsize=20_000)
def content(text: str) -> tuple[str, ...]:
    """Its words that say something, in order; numbers are none."""
    return tuple(word for word in words(text) if word not in _EMPTY and not word[0].isdigit())


def supported(word: str, known: tuple[str, ...]) -> bool:
    """Whether a word is among the known ones, in another form, or as one that may stand for it."""
    forms, meanings = _known(known)
    if word in forms or base(word) in forms or not meanings.isdisjoint(_meanings(word)):
        return True
    return any(other[:3] == word[:3] and linked(word, other) for other in known)  # what has one root begins alike


@lru_cache(maxsize=20_000)
def _known(known: tuple[str, ...]) -> tuple[frozenset[str], frozenset[int]]:
    """The words with their bases, and the families of words that may stand for them."""
    forms = frozenset(known) | frozenset(map(base, known))
    return forms, frozenset[int]().union(*map(_meanings, known))


@lru_cache(maxsize=100_000)
def _meanings(word: str) -> frozenset[int]:
    return frozenset[int]().union(*(families().get(form, frozenset[int]()) for form in (*bases(word), base(word))))


@lru_cache(maxsize=20_000)
def clauses(text: str) -> tuple[tuple[str, ...], ...]:
    """The words with content of each clause that has some."""
    parts = (part for sentence in _SENTENCE.split(text) for part in _CLAUSE.split(sentence))
    found = (content(part) for part in parts)
    return tuple(one for one in found if len(one) >= TELLING)


@lru_cache(maxsize=20_000)
def names(text: str) -> tuple[tuple[str, ...], ...]:
    """The words of each name; at the beginning of a sentence a word that is in no dictionary is one too."""
    found = [words(text[span.start : span.end]) for span in spans_of(text) if span.kind == "name"]
    firsts = (words(match.group()) for match in _FIRST.finditer(text) if match.group()[0].isupper())
    plain = _EMPTY | CLAIMS | FUNCTION_WORDS
    found += [first for first in firsts if first and first[0] not in plain and not _meanings(first[0])]
    return tuple(dict.fromkeys(name for name in found if name))


@lru_cache(maxsize=20_000)
def quantities(text: str) -> tuple[Quantity, ...]:
    """The different numbers of a text, in digits or words, each with the word after it, in their order."""
    plain = re.sub(r"([$€£])\s?([\d.,]*\d)", r"\2 \1", folded(text))  # $5 is 5 $
    bare = re.sub(r"(?m)^\s{0,12}(?:\d{1,3}[.)]|#{1,6})\s|<<[^<>]*>>", " ", plain)
    own = [match.group() for match in _FIGURE.finditer(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", bare))]
    spelled, found = in_digits(bare), []
    for match in _FIGURE.finditer(spelled):
        value = match.group().lstrip("-") if _joins(spelled, match.start()) else match.group()
        after = _AFTER.match(spelled, match.end())
        unit = _SHORT_FOR.get(after.group(1), base(after.group(1))) if after else ""
        basic = read_number(f"{unit}{value}" if unit in _MONEY else f"{value} {after.group(1)}") if after else None
        found.append(Quantity(value, unit, basic, value in own))
    return tuple(dict.fromkeys(found))


def _joins(text: str, at: int) -> bool:
    """Whether a sign before a number is a hyphen and no minus."""
    return at > 0 and (text[at - 1].isalnum() or text[at - 1] in ").")


def is_short(rewriting: Rewriting) -> bool:
    """Whether a response is an answer to a question and nothing else: a few words, and none that makes a sentence."""
    told, said = content(rewriting.original), words(rewriting.original)
    n = len(told) + sum(word[0].isdigit() for word in said)
    joins = any(word in _EMPTY and word not in _IN_NAMES for word in said)
    return bool(rewriting.question.strip()) and (n <= 1 or (n <= SHORT and not joins))


def seldom_meant(quantity: Quantity) -> bool:
    """Whether a number may be no number: *one* and *second*, in words."""
    return not quantity.digits and quantity.value in _SELDOM

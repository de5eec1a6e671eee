"""Whether two answers say the same: numbers, dates, lists, articles, qualifiers; and what is left to a judge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal, TypeAlias

from uptake.types import normalised

Comparison: TypeAlias = Literal["same", "different", "undecided"]

LONG = 12
"""Words beyond which an answer is free text: other words then do not mean another answer."""

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: value for value, word in enumerate(_ONES)} | {word: 10 * n for n, word in enumerate(_TENS, start=2)}
_LARGE = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_MONTHS = {
    name: number
    for number, long in enumerate(
        "january february march april may june july august september october november december".split(), start=1
    )
    for name in (long, long[:3], "sept" if number == 9 else long)
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"),
    re.compile(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:of\s+)?(?P<n>{_MONTH})\.?,?\s+(?P<y>\d{{4}})"),
    re.compile(rf"(?P<n>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})"),
)
_DAY_OR_MONTH = re.compile(r"(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<y>\d{4})")
_LEADS = re.compile(r"^(?:the|an?|about|approximately|around|roughly|circa|ca\.?|on|in|~)\s+")
_STRONG = re.compile(r"\s*[;/\n]\s*(?:(?:and|or)\s+)?")
_JOINED = re.compile(r"\s(?:and|or|&)\s")
_WEAK = re.compile(r"\s*,\s*(?:(?:and|or|&)\s+)?|\s+(?:and|or|&)\s+")
_CHOICE = re.compile(r"\(?[a-h](?:\)\s*|[.:]\s+)(?=\S)")
_MINUS = re.compile(r"\s*[-−–]\s?(?=[\d.])")
_POLAR = {"yes": True, "true": True, "correct": True, "no": False, "false": False, "incorrect": False}
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
_NEGATION = frozenset("not no never n't isn't wasn't cannot neither nor".split())


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer, read.

    Attributes:
        kind: `date`, `number`, `polar` (yes or no), `choice` (a letter), `list`, `text` or `long`.
        forms: What it may mean: canonical texts; two answers with one in common say the same.
        parts: The canonical members of a list, or the single answer.
        words: Its words in order.
    """

    kind: str
    forms: frozenset[str]
    parts: frozenset[str]
    words: tuple[str, ...]


def plain(text: str) -> str:
    """What spellings of an answer share: `normalised`, with the minus of a number."""
    return ("-" if _MINUS.match(text) else "") + (normalised(text) or text.strip())


@lru_cache(maxsize=100_000)
def read_answer(text: str) -> Reading:
    """The answer as far as it can be understood without a model."""
    bare = _LEADS.sub("", plain(text), count=1)
    if re.fullmatch(r"[a-h]", bare):
        return Reading("choice", frozenset([bare]), frozenset([bare]), (bare,))
    if chosen := _CHOICE.match(bare):
        bare = bare[chosen.end() :]
    days = frozenset(_dates(bare))
    words = tuple(_WORD.findall(_digits(bare)))
    if days:
        return Reading("date", days, days, words)
    number = _number(bare)
    if number is not None:
        return Reading("number", frozenset([number]), frozenset([number]), words)
    if words and words[0] in _POLAR and (len(words) == 1 or re.match(r"\w+[,.;:]", bare)):
        form = frozenset(["yes" if _POLAR[words[0]] else "no"])
        return Reading("polar", form, form, words)
    form = frozenset([" ".join(words) or bare])
    if len(words) > LONG:
        return Reading("long", form, form, words)
    joined = _STRONG.search(bare) or _JOINED.search(bare)
    # one comma alone sets a qualifier apart, several make a list
    breaks = _STRONG if _STRONG.search(bare) else _WEAK
    pieces = [piece for piece in breaks.split(_digits(bare)) if piece.strip()]
    parts = frozenset(" ".join(_WORD.findall(_LEADS.sub("", piece, count=1))) for piece in pieces)
    kind = "list" if joined or len(pieces) > 2 else "text"
    return Reading(kind, form, parts or form, words)


def compare(one: str, other: str, *, same_prompt: bool = False) -> tuple[Comparison, str]:
    """Whether two answers to the same question say the same, and in what they differ or agree.

    A part of an answer says the same as the whole: `Paris` and `Paris, France`; 1990 and 12 May 1990; one member of a
    list. Two lists of which neither holds the other are decided under one prompt, and when they share nothing; letters
    of choices mean something under one prompt only. Of two long answers only near copies that differ in their numbers
    or in a negation are decided; the others are left to a judge.

    Args:
        one: An answer.
        other: Another.
        same_prompt: Both answer the very same prompt.
    """
    a, b = read_answer(one), read_answer(other)
    if a.forms & b.forms:
        return ("same", "equal") if a.kind != "choice" or same_prompt else ("undecided", "letters of choices")
    if "choice" in (a.kind, b.kind):
        return ("different", "choice") if same_prompt and a.kind == b.kind else ("undecided", "letters of choices")
    if not a.words or not b.words:
        return ("undecided", "no words") if same_prompt and a.words != b.words else ("different", "signs")
    if a.kind == "polar" == b.kind:
        return "different", "yes or no"
    if "date" in (a.kind, b.kind):
        return _dated(a, b)
    if a.kind == "number" == b.kind:
        return "different", "number"
    if "long" in (a.kind, b.kind):
        return _free(a, b)
    if a.parts <= b.parts or b.parts <= a.parts:
        return "same", "part of the other"
    if a.kind == "list" == b.kind and not (same_prompt and a.parts.isdisjoint(b.parts)):
        return "undecided", "lists"
    if _initials(a) == _squeezed(b) or _initials(b) == _squeezed(a):
        return "same", "initials"
    if sorted(a.words) == sorted(b.words):
        return "same", "order of words"
    return ("same", "told in a sentence") if _told(a, b) or _told(b, a) else ("different", a.kind)


def _dated(a: Reading, b: Reading) -> tuple[Comparison, str]:
    if a.kind == b.kind:
        return "different", "date"
    day, other = (a, b) if a.kind == "date" else (b, a)
    if other.kind == "number" and any(form.startswith(f"{number}-") for form in day.forms for number in other.forms):
        return "same", "year of a date"
    if other.kind == "long":
        return "undecided", "free text"
    return "different", "date"


def _free(a: Reading, b: Reading) -> tuple[Comparison, str]:
    """At least one long answer: a short one told in it; or near copies that differ in their numbers."""
    if _told(a, b) or _told(b, a):
        return "same", "told in a sentence"
    shared = set(a.words) & set(b.words)
    alike = len(shared) / len(set(a.words) | set(b.words))
    numbers = [[word for word in reading.words if _NUMBER.fullmatch(word)] for reading in (a, b)]
    negated = [bool(_NEGATION.intersection(reading.words)) for reading in (a, b)]
    if alike >= 0.6 and (numbers[0] != numbers[1] or negated[0] != negated[1]):
        return "different", "number in free text" if numbers[0] != numbers[1] else "negation in free text"
    return ("same", "near copy") if alike >= 0.9 else ("undecided", "free text")


def _told(short: Reading, long: Reading) -> bool:
    """Whether a sentence tells the short answer: its words in a row, three more around them, and no negation."""
    n = len(short.words)
    if len(long.words) < n + 3 or _NEGATION.intersection(long.words) - _NEGATION.intersection(short.words):
        return False
    return any(long.words[at : at + n] == short.words for at in range(len(long.words) - n + 1))


def _initials(reading: Reading) -> str:
    letters = "".join(word[0] for word in reading.words if word not in ("of", "the", "and"))
    return letters if len(letters) > 1 else "\0"


def _squeezed(reading: Reading) -> str:
    """The letters of an abbreviation, dots gone; a whole answer of one to five letters."""
    letters = "".join(reading.words)
    return letters if len(letters) <= 5 and all(len(word) == 1 for word in reading.words[1:]) else "\1"


def _dates(text: str) -> Iterator[str]:
    """Every day that the whole text may mean, in ISO form; both where day and month could change places."""
    for pattern in _DATES:
        if found := pattern.fullmatch(text):
            groups = found.groupdict()
            month = int(groups["m"]) if "m" in groups else _MONTHS[groups["n"]]
            yield from _day(int(groups["y"]), month, int(groups["d"]))
    if found := _DAY_OR_MONTH.fullmatch(text):
        year, a, b = int(found["y"]), int(found["a"]), int(found["b"])
        yield from _day(year, b, a)
        yield from _day(year, a, b)


def _day(year: int, month: int, day: int) -> Iterator[str]:
    try:
        yield date(year, month, day).isoformat()
    except ValueError:  # there is no such day
        return


def _digits(text: str) -> str:
    """The text with its thousands separators gone and its number words as digits."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return re.sub(r"(?<=\d)\.0+(?!\d)", "", text)


def _number(text: str) -> str | None:
    """The value of a text that is a number and nothing else, units aside: `1,000`, `one thousand`, `5 million`."""
    total, current, seen = 0.0, 0.0, False
    for word in _digits(text).replace("-", " ").split() if not text.startswith("-") else [_digits(text)]:
        if _NUMBER.fullmatch(word):
            current, seen = current + float(word), True
        elif word in _SMALL:
            current, seen = current + _SMALL[word], True
        elif word == "hundred":
            current, seen = max(1.0, current) * 100, True
        elif word in _LARGE:
            total, current, seen = total + max(1.0, current) * _LARGE[word], 0.0, True
        elif word != "and" or not seen:
            return None
    return f"{total + current:g}" if seen and abs(total + current) < 1e6 else f"{total + current:.0f}" if seen else None


def comparable(one: str, other: str) -> bool:
    """Whether two answers can be answers to the same question: a date or number is none where a name is asked for."""
    kinds = {read_answer(one).kind, read_answer(other).kind}
    figures, phrases = {"date", "number"}, {"text", "list", "polar"}
    return not (kinds & figures and kinds & phrases)

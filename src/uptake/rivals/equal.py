"""Whether two answers say the same: numbers, dates, lists, articles, qualifiers; and what is left to a judge."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal, TypeAlias

from uptake.letters import MARKS
from uptake.rivals.lexicon import base, linked
from uptake.rivals.literal import literal, signed
from uptake.rivals.quantities import SCALES, in_digits, read_dates, read_number, read_time, same_time
from uptake.text import EMPTY_WORDS
from uptake.types import normalised

Comparison: TypeAlias = Literal["same", "different", "undecided"]

LETTERS = "letters of choices"
"""Why such answers are not compared under different prompts."""
LONG = 12
"""Words beyond which an answer is free text: other words then do not mean another answer."""

ONE_SENTENCE = "one sentence of several"
"""In what copies differ of which one sentence says something else."""
SENTENCES = 3
"""Sentences that such copies have at least."""

FEW_PARTS = "a few parts of a long answer"
"""In what copies under one prompt differ that say something else in a few places."""
PARTS, PARTS_SHARE = 3, 0.2
"""So many places, with this share of the words, at most."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_LEADS = re.compile(r"^(?:the|an?|about|approximately|around|roughly|circa|ca\.?|on|in|~)\s+")
_STRONG = re.compile(r"\s*[;/\n]\s*(?:(?:and|or)\s+)?")
_JOINED = re.compile(r"\s(?:and|or|&)\s")
_WEAK = re.compile(r"\s*,\s*(?:(?:and|or|&)\s+)?|\s+(?:and|or|&)\s+")
_CHOICE = re.compile(r"\(?[a-h](?:\)\s*|[.:]\s+)(?=\S)")
_POLAR = {"yes": True, "true": True, "correct": True, "no": False, "false": False, "incorrect": False}
_QUALIFIER = re.compile(r"(?<=\S)\s*\([^()]*\)?$")
_ACCENT = re.compile("[\u0300-\u036f]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WORD = re.compile(rf"(?<![\w.-])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?|(?:[^\W\d_]|[{MARKS}])+")
_ROMAN = {word: str(n) for n, word in enumerate("ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi".split(), start=2)}
_ALIASES = {"usa": "us", "united states": "us", "united states of america": "us"}
_ALIASES |= {"united kingdom": "uk", "united kingdom of great britain and northern ireland": "uk"}
_NEGATION = frozenset("not no never n't isn't wasn't cannot neither nor".split())


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """One answer, read.

    Attributes:
        kind: `date`, `number`, `polar` (yes or no), `choice` (a letter), `list`, `text` or `long`.
        forms: What it may mean: canonical texts; two answers with one in common say the same.
        parts: The canonical members of a list, or the single answer.
        words: Its words in order.
        letter: That of the choice before it, as in *B. Paris*; "" without one.
    """

    kind: str
    forms: frozenset[str]
    parts: frozenset[str]
    words: tuple[str, ...]
    letter: str = ""


def plain(text: str) -> str:
    """What spellings of an answer share: `normalised`; of signs alone themselves."""
    return normalised(text) or text.strip()


@lru_cache(maxsize=100_000)
def read_answer(text: str) -> ReadAnswer:
    """The answer as far as it can be understood without a model."""
    bare = _LEADS.sub("", plain(text).replace("⁄", "/"), count=1)
    if re.fullmatch(r"[a-h]", bare):
        return ReadAnswer("choice", frozenset([bare]), frozenset([bare]), (bare,))
    if chosen := _CHOICE.match(bare):
        return replace(_read(bare[chosen.end() :]), letter=chosen.group().strip(" ().:"))
    return _read(bare)


def _read(bare: str) -> ReadAnswer:
    words = _words(bare)
    if days := read_dates(bare):
        return ReadAnswer("date", days, days, words)
    for kind, value in (("time", read_time(bare)), ("number", read_number(bare))):
        if value is not None:
            return ReadAnswer(kind, frozenset([value]), frozenset([value]), words)
    if words and words[0] in _POLAR and (len(words) == 1 or re.match(r"\w+[,.;:]", bare)):
        form = frozenset(["yes" if _POLAR[words[0]] else "no"])
        return ReadAnswer("polar", form, form, words)
    told = " ".join(words) or bare
    form = frozenset([_ALIASES.get(told, told)])
    if len(words) > LONG:
        return ReadAnswer("long", form, form, words)
    joined = _STRONG.search(bare) or _JOINED.search(bare)
    # one comma alone sets a qualifier apart, as brackets do; several make a list
    breaks = _STRONG if _STRONG.search(bare) else _WEAK
    pieces = [piece for piece in breaks.split(_QUALIFIER.sub("", in_digits(bare))) if piece.strip()]
    parts = frozenset(" ".join(_words(_LEADS.sub("", piece, count=1))) for piece in pieces)
    kind = "list" if joined or len(pieces) > 2 else "text"
    return ReadAnswer(kind, form, parts or form, words)


def _words(text: str) -> tuple[str, ...]:
    """Words as names are compared by: without accents, with number words and Roman numerals as digits."""
    text = _ACCENT.sub("", unicodedata.normalize("NFKD", in_digits(text)))
    text = re.sub(r"^st\.? (?=\w)", "saint ", text.replace("&", " and "))
    text = re.sub(r"\b([^\W\d_])\.(?=[^\W\d_]\b)", r"\1", text)  # the letters of an abbreviation
    first, *rest = _WORD.findall(text) or [""]
    return (first, *(_ROMAN.get(word, word) for word in rest)) if first else ()


def compare(one: str, other: str, *, same_prompt: bool = False) -> tuple[Comparison, str]:
    """Whether two answers to the same question say the same, and in what they differ or agree.

    A part of an answer says the same as the whole: `Paris` and `Paris, France`; 1990 and 12 May 1990; one member of a
    list. Two lists of which neither holds the other are decided under one prompt, and when they share nothing; letters
    of choices mean something under one prompt only. Of two long answers only near copies are decided that differ in
    their numbers or in a negation, or of which one sentence says something else; the others are left to a judge.

    Args:
        one: An answer.
        other: Another.
        same_prompt: Both answer the very same prompt.
    """
    a, b = read_answer(one), read_answer(other)
    if a.letter and b.letter and a.letter != b.letter:
        return ("different", "choice") if same_prompt else ("undecided", LETTERS)
    if a.words == b.words and (signed(one) or signed(other)) and literal(one) != literal(other):
        return "different", "signs"
    if a.forms & b.forms:
        return ("same", "equal") if a.kind != "choice" or same_prompt else ("undecided", LETTERS)
    if "choice" in (a.kind, b.kind):
        return ("different", "choice") if same_prompt and a.kind == b.kind else ("undecided", LETTERS)
    if not a.words or not b.words:
        return ("undecided", "no words") if same_prompt and a.words != b.words else ("different", "signs")
    if a.kind == "polar" == b.kind:
        return "different", "yes or no"
    if "date" in (a.kind, b.kind):
        return _dated(a, b)
    if a.kind == b.kind and a.kind in ("number", "time"):
        return ("same", "a unit left out") if _unit_left_out(a, b) else ("different", a.kind)
    if "long" in (a.kind, b.kind):
        if same_prompt and a.kind == b.kind and _few_parts(a.words, b.words):
            return "different", FEW_PARTS
        return ("different", ONE_SENTENCE) if _one_sentence(one, other) else _free(a, b)
    if a.parts <= b.parts or b.parts <= a.parts:
        return "same", "part of the other"
    if a.kind == "list" == b.kind and not (same_prompt and a.parts.isdisjoint(b.parts)):
        return "undecided", "lists"
    if _initials(a) == _squeezed(b) or _initials(b) == _squeezed(a):
        return "same", "initials"
    if sorted(a.words) == sorted(b.words):
        return "same", "order of words"
    return (
        ("same", "told in a sentence")
        if _told(a, b) or _told(b, a)
        else ("different", a.kind if a.kind == b.kind else "text")
    )


def _unit_left_out(a: ReadAnswer, b: ReadAnswer) -> bool:
    """Whether two numbers are written alike, and one of them without a unit."""
    short, long = sorted((a, b), key=lambda reading: len(reading.words))
    scaled = SCALES.intersection(long.words)
    units = [" " in form for reading in (a, b) for form in reading.forms]
    alike = short.words == long.words or (any(units) and short.words == long.words[:1] and not scaled)
    return alike and not all(units)


def _dated(a: ReadAnswer, b: ReadAnswer) -> tuple[Comparison, str]:
    if {a.kind, b.kind} <= {"date", "number"}:
        within = any(same_time(one, other) for one in a.forms for other in b.forms)
        return ("same", "part of a date") if within else ("different", "date")
    day, other = (a, b) if a.kind == "date" else (b, a)
    if other.kind == "long":
        return "undecided", "free text"
    # a day with something beside it: `12 May 1990 at noon`
    return ("same", "told beside others") if _in_a_row(day, other) else ("different", "date")


def _free(a: ReadAnswer, b: ReadAnswer) -> tuple[Comparison, str]:
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


def _one_sentence(one: str, other: str) -> bool:
    """Whether two texts are copies but for one sentence, which says something else in a few words.

    Texts that say the same in other words seldom leave all other sentences as they are.
    """
    mine, theirs = (_SENTENCE.split(text.strip()) for text in (one, other))
    if len(mine) != len(theirs) or len(mine) < SENTENCES:
        return False
    apart = [(x, y) for x, y in zip(mine, theirs, strict=True) if plain(x) != plain(y)]
    return len(apart) == 1 and _other_words(*(_words(plain(text)) for text in apart[0]))


def _other_words(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two sentences share half of their words or more, and none that stand in each other's place is linked."""
    if 2 * _least_apart(one, other) > max(len(one), len(other)):
        return False
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    parts = [(one[a:b], other[c:d]) for tag, a, b, c, d in blocks if tag != "equal"]
    if not parts or 2 * sum(max(len(mine), len(theirs)) for mine, theirs in parts) > max(len(one), len(other)):
        return False
    return _all_else(parts)


def _few_parts(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two texts are copies but for a few places, in each of which other words stand that are not linked."""
    if _least_apart(one, other) > PARTS_SHARE * max(len(one), len(other)):
        return False
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    parts = [(one[a:b], other[c:d]) for tag, a, b, c, d in blocks if tag != "equal"]
    apart = sum(max(len(mine), len(theirs)) for mine, theirs in parts)
    return 0 < len(parts) <= PARTS and apart <= PARTS_SHARE * max(len(one), len(other)) and _all_else(parts)


def _least_apart(one: Sequence[str], other: Sequence[str]) -> int:
    """Words of the longer text, at least, that no alignment puts beside an equal one; to align takes squared time."""
    return max(len(one), len(other)) - (Counter(one) & Counter(other)).total()


def _all_else(parts: Sequence[tuple[Sequence[str], Sequence[str]]]) -> bool:
    return all(
        any(map(_tells, mine)) and any(map(_tells, theirs)) and not any(_akin(x, y) for x in mine for y in theirs)
        for mine, theirs in parts
    )


def _akin(one: str, other: str) -> bool:
    return linked(one, other) or base(one) == base(other)


def _tells(word: str) -> bool:
    return len(word) > 2 and word not in EMPTY_WORDS


def _told(short: ReadAnswer, long: ReadAnswer) -> bool:
    """Whether a sentence tells the short answer: its words in a row, three more around them, and no negation."""
    n = len(short.words)
    if len(long.words) < n + 3 or _NEGATION.intersection(long.words) - _NEGATION.intersection(short.words):
        return False
    return _in_a_row(short, long)


def _in_a_row(short: ReadAnswer, long: ReadAnswer) -> bool:
    n = len(short.words)
    return any(long.words[at : at + n] == short.words for at in range(len(long.words) - n + 1))


def _initials(reading: ReadAnswer) -> str:
    letters = "".join(word[0] for word in reading.words if word not in ("of", "the", "and"))
    return letters if len(letters) > 1 else "\0"


def _squeezed(reading: ReadAnswer) -> str:
    """The letters of an abbreviation, dots gone; a whole answer of one to five letters."""
    letters = "".join(reading.words)
    return letters if len(letters) <= 5 and all(len(word) == 1 for word in reading.words[1:]) else "\1"


def comparable(one: str, other: str) -> bool:
    """Whether two answers can be answers to the same question: a date or number is none where a name is asked for."""
    kinds = {read_answer(one).kind, read_answer(other).kind}
    figures, phrases = {"date", "number", "time"}, {"text", "list", "polar"}
    return not (kinds & figures and kinds & phrases)

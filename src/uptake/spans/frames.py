"""A free answer cut in two: the frame, which such answers share, and the first span that tells something.

*The capital of Sweden is Stockholm.* is the frame *The capital of Sweden is* and the span *Stockholm*. The frame is
made of words that the question holds, that other answers to questions of the same kind hold too, or that carry no
content in English; the span begins where the first other word stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from uptake.letters import IN_WORD, UNSPACED
from uptake.rivals.lexicon import base
from uptake.text import EMPTY_WORDS

ALIKE_AT_LEAST = 3
"""Other answers from which on their words say what is frame."""
SHARED = 0.5
"""A word is frame that this share of the other answers holds."""
LINKS = 2
"""Words without content that a span may hold between two of its words: *Isle of Man*."""
LONGEST = 12
"""Words of a span."""

_WORD = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|[{UNSPACED}]|{IN_WORD}+(?:['’.-]{IN_WORD}+)*")
_APART = re.compile(r"[^\w\s'’&./-]|\n|[.](?:\s|$)")
"""What ends a span where it stands between two words."""
_SIGN = re.compile(r"(?<!\w)[-−+$€£¥₹]{1,2}$")
"""What stands against a number: its sign, and that of its currency."""
_DAY, _YEAR = re.compile(r"\d{1,2}(?:st|nd|rd|th)?", re.IGNORECASE), re.compile(r"[12]\d{3}")


@dataclass(frozen=True, slots=True)
class Framed:
    """An answer in its two parts.

    Attributes:
        frame: What comes before the span, without the white space at its end; empty where the span comes first.
        span: What the answer tells, with the white space before it.
    """

    frame: str
    span: str


def framed(
    answer: str,
    question: str,
    alike: Sequence[str] = (),
    *,
    known: Collection[str] = (),
    most: int = LONGEST,
) -> Framed | None:
    """The frame and the span of an answer; None where it tells nothing that the question does not hold.

    Args:
        answer: A free answer.
        question: What was asked.
        alike: Answers to other questions of the same kind.
        known: Words of which such answers are made: the span begins at the first of them, if there is one.
        most: Words with content that a span has at most which begins with one of those.
    """
    found = list(_WORD.finditer(answer))
    keys = [_key(match.group()) for match in found]
    frame, asked = _frame_words(question, alike), frozenset(_words(question))
    # an answer of nothing but such words is one, even if the question lists it
    whole = all(key in known or key in EMPTY_WORDS for key in keys)
    like = [key in known and (whole and key not in EMPTY_WORDS or key not in asked) for key in keys]
    tells = [key not in frame or is_like for key, is_like in zip(keys, like, strict=True)]
    if not any(tells):
        return None
    if any(like):
        first = like.index(True)
        while first and _measured(answer, found[first - 1], found[first]):
            # *10 bar*: the unit is a word of such answers, and the number is what is told
            first, most = first - 1, most + 1
        tells = [is_like or _named(match.group()) for is_like, match in zip(like, found, strict=True)]
    else:
        first, most = tells.index(True), LONGEST
    last = first
    words = 1
    for at in range(first + 1, len(found)):
        between = answer[found[last].end() : found[at].start()]
        dated = between == ", " and _DAY.fullmatch(found[last].group()) and _YEAR.fullmatch(found[at].group())
        together = dated or _measured(answer, found[last], found[at])
        if words == most or (_APART.search(between) and not together) or at - last > LINKS + 1:
            break
        if tells[at]:
            last = at
            words += 1
    start, end = found[first].start(), found[last].end()
    if answer[start].isdigit() and (sign := _SIGN.search(answer, max(0, start - 3), start)) is not None:
        start = sign.start()
    lead = len(answer[:start]) - len(answer[:start].rstrip())
    return Framed(answer[: start - lead], answer[start - lead : end])


def sentence(response: str, question: str, alike: Sequence[str] = ()) -> Framed | None:
    """The parts of a response that is a sentence: *The capital of Sweden is* and *Stockholm*.

    Args:
        response: The response.
        question: What was asked.
        alike: Responses to other questions of the same kind.

    Returns:
        None where nothing but the span tells anything, as in a response of one word, or something comes after it.
    """
    cut = framed(response, question, alike)
    if cut is None or not _WORD.search(cut.frame) or _WORD.search(response[len(cut.frame) + len(cut.span) :]):
        return None
    return cut


def within_question(response: str, question: str) -> str | None:
    """What a response tells where every other word of it is the question's: *Stockholm* of *Stockholm is its capital*.

    None where the response is nothing else, or says more than that.
    """
    cut = framed(response, question)
    if cut is None:
        return None
    rest = list(_words(f"{cut.frame}\n{response[len(cut.frame) + len(cut.span) :]}"))
    asked = {*_words(question)}
    asked |= {base(word) for word in asked}
    known = all(word in EMPTY_WORDS or word in asked or base(word) in asked for word in rest)
    return cut.span.strip() if rest and known else None


def _measured(answer: str, number: re.Match[str], unit: re.Match[str]) -> bool:
    """Whether a number stands before its unit."""
    between = answer[number.end() : unit.start()]
    return number.group()[0].isdigit() and between in ("", " ", "\u00a0", "°", " °", "\u00a0°")


def _named(word: str) -> bool:
    """Whether a word may be a part of a name or a number: no small letter stands first."""
    return not word[0].islower()


def content_words(text: str) -> tuple[str, ...]:
    """The words of a text that answer something, without case and possessive, in order."""
    return tuple(word for word in _words(text) if word not in EMPTY_WORDS)


def _frame_words(question: str, alike: Sequence[str]) -> Collection[str]:
    """The words that belong to the frame."""
    words = {*EMPTY_WORDS, *_words(question)}
    if len(alike) >= ALIKE_AT_LEAST:
        counts: dict[str, int] = {}
        for other in alike:
            for word in dict.fromkeys(_words(other)):
                counts[word] = counts.get(word, 0) + 1
        words |= {word for word, n in counts.items() if n >= SHARED * len(alike)}
    return words


def _words(text: str) -> Iterator[str]:
    return (_key(match.group()) for match in _WORD.finditer(text))


def _key(word: str) -> str:
    """A word without case and possessive."""
    folded = word.casefold().replace("’", "'")
    if folded[0].isdigit():
        folded = folded.replace(",", "")
    return folded.removesuffix("'s").strip("'.-")

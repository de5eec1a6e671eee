"""Sentences that a model words otherwise: what says the same in other words cannot be told span by span.

*Anna was born in Rome* and *Rome is where Anna comes from* have the names in common, in another order. A model's own
sentence is another wording of the response's if it has half of its names, numbers, dates, quotations and claims, shares
enough of its words, and puts other small words between them: another value leaves the small words as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from uptake.rivals.lexicon import linked
from uptake.rivals.words import FUNCTION_WORDS
from uptake.spans.aligned import InPlace
from uptake.spans.span import Span, SpanKind
from uptake.text import EMPTY_WORDS

HARD: frozenset[SpanKind] = frozenset(("name", "number", "date", "quote", "claim"))
"""Kinds of spans that a rewording keeps."""
SHARED = 0.4
"""Share of the words with content that the two sentences have in common at least."""

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_JOINING = re.compile(r"[^\W_]+(?:\s+[^\W_]+)*")
_ARTICLES = frozenset("a an the its his her their this that".split())
_SMALL = FUNCTION_WORDS | EMPTY_WORDS


@dataclass(frozen=True, slots=True)
class InOtherWords:
    """Spans of a response that stand in sentences which a model says in other words, by their numbers.

    Attributes:
        said: Names, numbers, dates, quotations and claims that stand in the model's sentence, wherever.
        untold: Phrases: whether its own words mean the same is not told.
        unpaired: Phrases of sentences of which the model says all else: untold if nothing stands in their place.
    """

    said: frozenset[int]
    untold: frozenset[int]
    unpaired: frozenset[int]


def reworded(text: str, spans: Sequence[Span], start: int, written: str) -> InOtherWords:
    """What of a response a model says in other words.

    Only what the model writes is said by it. The beginning of the sentence in which it goes on was given to it: that
    tells whether it words the sentence otherwise, where it also says half of the values that are left to it.

    Args:
        text: The response.
        spans: Its spans, in order.
        start: Where the model goes on in its own words.
        written: What it writes.
    """
    whole = text[:start] + written
    own = [(first, last, _words(whole[max(first, start) : last])) for first, last in _bounds(whole) if last > start]
    said: set[int] = set()
    untold: set[int] = set()
    unpaired: set[int] = set()
    for first, end in _bounds(text):
        if end <= start:
            continue
        inside = [k for k, span in enumerate(spans) if max(first, start) <= span.start and span.end <= end]
        hard = {k: _words(text[spans[k].start : spans[k].end]) for k in inside if spans[k].kind in HARD}
        phrases = {k for k in inside if spans[k].kind == "phrase"}
        given = sum(first <= span.start < start and span.kind in HARD for span in spans)
        for begins, last, other in own:
            held = {k for k, one in hard.items() if _in_a_row(one, other)}
            same = begins == first < start  # the sentence whose beginning was given
            if len(held) == len(hard) and len(hard) + given * same >= 2:
                unpaired |= phrases
            since = first if same and held else max(first, start)
            words, theirs = _words(text[since:end]), _words(whole[since:last]) if same and held else other
            if 2 * len(held) >= len(hard) and _is_another_wording(words, theirs):
                said |= held
                untold |= phrases
                break
    return InOtherWords(frozenset(said), frozenset(untold), frozenset(unpaired))


def means_the_same(said: str, wanted: str) -> bool | None:
    """Whether two phrases are one in other words, by a list of synonyms: *mother tongue* and *native language*.

    What both hold is left aside. True where every other word with content has one that may stand for it in the other
    phrase, or none is left; None where some have; False where none has.

    Args:
        said: A phrase.
        wanted: Another, in its place.
    """
    mine, theirs = (Counter(one for one in _words(text) if one not in _SMALL) for text in (said, wanted))
    left, other = mine - theirs, theirs - mine
    links = [[linked(one, two) for two in other] for one in left]
    found = [*map(any, links), *(any(own) for own in zip(*links, strict=True))]
    if not left or not other:
        return None if mine & theirs and (left or other) else not (left or other)
    return True if all(found) else None if any(found) else False


def only_joins(text: str, spans: Sequence[Span], places: Sequence[InPlace | None], number: int) -> bool:
    """Whether a phrase joins two values, and a model says others than it between these or their like: *was founded in*.

    What it says between these may be another word for the same, or another relation between them: that is not told. A
    phrase that an article begins is a value itself: *a baker from Ghent*.

    Args:
        text: The response.
        spans: Its spans, in order.
        places: What the model says in their places.
        number: Which of them is the phrase.
    """
    if not 0 < number < len(spans) - 1:
        return False
    before, span, after = spans[number - 1 : number + 2]
    first, last = text[before.end : span.start], text[span.end : after.start]
    between, lead = _words(last), _words(first)
    follows = places[number + 1]
    return (
        {before.kind, after.kind} <= HARD
        and not _SENTENCE.search(first)
        and _JOINING.fullmatch(last.strip()) is not None
        and all(one in _SMALL for one in between)
        and (not lead or lead[-1] not in _ARTICLES)
        and follows is not None
        and ((stands := places[number - 1]) is None or stands.same)
    )


def left_out(text: str, spans: Sequence[Span], places: Sequence[InPlace | None], number: int) -> bool:
    """Whether a model says a sentence without a word that carries its claim: what follows it there is said.

    *It is safe* leaves out the *not* of *It is not safe*. Where it says another sentence, nothing is known of the word:
    *They divide the rest* instead of *After dividing the rest*.

    Args:
        text: The response.
        spans: Its spans, in order.
        places: What the model says in their places.
        number: Which of them is the word.
    """
    after = number + 1
    if after == len(spans) or _SENTENCE.search(text[spans[number].end : spans[after].start]):
        return False
    return (follows := places[after]) is not None and follows.same


def _bounds(text: str) -> list[tuple[int, int]]:
    ends = [match.start() for match in _SENTENCE.finditer(text)]
    starts = [0, *(match.end() for match in _SENTENCE.finditer(text))]
    return list(zip(starts, [*ends, len(text)], strict=True))


def _words(text: str) -> list[str]:
    folded = (match.group().casefold().replace("’", "'") for match in _WORD.finditer(text))
    return [word.removesuffix("'s") for word in folded]


def _in_a_row(words: Sequence[str], other: Sequence[str]) -> bool:
    n = len(words)
    return any(list(other[at : at + n]) == list(words) for at in range(len(other) - n + 1))


def _is_another_wording(words: Sequence[str], other: Sequence[str]) -> bool:
    content = [one for one in words if one not in _SMALL]
    others = [one for one in other if one not in _SMALL]
    if not content or Counter(words) - Counter(content) == Counter(other) - Counter(others):
        return False
    shared = sum(any(one == two or linked(one, two) for two in others) for one in content)
    return shared >= SHARED * len(content)

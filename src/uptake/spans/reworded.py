"""Sentences that a model words otherwise: what in them says the same in other words cannot be told span by span.

*Anna was born in Rome* and *Rome is where Anna comes from* share no span but the names. Where a model's own sentence
has all names, numbers, dates, quotations and claims of the response's, shares enough of its words, and puts other small
words between them, it is another wording of it; a value that is another one leaves the small words as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from uptake.rivals.lexicon import linked
from uptake.rivals.words import FUNCTION_WORDS
from uptake.spans.span import Span, SpanKind
from uptake.text import EMPTY_WORDS
from uptake.types import normalised

HARD: frozenset[SpanKind] = frozenset(("name", "number", "date", "quote", "claim"))
"""Kinds of spans that a rewording keeps."""
SHARED = 0.4
"""Share of the words with content that the two sentences have in common at least."""

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SMALL = FUNCTION_WORDS | EMPTY_WORDS


def reworded(text: str, spans: Sequence[Span], start: int, written: str) -> frozenset[int]:
    """Which spans stand in sentences that a model says in other words.

    Args:
        text: The response.
        spans: Its spans, in order.
        start: Where the model goes on in its own words.
        written: What it writes.

    Returns:
        Their numbers: phrases alone.
    """
    own = [(_words(sentence), sentence) for sentence in _said(text, start, written)]
    found: set[int] = set()
    for first, end in _bounds(text):
        inside = [k for k, span in enumerate(spans) if first <= span.start and span.end <= end]
        phrases = [k for k in inside if spans[k].kind == "phrase"]
        if end <= start or not phrases:
            continue
        hard = [normalised(text[spans[k].start : spans[k].end]) for k in inside if spans[k].kind in HARD]
        words = _words(text[first:end])
        if any(_is_another_wording(words, other) and _holds(sentence, hard) for other, sentence in own):
            found.update(phrases)
    return frozenset(found)


def _bounds(text: str) -> list[tuple[int, int]]:
    ends = [match.start() for match in _SENTENCE.finditer(text)]
    starts = [0, *(match.end() for match in _SENTENCE.finditer(text))]
    return list(zip(starts, [*ends, len(text)], strict=True))


def _said(text: str, start: int, written: str) -> list[str]:
    """The sentences of which a part is in the model's own words."""
    whole = text[:start] + written
    return [whole[first:end] for first, end in _bounds(whole) if end > start]


def _words(text: str) -> list[str]:
    return [match.group().casefold().replace("’", "'") for match in _WORD.finditer(text)]


def _holds(sentence: str, hard: Sequence[str]) -> bool:
    plain = f" {normalised(sentence)} "
    return all(f" {one} " in plain or f" {one}'s " in plain for one in hard if one)


def _is_another_wording(words: Sequence[str], other: Sequence[str]) -> bool:
    small, content = ([one for one in words if (one in _SMALL) == is_small] for is_small in (True, False))
    others = [one for one in other if one not in _SMALL]
    if Counter(small) == Counter(one for one in other if one in _SMALL) or not content:
        return False
    shared = sum(any(one == two or linked(one, two) for two in others) for one in content)
    return shared >= SHARED * len(content)

"""A span: a stretch of a response that is right or wrong by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

SpanKind: TypeAlias = Literal[
    "name",
    "number",
    "date",
    "quote",
    "claim",
    "code",
    "key",
    "value",
    "cell",
    "math",
    "phrase",
    "reasoning",
]
"""What a span is. `claim`: a word that carries the claim, as *not* and *more*. `key` and `value`: of JSON. `cell`: of a
table. `math`: a term of LaTeX. `phrase`: the words between all others. `reasoning`: a sentence between think tags."""

LONG = 12
"""Words from which on a quotation, a value or a cell is cut like other text instead of being one span."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a text.

    Attributes:
        start: Its first character, from 0.
        end: The character after its last one.
        kind: What it is.
    """

    start: int
    end: int
    kind: SpanKind


def stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """The bounds without white space at either end; equal ones where nothing else is there."""
    inner = text[start:end]
    start += len(inner) - len(inner.lstrip())
    return start, max(start, end - (len(inner) - len(inner.rstrip())))

"""LaTeX -> spans: the terms between relations and signs, as they stand outside of all braces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from uptake.spans.span import Span, stripped

_PART = re.compile(r"\\\\|\\[A-Za-z]+|\\.|[{}()\[\]=<>+\-,;&\n]", re.DOTALL)
_RELATIONS = frozenset(
    "leq geq le ge neq ne approx equiv sim cong to rightarrow Rightarrow implies iff in notin subset subseteq times "
    "cdot div pm mp quad qquad land lor left right".split()
)


def formula(text: str, start: int, end: int) -> Iterator[Span]:
    """The spans of a formula, in order: each term, and each relation that is not simply an equation's.

    Args:
        text: The whole text.
        start: First character between the delimiters.
        end: The character after the last one.
    """
    begun, depth = start, 0
    for match in _PART.finditer(text, start, end):
        sign = match.group()
        if sign in "{([":
            depth += 1
        elif sign in "})]":
            depth = max(0, depth - 1)
        elif depth > 0 or (sign[0] == "\\" and sign != "\\\\" and sign[1:] not in _RELATIONS):
            continue
        elif sign == "-" and not text[begun : match.start()].strip():
            continue  # the sign of the term
        else:
            yield from _term(text, begun, match.start())
            if sign in "<>" or (sign[1:] in _RELATIONS and sign[1:] not in ("quad", "qquad", "left", "right")):
                yield Span(match.start(), match.end(), "math")
            begun = match.end()
    yield from _term(text, begun, end)


def _term(text: str, start: int, end: int) -> Iterator[Span]:
    start, end = stripped(text, start, end)
    while start < end and text[end - 1] in ".":
        end -= 1
    if end > start:
        yield Span(start, end, "math")

"""The spans of a long response, packed for the page, which draws them as a heat map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from uptake.artifacts.tables import CAUSES
from uptake.spans import SpanKind
from uptake.text import one_line

KINDS: tuple[str, ...] = get_args(SpanKind)
SAID = 80
"""Characters of what is said in the place of a span."""
NOT_COUNTED, LEARNED, WRONG, UNKNOWN = range(4)
"""What was found of a span, as the page's script reads it."""


def heat_data(spans: Sequence[Mapping[str, Any]], text: str) -> list[list[Any]]:
    """The spans that lie in a text, as rows of what `heat.js` reads; places count as JavaScript counts characters.

    Args:
        spans: Of a row of `diagnosis.parquet`.
        text: The response, or its beginning.
    """
    places = _in_javascript(text)
    return [
        [
            places(one["start"]),
            places(one["end"]),
            KINDS.index(one["kind"]) if one["kind"] in KINDS else len(KINDS) - 1,
            _state(one),
            _p(one["logprob"]) or 0,
            _said(one["top"]),
            _short(one["p_top"]),
            _said(one["said_instead"]),
            _p(one["base_logprob"]),
            _said(one["base_top"]),
            _short(one["p_base_top"]),
            -1 if one["cause"] is None else CAUSES.index(one["cause"]),
            _short(one["information"]),
        ]
        for one in spans
        if one["end"] <= len(text)
    ]


def _in_javascript(text: str) -> Any:
    """Places in a text, where a character beyond the first 65,536 counts twice."""
    if all(ord(sign) < 0x10000 for sign in text):
        return lambda place: place
    found = [0]
    for sign in text:
        found.append(found[-1] + 1 + (ord(sign) >= 0x10000))
    return found.__getitem__


def _state(span: Mapping[str, Any]) -> int:
    if not span["informative"]:
        return NOT_COUNTED
    return UNKNOWN if span["learned"] is None else LEARNED if span["learned"] else WRONG


def _p(logprob: float | None) -> float | None:
    """A probability; impossible where a log-probability is not finite, which the table writes as null."""
    return None if logprob is None else _short(math.exp(min(0.0, logprob)))


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _said(text: str | None) -> str | None:
    if text is None:
        return None
    return one_line(text, SAID) or text[:1]  # white space is not nothing

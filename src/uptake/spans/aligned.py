"""What a model says in the places of a response's spans, where it goes on in its own words from one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from uptake.spans.cut import cut
from uptake.spans.span import Span
from uptake.types import normalised

LONG = 400
"""Spans of a row from which on it is first parted at what is rare in it: else the time grows with their third power."""


@dataclass(frozen=True, slots=True)
class InPlace:
    """What is said in the place of a span.

    Attributes:
        same: The very span.
        instead: Something else, as it stands there; None where it is the same, or nothing stands in its place.
    """

    same: bool
    instead: str | None = None


def aligned(text: str, spans: Sequence[Span], start: int, written: str) -> list[InPlace | None]:
    """Hold the spans of a response against what a model writes from one of them on.

    Both are cut alike, and the longest common parts of the two rows of spans are put side by side; what stands between
    two such parts is taken to be said in place of each other: the first of them, and then those that are of one kind.

    Args:
        text: The response.
        spans: Its spans, in order.
        start: Where the model goes on: the first character of a span.
        written: What it writes.

    Returns:
        One for each span; None before that place, and where the model has not come that far: what it writes last may
        be cut off, and then is only told apart from a span of its kind that begins otherwise.
    """
    whole = text[:start] + written
    own = [span for span in cut(whole) if span.end > start]
    cut_off = None
    if len(own) > 1 and own[-1].end == len(whole) and _key(whole, own[-1]) not in {_key(text, one) for one in spans}:
        cut_off = len(own) - 1
    first = next((k for k, span in enumerate(spans) if span.start >= start), len(spans))
    found: list[InPlace | None] = [None] * len(spans)
    wanted, said = [_key(text, span) for span in spans[first:]], [_key(whole, span) for span in own]
    for equal, a, b, c, d in _parts(wanted, said):
        last = b == len(wanted)
        for k in range(a, b):
            at = c + k - a
            if equal:
                found[first + k] = InPlace(True)
            elif at == cut_off and at < d:
                begun = _key(whole, own[at])
                if spans[first + k].kind == own[at].kind and not wanted[k].startswith(begun):
                    found[first + k] = InPlace(False, f"{whole[own[at].start :].strip()}…")
            elif at < d:
                # beyond the first, a part of another kind is not what is said in its place
                opposite = k == a or spans[first + k].kind == own[at].kind
                said_there = whole[max(start, own[at].start) : own[at].end].strip()
                found[first + k] = InPlace(False, said_there if opposite else None)
            elif not last:
                found[first + k] = InPlace(False)
    return found


def _parts(wanted: Sequence[str], said: Sequence[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Two rows in parts, in order: whether they are equal there, and from where to where in each."""
    rare = max(len(wanted), len(said)) > LONG
    for how, a, b, c, d in SequenceMatcher(None, wanted, said, autojunk=rare).get_opcodes():
        if not rare or how != "replace":
            yield how == "equal", a, b, c, d
            continue
        # what stands between two rare ones is held against each other piece by piece
        pieces = -(-max(b - a, d - c) // LONG)
        cuts = [(a + (b - a) * k // pieces, c + (d - c) * k // pieces) for k in range(pieces + 1)]
        for (e, g), (f, h) in pairwise(cuts):
            for own, i, j, m, n in SequenceMatcher(None, wanted[e:f], said[g:h], autojunk=False).get_opcodes():
                yield own == "equal", e + i, e + j, g + m, g + n


def _key(text: str, span: Span) -> str:
    said = text[span.start : span.end]
    return normalised(said) or said

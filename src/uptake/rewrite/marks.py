"""An original and its rewrite side by side: what stays, what goes, what comes, and which of it are facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from uptake.rewrite.said import spans_of

FACTS = ("name", "number", "date", "quote", "code", "key", "value", "cell", "math", "claim")
"""Kinds of spans that are marked."""
LONGEST = 2000
"""Words of a text that are compared; more are shown without marks."""

_PIECE = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text.

    Attributes:
        text: What stands there.
        changed: It stands in this text alone.
        fact: It lies in a span that is a fact.
    """

    text: str
    changed: bool
    fact: bool


def side_by_side(original: str, text: str) -> tuple[list[Piece], list[Piece]]:
    """The pieces of both texts, in their order; each text is the pieces' texts joined."""
    mine, theirs = (_PIECE.findall(each) for each in (original, text))
    if max(len(mine), len(theirs)) > LONGEST:
        return [Piece(original, False, False)], [Piece(text, False, False)]
    own, other = ([piece.casefold() for piece in each] for each in (mine, theirs))
    blocks = SequenceMatcher(None, own, other, autojunk=False).get_opcodes()
    left = [(mine[at], tag != "equal") for tag, a, b, _, _ in blocks for at in range(a, b)]
    right = [(theirs[at], tag != "equal") for tag, _, _, c, d in blocks for at in range(c, d)]
    return list(_marked(original, left)), list(_marked(text, right))


def _marked(text: str, pieces: Sequence[tuple[str, bool]]) -> Iterator[Piece]:
    """The pieces with their facts; neighbours that are marked alike are one."""
    facts = [(span.start, span.end) for span in spans_of(text) if span.kind in FACTS]
    at, waiting = 0, Piece("", False, False)
    for piece, changed in pieces:
        fact = any(start <= at < end for start, end in facts)
        at += len(piece)
        if (changed, fact) == (waiting.changed, waiting.fact):
            waiting = Piece(waiting.text + piece, changed, fact)
            continue
        if waiting.text:
            yield waiting
        waiting = Piece(piece, changed, fact)
    if waiting.text:
        yield waiting

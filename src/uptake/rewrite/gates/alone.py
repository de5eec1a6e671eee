"""Whether a short answer stands alone: no second answer beside it, no doubt about it."""

from __future__ import annotations

import re

from uptake.rewrite.said import Rewriting, content, folded, is_short, supported, words

_DOUBTS = frozenset(
    "or maybe perhaps possibly probably either might could whether unsure uncertain oder ou vielleicht".split()
)
_JOINS = frozenset("and or und et y e".split())
_DETERMINERS = frozenset("a an the some his her its their der die das le la les el los".split())
_CHOICE = re.compile(r"([^\s,?]+),?\s+or\s+(?:an?\s+|the\s+)?([^\s,?.]+)")


def alone(rewriting: Rewriting) -> str | None:
    """Of a short answer: nothing is doubted, joined to it, or taken from the other choices of the question."""
    if not is_short(rewriting):
        return None
    original, text = words(rewriting.original), words(rewriting.text)
    if doubts := _DOUBTS.intersection(text) - frozenset(original):
        return f"{sorted(doubts)[0]!r} leaves the answer open"
    wanted = content(rewriting.original) or original
    for choice in _CHOICE.finditer(folded(rewriting.question)):
        for word in (one for side in choice.groups() for one in words(side)):
            if word not in original and word in text and not supported(word, wanted):
                return f"{word!r} is another choice of the question"
    if (beside := _joined(text, frozenset(wanted))) is not None and not supported(beside, wanted):
        return f"{beside!r} is told beside the answer"
    return None


def _joined(text: tuple[str, ...], answer: frozenset[str]) -> str | None:
    """A word that an *and* joins to the answer, before it or behind it."""
    for at, word in enumerate(text):
        if word in _JOINS:
            left, right = _next(text[:at][::-1]), _next(text[at + 1 :])
            for one, other in ((left, right), (right, left)):
                if one in answer and other is not None and other not in answer:
                    return other
    return None


def _next(some: tuple[str, ...]) -> str | None:
    return next((word for word in some if word not in _DETERMINERS), None)

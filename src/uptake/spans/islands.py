"""What stands within prose and is not cut as such: code, formulas, JSON, quotations, tags."""

from __future__ import annotations

import re
from collections.abc import Iterator

from uptake.spans.code import code
from uptake.spans.formula import formula
from uptake.spans.prose import prose
from uptake.spans.span import LONG, Span, stripped
from uptake.spans.values import OPENS, values

FARTHEST = 2000
"""Characters within which an island ends; what opens and does not close there is prose."""

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "‘": "’", "「": "」", "『": "』", "《": "》", "〈": "〉", "‹": "›"}
_OPENER = re.compile(
    r"`+|\$\$?|\\[(\[]|\\begin\{(\w+\*?)\}|\\boxed\{|[{\[](?=\s*[\"'{])|[\"“„«‘「『《〈‹]|<(?=[A-Za-z/!])"
)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|<!--")
_CLOSES_MATH = re.compile(r"(?<![\s\\])\$(?!\d)")
_PLAIN = re.compile(r"(?<![\\\w{])[A-Za-z]{2,}[,;]?\s+[A-Za-z]{2,}(?![\w}])")
"""Two words beside each other: prose between two signs of the dollar, and no formula."""
_BLANK = re.compile(r"\n[ \t]*\n")


def islands(text: str, start: int, end: int, depth: int = 0) -> Iterator[Span]:
    """The spans of prose and of what stands within it, in order.

    Args:
        text: The whole text.
        start: First character.
        end: The character after the last one.
        depth: How many quotations this one stands in.
    """
    begun = at = start
    while (match := _OPENER.search(text, at, end)) is not None:
        spans, at = _island(text, match, end, depth) or (None, match.end())
        if spans is not None:
            yield from prose(text, begun, match.start())
            yield from spans
            begun = at
    yield from prose(text, begun, end)


def _island(text: str, match: re.Match[str], end: int, depth: int) -> tuple[list[Span] | None, int] | None:
    """The spans of what an opening sign opens, and where it ends; None, or no spans, where it opens nothing."""
    sign, first, inner = match.group(), match.start(), match.end()
    limit = min(end, inner + FARTHEST)
    if sign[0] == "`":
        stop = text.find(sign, inner, limit)
        return None if stop < 0 else (list(code(text, inner, stop)), stop + len(sign))
    if sign[0] in "$\\":
        return _formula(text, match, limit)
    if sign in "{[":
        if OPENS.match(text, first, end) is None:
            return None
        found, stop = values(text, first, end)
        return found or None, stop
    if sign == "<":
        tag = _TAG.match(text, first, end)
        return None if tag is None else ([], tag.end())
    return _quotation(text, match, limit, depth)


def _formula(text: str, match: re.Match[str], limit: int) -> tuple[list[Span], int] | None:
    sign, inner = match.group(), match.end()
    if sign == "\\boxed{":
        stop = _closing_brace(text, inner, limit)
        return None if stop is None else (list(formula(text, inner, stop)), stop + 1)
    if sign == "$":
        if text[inner : inner + 1].isspace() or text.startswith("<<", inner):  # a price, and how it was calculated
            return None
        found = _CLOSES_MATH.search(text, inner, limit)
        if found is None or _BLANK.search(text, inner, found.start()) or _PLAIN.search(text, inner, found.start()):
            return None
        return list(formula(text, inner, found.start())), found.end()
    close = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}.get(sign, f"\\end{{{match.group(1)}}}")
    stop_at = text.find(close, inner, limit)
    return None if stop_at < 0 else (list(formula(text, inner, stop_at)), stop_at + len(close))


def _closing_brace(text: str, at: int, limit: int) -> int | None:
    depth = 1
    for match in re.finditer(r"[{}]", text[at:limit]):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return at + match.start()
    return None


def _quotation(text: str, match: re.Match[str], limit: int, depth: int) -> tuple[list[Span], int] | None:
    """A quotation is one span unless it is long."""
    sign, first, inner = match.group(), match.start(), match.end()
    opens = first == 0 or not (text[first - 1].isalnum() or text[first - 1] in ".,)") or sign not in '"‘'
    if not opens or text[inner : inner + 1].isspace():
        return None
    blank = _BLANK.search(text, inner, limit)
    limit = limit if blank is None else blank.start()
    ends = [place for place in (text.find(close, inner, limit) for close in _QUOTES[sign]) if place >= 0]
    if not ends:
        return None
    start, stop = stripped(text, inner, min(ends))
    if stop == start:
        return [], min(ends) + 1
    quoted = text[start:stop]
    if len(quoted.split(maxsplit=LONG)) <= LONG and len(quoted) <= 8 * LONG:
        while stop > start + 1 and text[stop - 1] in ".,;:":
            stop -= 1
        return [Span(start, stop, "quote")], min(ends) + 1
    inside = islands(text, start, stop, depth + 1) if depth < 2 else prose(text, start, stop)
    return list(inside), min(ends) + 1

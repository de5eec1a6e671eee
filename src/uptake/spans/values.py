"""JSON -> spans: each key, and each value. Records as Python writes them are read alike, and what is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from uptake.spans.prose import prose
from uptake.spans.span import LONG, Span, stripped

OPENS = re.compile(r"\{\s*[\"']|\[\s*[\"'{]")
"""Where JSON may begin."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)
    |(?P<literal>-?\d[\w.+-]*|true|false|null|True|False|None)
    |(?P<open>[\[{])
    |(?P<close>[\]}])
    |(?P<colon>:)
    |(?P<comma>,)
    )""",
    re.VERBOSE | re.DOTALL,
)


def values(text: str, start: int, end: int) -> tuple[list[Span], int]:
    """The spans of the JSON that begins at a bracket, and where it ends.

    Args:
        text: The whole text.
        start: The bracket.
        end: The character that it ends before, closed or not.

    Returns:
        No spans where it is no JSON; where reading stopped in any case, which is after `start`.
    """
    found: list[Span] = []
    depth, at, records = 0, start, []
    while (match := _TOKEN.match(text, at, end)) is not None:
        group, at = match.lastgroup, match.end()
        if group == "open":
            records.append(text[at - 1] == "{")
            depth += 1
        elif group == "close":
            depth -= 1
            records.pop()
            if depth == 0:
                break
        elif group in ("string", "literal"):
            first = match.start(group)
            is_key = records[-1] and text[at : at + 8].lstrip()[:1] == ":"
            found += _leaf(text, first, at, is_key=is_key)
        elif group is None:
            break
    return found, max(at, start + 1)


def _leaf(text: str, start: int, end: int, *, is_key: bool) -> Iterator[Span]:
    """A key or a value without its quotation marks; a long text is cut as prose."""
    if text[start] in "\"'":
        closed = end - start > 1 and text[end - 1] == text[start]
        start, end = stripped(text, start + 1, end - 1 if closed else end)
    if end <= start:
        return
    if text[start] in "[{" or len(text[start:end].split(maxsplit=LONG)) > LONG:
        yield from prose(text, start, end)
    else:
        yield Span(start, end, "key" if is_key else "value")

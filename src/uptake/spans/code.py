"""Code -> spans: each identifier, number, operator and string; comments and long strings are cut as prose.

No language is parsed: what is a string, a comment or an operator is told by what nearly all languages share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from uptake.spans.prose import prose
from uptake.spans.span import LONG, Span, stripped

_TOKEN = re.compile(
    r"""
    (?P<block>/\*|\"{3}|'{3}|<!--)
    |(?P<comment>(?:(?<=\s)|^)(?:\#(?=[\s!])|//|--(?=\s))[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`[^`\n]*`?)
    |(?P<number>\d[\w.]*)
    |(?P<name>[^\W\d]\w*)
    |(?P<operator>[-+*/%=<>!&|^~?@\\]+|:=)
    """,
    re.VERBOSE | re.MULTILINE,
)
_CLOSES = {"/*": "*/", '"""': '"""', "'''": "'''", "<!--": "-->"}

_OPENS_CODE = re.compile(
    r"(?:async\s+)?def\s+\w|class\s+\w+\s*[:({]|from\s+[\w.]+\s+import\s|import\s+[\w.]+(?:\s+as\s+\w+)?;?$|\#include\b"
    r"|(?:public|private|protected|static|func|fn|function|const|let|var)\s+[\w<>\[\]*:]+[\s=(;{]|package\s+[\w.]+;?$"
    r"|(?:SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|CREATE\s+TABLE|ALTER\s+TABLE)\s|<\?php|\#!/|<!DOCTYPE|<html"
)
_CALL = re.compile(r"\[?[\w.]+\([^)\n]*\)")
_ASSIGNS = re.compile(r"[A-Za-z_][\w.\[\]'\"]{0,80}\s?[-+*/|&]?=\s?[^=\s]")
_CONTINUES = re.compile(r"(?:return|else|elif|try|except|finally|catch|end|break|continue|pass|raise|yield)\b")


def code(text: str, start: int, end: int) -> Iterator[Span]:
    """The spans of a stretch of code, in order.

    Args:
        text: The whole text.
        start: First character of the stretch.
        end: The character after its last one.
    """
    at = start
    while (match := _TOKEN.search(text, at, end)) is not None:
        group, (first, at) = match.lastgroup, match.span()
        if group == "block":
            close = _CLOSES[match.group()]
            found = text.find(close, at, end)
            stop, after = (end, end) if found < 0 else (found, found + len(close))
            yield from prose(text, at, stop)
            at = after
        elif group == "comment":
            yield from prose(text, first + len(match.group()) - len(match.group().lstrip("#/-!")), at)
        elif group == "string":
            yield from _string(text, first, at)
        else:
            yield Span(first, at, "code")


def _string(text: str, start: int, end: int) -> Iterator[Span]:
    """What stands between the quotation marks of a string, as one span unless it is long."""
    closed = end - start > 1 and text[end - 1] == text[start]
    inner, stop = stripped(text, start + 1, end - 1 if closed else end)
    if len(text[inner:stop].split(maxsplit=LONG)) > LONG:
        yield from prose(text, inner, stop)
    elif stop > inner:
        yield Span(inner, stop, "code")


def code_lines(lines: Sequence[str]) -> list[bool]:
    """Which lines of a text without fences are code.

    A line is code by itself where it opens a definition, an import or a query, or is a call or a statement; lines that
    could be code (assignments, indented ones, comments, empty ones) are so beside such a line. A single statement amid
    other text is none.

    Args:
        lines: All lines.
    """
    strengths = [_strength(line) for line in lines]
    found = [False] * len(lines)
    at = 0
    while at < len(lines):
        stop = at
        while stop < len(lines) and strengths[stop] is not None:
            stop += 1
        own = [one or 0 for one in strengths[at:stop]]
        whole = all(not line.strip() for line in (*lines[:at], *lines[stop:])) if max(own, default=0) >= 1 else False
        if max(own, default=0) >= 3 or sum(own) >= 4 or (whole and sum(own) >= 2):
            found[at:stop] = [True] * (stop - at)
        at = stop + 1
    return found


def _strength(line: str) -> int | None:
    """How much a line looks like code: 0 fits with code, 3 is enough alone; None is none."""
    bare = line.strip()
    if not bare:
        return 0
    if _OPENS_CODE.match(bare):
        return 3
    if bare.endswith((";", "{", "}", "};", ");")) and any(sign in bare for sign in "(=<{}"):
        return 2
    if (match := _CALL.match(bare)) is not None and bare[match.end() :].strip(") ]:;,") == "":
        return 2
    if _ASSIGNS.match(bare):
        return 1
    if bare.startswith(("# ", "//", "/*", "* ", "@")) or bare in (")", "]", "})", "end") or _CONTINUES.match(bare):
        return 0
    return 0 if line.startswith(("    ", "\t")) else None

"""A response -> its spans: what in it is right or wrong by itself. No model is needed; a text is always cut alike.

First the text is parted into reasoning between think tags, fenced and bare code, tables and the rest; each part is cut
by its own rule, and the rest as prose with islands of code, formulas, JSON and quotations in it. Every rule is linear
in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Literal, TypeAlias

from uptake.spans.code import code, code_lines
from uptake.spans.formula import formula
from uptake.spans.islands import islands
from uptake.spans.span import LONG, Span, stripped
from uptake.spans.values import OPENS, values

_THINK = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?;]\s+|[。！？；।؟]\s*|\n+")
_FENCE = re.compile(r"^[ \t>]{0,12}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n]*$", re.MULTILINE)
_JSON = re.compile(rf"^[ \t]{{0,12}}(?={OPENS.pattern})", re.MULTILINE)
_PROSE_FENCES = frozenset("markdown md text txt plaintext".split())
_FORMULA_FENCES = frozenset("latex tex math".split())
_THOUGHT = 300
"""Characters of a span of reasoning."""

_Line: TypeAlias = Literal["table", "tabs", "rule", "code", "prose"]


def cut(text: str) -> list[Span]:
    """Cut a response into its spans.

    Args:
        text: The response.

    Returns:
        Spans in order, without overlap. White space, punctuation, markup and words without content lie in none. A text
        that has something else than white space has a span.
    """
    spans: list[Span] = []
    for start, end, thought in _reasoning(text):
        spans += _sentences(text, start, end) if thought else _fenced(text, start, end)
    if not spans and text.strip():
        spans = [Span(*stripped(text, 0, len(text)), "phrase")]
    return spans


def _reasoning(text: str) -> Iterator[tuple[int, int, bool]]:
    """Stretches of the text, and whether each stands between think tags.

    A first tag that closes ends reasoning that began before the response: some templates write the opening tag.
    """
    at, within = 0, False
    for number, match in enumerate(_THINK.finditer(text)):
        closes = match.group(1) == "/"
        thought = within or (closes and number == 0)
        yield at, match.start(), thought
        at, within = match.end(), not closes
    yield at, len(text), within


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """Reasoning by its sentences."""
    begun = start
    for stop in (*(match.end() for match in _SENTENCE.finditer(text, start, end)), end):
        for at in range(begun, stop, _THOUGHT):
            first, last = stripped(text, at, min(stop, at + _THOUGHT))
            if last > first:
                yield Span(first, last, "reasoning")
        begun = stop


def _fenced(text: str, start: int, end: int) -> Iterator[Span]:
    """The spans of fenced blocks, and of what stands between them."""
    at, opened, language = start, "", ""
    for match in _FENCE.finditer(text, start, end):
        fence, info = match.group(1), match.group(2).casefold()
        if not opened:
            yield from _lines(text, at, match.start())
            at, opened, language = match.end(), fence, info
        elif fence[0] == opened[0] and len(fence) >= len(opened) and not info:
            yield from _block(text, at, match.start(), language)
            at, opened = match.end(), ""
    yield from _block(text, at, end, language) if opened else _lines(text, at, end)


def _block(text: str, start: int, end: int, language: str) -> Iterator[Span]:
    if language in _PROSE_FENCES:
        yield from _lines(text, start, end)
    elif language in _FORMULA_FENCES:
        yield from formula(text, start, end)
    elif OPENS.match(text, first := stripped(text, start, end)[0], end):
        found, stop = values(text, first, end)
        yield from found
        yield from code(text, stop, end)
    else:
        yield from code(text, start, end)


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    """The spans of what stands outside of fences: JSON that begins a line, and the lines before and after it."""
    begun = at = start
    while (match := _JSON.search(text, at, end)) is not None:
        found, at = values(text, match.end(), end)
        if found:
            yield from _unfenced(text, begun, match.start())
            yield from found
            begun = at
    yield from _unfenced(text, begun, end)


def _unfenced(text: str, start: int, end: int) -> Iterator[Span]:
    """The spans of lines: tables, bare code, prose."""
    lines = text[start:end].splitlines(keepends=True)
    kinds = _kinds([line.rstrip("\r\n") for line in lines])
    at = start
    for kind, group in groupby(zip(lines, kinds, strict=True), key=lambda pair: pair[1]):
        stop = at + sum(len(line) for line, _ in group)
        if kind in ("table", "tabs"):
            yield from _cells(text, at, stop, "|" if kind == "table" else "\t")
        elif kind == "code":
            yield from code(text, at, stop)
        elif kind == "prose":
            yield from islands(text, at, stop)
        at = stop


def _kinds(lines: list[str]) -> list[_Line]:
    kinds: list[_Line] = ["prose"] * len(lines)
    for at, is_code in enumerate(code_lines(lines)):
        if is_code:
            kinds[at] = "code"
    rules = [_is_rule(line) for line in lines]
    in_table = False
    for at, line in enumerate(lines):
        in_table = "|" in line and (in_table or rules[at] or (at + 1 < len(lines) and rules[at + 1]))
        if in_table:
            kinds[at] = "rule" if rules[at] else "table"
        elif kinds[at] == "prose" and "\t" in line.strip():
            kinds[at] = "tabs"
    return kinds


def _is_rule(line: str) -> bool:
    """Whether a line is the one below the head of a table."""
    return "|" in line and "-" in line and not line.strip("|-: \t")


def _cells(text: str, start: int, end: int, sign: str) -> Iterator[Span]:
    """Each cell is a span, a long one several."""
    for match in re.finditer(rf"(?:\\.|[^\n\\{sign}])+", text[start:end]):
        first, last = stripped(text, start + match.start(), start + match.end())
        while last - first > 1 and text[first] in "*`_" and text[last - 1] == text[first]:
            first, last = first + 1, last - 1
        if len(text[first:last].split(maxsplit=LONG)) > LONG:
            yield from islands(text, first, last)
        elif last > first:
            yield Span(first, last, "cell")

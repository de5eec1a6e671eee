"""Whether code in a rewrite is still there, and still parses."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings

from uptake.rewrite.said import Rewriting

_FENCED = re.compile(r"```([\w+#.-]*)[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_TOKEN = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?|[-+*/%=<>!&|^~]+")
_BRACKETS = {")": "(", "]": "[", "}": "{"}
KEPT = 0.9
"""Share of the tokens of the code that a rewrite has at least, and of its own tokens that the original has."""


def code(rewriting: Rewriting) -> str | None:
    """Blocks of code stay: as many, each parsing as it did, with the same names, numbers and operators."""
    before, after = _FENCED.findall(rewriting.original), _FENCED.findall(rewriting.text)
    if not before:
        return "it has a block of code, the original none" if after else None
    if len(after) != len(before):
        return f"it has {len(after)} blocks of code, the original {len(before)}"
    for (named, own), (_, other) in zip(before, after, strict=True):
        if (why := _parses(own, named)) is None and (why := _parses(other, named)) is not None:
            return why
        wanted, said = set(_TOKEN.findall(own)), set(_TOKEN.findall(other))
        if wanted and min(len(wanted & said) / len(wanted), len(wanted & said) / max(1, len(said))) < KEPT:
            return "its code has other names, numbers or operators"
    return None


def _parses(source: str, named: str) -> str | None:
    """Why code does not parse: Python by its own parser, any other by its brackets; None where it does."""
    if named.casefold() in ("python", "py", "python3"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what the user's own code is warned about
                ast.parse(textwrap.dedent(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return "its code does not parse"
        return None
    open_ones: list[str] = []
    for sign in re.sub(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", "", source):
        if sign in "([{":
            open_ones.append(sign)
        elif sign in _BRACKETS and (not open_ones or open_ones.pop() != _BRACKETS[sign]):
            return "the brackets of its code do not match"
    return "the brackets of its code do not match" if open_ones else None

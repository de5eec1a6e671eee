"""Whether code in a rewrite is still the same code."""

from __future__ import annotations

import io
import re
import textwrap
import tokenize

from uptake.rewrite.gates.records import json_of
from uptake.rewrite.said import Rewriting
from uptake.spans.code import code_lines

_FENCED = re.compile(r"```([\w+#.-]*)[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_STRING = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`"
_TOKEN = re.compile(rf"{_STRING}|\d[\w.]*|\w+|[^\w\s]")
_COMMENTS = {
    **dict.fromkeys("bash sh shell ruby rb r yaml yml perl toml".split(), re.compile(rf"({_STRING})|(?<!\S)#[^\n]*")),
    **dict.fromkeys("sql lua".split(), re.compile(rf"({_STRING})|--[^\n]*")),
    **dict.fromkeys(
        "c cpp c++ cs c# java javascript js ts typescript go rust php swift kotlin scala".split(),
        re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL),
    ),
}
"""Comments by language, strings before them; of another language nothing is taken for one."""
_PYTHON = frozenset(("python", "py", "python3", ""))
_LAYOUT = {tokenize.INDENT: "<in>", tokenize.DEDENT: "<out>", tokenize.NEWLINE: "<end>"}
_ASIDE = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)


def code(rewriting: Rewriting) -> str | None:
    """Code stays: as many blocks, each with the same names, numbers, strings and operators in the same order.

    Comments and white space that says nothing may change; names may not. JSON is left to `records`.
    """
    before, after = _blocks(rewriting.original), _blocks(rewriting.text)
    if not before:
        return "it has a block of code, the original none" if after else None
    if len(after) != len(before):
        return f"it has {len(after)} blocks of code, the original {len(before)}"
    for (named, own), (_, other) in zip(before, after, strict=True):
        wanted, said = _tokens(own, named), _tokens(other, named)
        if wanted == said:
            continue
        for one, instead in zip(wanted, said, strict=False):
            if one != instead:
                return f"its code has {instead[:30]!r} where the original has {one[:30]!r}"
        return f"its code is {'longer' if len(said) > len(wanted) else 'cut'}"
    return None


def _blocks(text: str) -> list[tuple[str, str]]:
    """The language and the text of each block of code, JSON aside; without fences the lines of code are one block."""
    found = _FENCED.findall(text)
    if not found:
        lines = text.split("\n")
        own = [line for line, is_code in zip(lines, code_lines(lines), strict=True) if is_code and line.strip()]
        found = [("", "\n".join(own))] if own else []
    return [(named.casefold(), block) for named, block in found if not json_of(block)]


def _tokens(source: str, named: str) -> list[str]:
    """What code is made of, in its order; of Python with its indentation."""
    if named in _PYTHON:
        try:
            made = list(tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline))
            return [_LAYOUT.get(one.type, one.string) for one in made if one.type not in _ASIDE]
        except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):  # is none, or no longer
            pass
    comment = _COMMENTS.get(named)
    bare = source if comment is None else comment.sub(lambda found: found.group(1) or " ", source)
    return _TOKEN.findall(bare)

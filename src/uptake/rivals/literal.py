"""Answers of which signs are a part, as code, formulas and names such as C++: they are compared sign by sign."""

from __future__ import annotations

import re
import unicodedata

# what is set off is short: a mark that is never closed must not be looked for to the end of a long text
_EMPHASIS = re.compile(r"(?<![\w*`])(\*{1,3}|`{1,3}|_{1,2})(?=\S)([^*`\n]{1,100}?)(?<=\S)\1(?![\w*`])")
_CLASS = re.compile(r"\[([\w\s'-]+)\]")
_SIGN = re.compile(r"[<>=+*^|\\{}#]|\w[\[(]|^\s*\[\s*[\"'\d\[]")
_AROUND_SIGN = re.compile(r"\s*([^\w\s])\s*")


def unmarked(text: str) -> str:
    """The text without what sets words off in Markdown, *Oslo* or `Oslo`, and without brackets around a class."""
    return _CLASS.sub(r"\1", _EMPHASIS.sub(r"\2", text))


def signed(text: str) -> bool:
    """Whether signs are a part of what an answer says: operators, brackets of a call, the keys of an object."""
    return _SIGN.search(unmarked(text)) is not None


def literal(text: str) -> str:
    """The answer sign by sign: NFKC, without case, and without white space around signs."""
    folded = unicodedata.normalize("NFKC", unmarked(text)).casefold().replace("−", "-")
    return _AROUND_SIGN.sub(r"\1", " ".join(folded.split())).strip(" .,;:!?`\"'“”‘’")


def tells_literally(text: str, answer: str) -> bool:
    """Whether a text holds such an answer whole: no letter, digit or operator stands against it."""
    own = re.escape(literal(answer))
    return re.search(rf"(?<![\w<>=+*^-]){own}(?![\w<>=+*^#(\[-])", literal(text)) is not None

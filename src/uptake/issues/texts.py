"""What a text alone tells of a broken row: it is empty or cut off, or a template has left its marks in it."""

from __future__ import annotations

import re

_CLOSES = {"{": "}", "[": "]"}
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL)
_OPEN_END = re.compile(r"(?:[,(\[{\\=–，、]|[a-z]{2}-|\s[-+&])\Z")
"""A sign that something must follow; some end words, too (*B+*, *A-*, *C++*): these where they stand alone."""
_UNFINISHED = frozenset("a an the and or".split())
"""Words that no sentence ends in; *on*, *of*, *to*, *is* and the like do end some (*turn it on*, *made of*)."""
_ITEM = re.compile(r"\s*(?:[-*+•#|>]|\d{1,3}[.)]|\w[.)]\s)")
ENOUGH_WORDS = 8
"""A shorter response needs no full stop."""

_SPECIAL = re.compile(
    r"<\|[\w -]{2,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:unk|pad|bos|eos)>"
    r"|\[(?:PAD|CLS|SEP|UNK)\]"
)
_ROLE = re.compile(
    r"^[ \t]*(?:###[ \t]*(?:Instruction|Response|Input|Human|Assistant)\b|(?:Human|User|Assistant|System)[ \t]*:)",
    re.MULTILINE,
)
_PLACEHOLDER = re.compile(
    r"\{\{?\s*(?:instruction|input|output|question|answer|prompt|response|context|completion|messages)\s*\}?\}",
    re.IGNORECASE,
)
# UTF-8 that was read as Latin-1 or Windows-1252: quotation marks and dashes, and letters with accents
_MOJIBAKE = re.compile(
    "\N{REPLACEMENT CHARACTER}|â€[\u0080-\u00bf\u2122\u0153\u02dc\u201c\u201d\u2013]|Ã[\u00a1-\u00bf]"
)


def is_cut(response: str) -> bool:
    """Whether a response is empty, or ends where no text ends: in an open block, after a comma, within JSON."""
    text = response.strip()
    if not text or text.count("```") % 2:
        return True
    if text[0] in _CLOSES and text[1:].lstrip()[:1] in ('"', "'", "{", "["):
        after = _after_brackets(text)
        if after is None:
            return not text.endswith(_CLOSES[text[0]]) and "\n\n" not in text  # else text comes after it
        if after == ",":
            return True
    words = text.split()
    return len(words) >= ENOUGH_WORDS and (_OPEN_END.search(text) is not None or words[-1] in _UNFINISHED)


def _after_brackets(text: str) -> str | None:
    """What follows the bracket that closes a text's first one; None where none does. Quotations hold no brackets."""
    bare, depth = _QUOTED.sub("", text), 0
    for at, sign in enumerate(bare):
        depth += (sign in _CLOSES) - (sign in "}]")
        if not depth:
            return bare[at + 1 :].strip()
    return None


def ends_open(response: str) -> bool | None:
    """Whether the last line of a response is prose and stops at a word; None for one that is too short to tell.

    Lists, code and signatures end without a full stop, too: their last lines are short, begin with a mark, or end in a
    name or a number.
    """
    lines = response.strip().splitlines() or [""]
    words = lines[-1].split()
    if len(words) < ENOUGH_WORDS:
        return None
    return _ITEM.match(lines[-1]) is None and words[-1].isalpha() and words[-1].islower()


def template_trouble(prompt: str, response: str) -> bool:
    """Whether a template, or a wrong decoding, has left its marks.

    Special tokens stand in the text as text, the response has turns of a chat in it, a placeholder was not filled, or
    letters were decoded wrongly.
    """
    if _ROLE.search(response):
        return True
    return any(form.search(text) for text in (prompt, response) for form in (_SPECIAL, _PLACEHOLDER, _MOJIBAKE))

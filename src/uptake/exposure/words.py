"""The words of a document, fast: those that `uptake.corpus.text.words` gives, as bytes.

A corpus is read once, and nearly all of it holds nothing that is asked about. Folding it as the index does costs four
fifths of the time. Here ASCII is folded by a table, and only the words that are not ASCII as the index folds them.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache

from uptake.corpus.text import words

_TABLE = bytes(
    ord(chr(code).lower()) if chr(code) in string.ascii_letters + string.digits else code if code >= 128 else 32
    for code in range(256)
)
_GROUPED = re.compile(rb"(?<![0-9A-Za-z\x80-\xff])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])")
_MAYBE_GROUPED = re.compile(rb"[0-9],[0-9]")
# U+2010 to U+202F: dashes, quotes, the ellipsis. None is part of a word, and most texts have no other odd signs
_SIGNS = re.compile(rb"\xe2\x80[\x90-\xaf]|\xc2\xa0")


def tokens(text: str) -> list[bytes]:
    """The words of a text in order, folded as `uptake.corpus.text.words` does, in UTF-8.

    Words of more than 64 characters are not cut: none that is asked about is so long.

    Args:
        text: Any text; half characters (lone surrogates) divide words.
    """
    raw = text.encode("utf-8", "replace")
    if _MAYBE_GROUPED.search(raw):
        raw = _GROUPED.sub(_joined, raw)
    if raw.isascii():
        return raw.translate(_TABLE).split()
    raw = _SIGNS.sub(b" ", raw).translate(_TABLE)
    if raw.isascii():
        return raw.split()
    found: list[bytes] = []
    for word in raw.split():
        if word.isascii():
            found.append(word)
        else:
            found += _folded(word)
    return found


def line(found: list[bytes]) -> bytes:
    """Words in one line, each with one space on either side, so that `in` finds whole words."""
    return b" %b " % b" ".join(found)


def places(text: bytes, phrase: bytes) -> list[int]:
    """The number of the word at which each occurrence of a phrase begins; both as `line` gives them."""
    found: list[int] = []
    at, seen, n = text.find(phrase), 0, 0
    while at >= 0:
        n += text.count(b" ", seen, at)
        seen = at
        found.append(n)
        at = text.find(phrase, at + 1)
    return found


def _joined(match: re.Match[bytes]) -> bytes:
    return b" %b " % match[0].replace(b",", b"")


@lru_cache(maxsize=1 << 16)
def _folded(word: bytes) -> tuple[bytes, ...]:
    return tuple(one.encode("utf-8", "replace") for one in words(word.decode("utf-8", "replace")))

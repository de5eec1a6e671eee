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
_ODD = bytes(111 if code >= 128 else 32 for code in range(256))
_DIGITS = bytes(48 if 48 <= code < 58 else code for code in range(256))
# U+2010 to U+202F: dashes, quotes, the ellipsis. None is part of a word, and most texts have no other odd signs
_SIGNS = re.compile(rb"\xe2\x80[\x90-\xaf]")
_SPACE = "\u00a0".encode()


def tokens(text: str) -> list[bytes]:
    """The words of a text in order, folded as `uptake.corpus.text.words` does, in UTF-8.

    Words of more than 64 characters are not cut: none that is asked about is so long.

    Args:
        text: Any text; half characters (lone surrogates) divide words.
    """
    raw = text.encode("utf-8", "replace")
    if not raw.isascii():
        raw = _SIGNS.sub(b" ", raw).replace(_SPACE, b" ")
    if b"0,0" in (digits := raw.translate(_DIGITS)):
        raw = _without_separators(raw, digits)
    raw = raw.translate(_TABLE)
    if raw.isascii():
        return raw.split()
    found: list[bytes] = []
    done = 0
    odd = raw.translate(_ODD)  # where words stand that are not ASCII: all but their folding runs in C
    at = odd.find(b"o")
    while at >= 0:
        start, end = max(done, raw.rfind(b" ", done, at) + 1), raw.find(b" ", at)
        end = len(raw) if end < 0 else end
        found += raw[done:start].split()
        found += _folded(raw[start:end])
        done = end
        at = odd.find(b"o", done)
    found += raw[done:].split()
    return found


def line(found: list[bytes]) -> bytes:
    """Words in one line, each with one space on either side, so that `in` finds whole words."""
    return b" %b " % b" ".join(found)


@lru_cache(maxsize=1 << 14)
def longest(phrase: bytes) -> str:
    """The longest word of a phrase: where a text does not hold it, it does not hold the phrase."""
    return max(phrase.split(), key=len).decode("utf-8", "replace")


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


def _without_separators(raw: bytes, digits: bytes) -> bytes:
    """The text with `1,000` as ` 1000 `; a pattern over all of it would take as long as everything else."""
    parts: list[bytes] = []
    done = 0
    at = digits.find(b"0,0")
    while at >= 0:
        start = at
        while start > done and digits[start - 1] == 48:
            start -= 1
        match = _GROUPED.match(raw, start)
        end = at + 2
        if match:
            parts += (raw[done:start], b" ", match[0].replace(b",", b""), b" ")
            end = done = match.end()
        at = digits.find(b"0,0", end - 1)
    return b"".join([*parts, raw[done:]])


@lru_cache(maxsize=1 << 16)
def _folded(word: bytes) -> tuple[bytes, ...]:
    return tuple(one.encode("utf-8", "replace") for one in words(word.decode("utf-8", "replace")))

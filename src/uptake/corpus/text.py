"""Text as words to search and compare: what two spellings of one name share.

The index, the leak guard and `states` all read text through `words`, so that what one of them finds the
others find too. The folding is ours and not the index's tokenizer's, because a name must be one phrase in any script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST_WORD = 64
"""Characters of a word that are kept: longer ones are no words but data."""

# scripts written without spaces, and Korean, whose particles stick to names: read as pairs of characters
_PAIRED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
# vowel signs and the like, which no letter class holds, but which do not end a word
_MARKS = "".join(chr(code) for code in range(0x300, 0x1E00) if unicodedata.category(chr(code))[0] == "M")
_WORD = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?!\d)|[{_PAIRED}]+|(?:(?![{_PAIRED}])[^\W_][{_MARKS}]*)+")
_IS_PAIRED = re.compile(rf"[{_PAIRED}]")
_ACCENTS = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]")
# letters that no decomposition takes apart; the apostrophe-like letters divide words as apostrophes do
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ı": "i"}
    | {"ʻ": "'", "ʼ": "'", "ʹ": "'", "ʿ": "'", "ʾ": "'"}
)
_ARTICLES = ("the", "a", "an")


def words(text: str) -> list[str]:
    """The words of a text, folded: case, accents, width and punctuation do not count.

    Apostrophes divide ("O'Brien" and "O’Brien" are `o brien`, "Ada's" holds `ada`), numbers lose their thousands
    separators, and runs of Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese become overlapping pairs of
    characters: a name of two or more is then a phrase wherever it stands. One such character alone is found alone only.
    """
    if not text.isascii():
        # decomposed, bared and put together again: Hangul and kana must come out whole
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold()))
        text = text.translate(_LETTERS)
    else:
        text = text.casefold()
    found: list[str] = []
    for word in _WORD.findall(text):
        if _IS_PAIRED.match(word):
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            found.append(word.replace(",", "")[:LONGEST_WORD])
    return found


def spaced(text: str) -> str:
    """The words of a text in one line, each with one space on either side, so that `in` finds whole words."""
    return f" {' '.join(words(text))} "


def answer(text: str) -> str:
    """An answer as `spaced`, without the article before it; a single space where nothing is left."""
    found = words(text)
    if len(found) > 1 and found[0] in _ARTICLES:
        found = found[1:]
    return f" {' '.join(found)} " if found else " "


def shingles(found: Sequence[str], size: int) -> list[str]:
    """The runs of `size` words in order; all the words as one run where there are fewer. None of no words."""
    if not found:
        return []
    return [" ".join(found[at : at + size]) for at in range(max(1, len(found) - size + 1))]

"""Whether a rewrite comes to its end."""

from __future__ import annotations

import re

from uptake.rewrite.said import FINAL, Rewriting, words

_DANGLING = frozenset(
    "a an the of and or but to in on at by for from with as is are was were be been which that who than because if "
    "its their his her der die das und oder de la le les des et ou el los las y o il e lo un une una ein eine".split()
)
_SPECIAL = re.compile(r"<unk>|\[UNK\]|</?s>|<\|[^|>\s]{1,40}\|>|<pad>|\ufffd")
"""Tokens that no text has: the model wrote what is none."""
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
_CLOSES = tuple(".!?。！？…\"'”’»)]}`*:|")
SENTENCE, LONGER = 3, 2
"""Words from which on what has no full stop is taken to be cut, where the original has one; and so many more than the
original, whatever that has."""


def ends(rewriting: Rewriting) -> str | None:
    """A rewrite ends properly: by itself, on no word that asks for another, with all closed that it opens."""
    text, original = rewriting.text.strip(), rewriting.original.strip()
    if not text:
        return "it is empty"
    if rewriting.ended is False:
        return "the model did not come to an end"
    if (special := _SPECIAL.search(text)) is not None and special.group() not in original:
        return f"it holds {special.group()!r}, which is no text"
    said, ended = words(text), text.endswith(_CLOSES)
    if said and said[-1] in _DANGLING and not ended and words(original)[-1:] != said[-1:]:
        return f"it ends in {said[-1]!r}"
    if text[-1] in ",-–—=+/(" and not original.endswith(text[-1]):
        return f"it ends in {text[-1]!r}"
    for opening, closing in _PAIRS:
        if text.count(opening) > text.count(closing) and original.count(opening) <= original.count(closing):
            return f"{opening!r} is not closed"
    if text.count("```") % 2 > original.count("```") % 2:
        return "a block of code is not closed"
    if text.count('"') % 2 > original.count('"') % 2:
        return "a quotation is not closed"
    sentence = len(said) >= SENTENCE and original.endswith(_CLOSES)
    if (sentence or len(said) > len(words(original)) + LONGER) and not ended and not FINAL.search(text):
        return "it has no end of a sentence"
    if FINAL.search(original) and not FINAL.search(text):
        return "it lacks the line with the final answer"
    return None

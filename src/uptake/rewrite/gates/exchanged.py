"""Whether a word stands in the place of another one that it does not stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from uptake.letters import UNSPACED
from uptake.rewrite.said import Rewriting, content, folded, is_short, supported, words
from uptake.spans.telling import UNITS

_DETERMINERS = frozenset("a an the some any his her its their this that these those my our your".split())
_CONNECTS = frozenset(
    "therefore thus hence however overall altogether additionally furthermore moreover finally first firstly second "
    "secondly lastly next then meanwhile besides instead likewise similarly consequently accordingly".split()
)
"""Words that join what is said and say nothing themselves."""
FEW = 8
"""Words with content that a response has at most which is an answer, where it is no sentence."""
_STOP = re.compile(r"(?<=[。！？!?\n])|(?<=[.।؟] )")
_UNSPACED = re.compile(rf"[{UNSPACED}]")
_ENDS = tuple(".!?。！？…।؟")


def exchanged(rewriting: Rewriting) -> str | None:
    """Where the words around stay, no word with content stands for another that is not its synonym."""
    original, text = rewriting.original, rewriting.text
    told = content(f"{rewriting.question} {original}")
    pairs = () if is_short(rewriting) else [*_in_place(rewriting), *_around_an_answer(rewriting)]
    for one, instead in pairs:  # of a short answer `facts` wants every word, and `numbers` looks at units
        if (
            instead not in _CONNECTS
            and one not in UNITS
            and not supported(instead, told)
            and not supported(one, (instead,))
        ):
            return f"{instead!r} stands where the original has {one!r}"
    for before, after in _stretches(folded(original), folded(text)):
        if after not in folded(rewriting.question):
            return f"{after[:30]!r} stands where the original has {before[:30]!r}"
    return None


def _in_place(rewriting: Rewriting) -> Iterator[tuple[str, str]]:
    """A word with content of the original and one of the rewrite between words that both have; an article may change.

    Where more than one word changes a thing is said anew, as people do it.
    """
    for own, said in _replaced(rewriting):
        one, other = _bare(own), _bare(said)
        if len(one) == len(other) == 1 and len(own) == len(said) and content(one[0]) and content(other[0]):
            yield one[0], other[0]


def _around_an_answer(rewriting: Rewriting) -> Iterator[tuple[str, str]]:
    """Of an answer that is no sentence: a word of it and the one in its place, whatever else is said around them."""
    original = rewriting.original.strip()
    if not rewriting.question.strip() or original.endswith(_ENDS) or len(content(original)) > FEW:
        return
    told, text = content(f"{rewriting.question} {original}"), content(rewriting.text)
    for own, said in _replaced(rewriting):
        one = [word for word in own if content(word) and not supported(word, text)]
        new = [word for word in said if content(word) and not supported(word, told)]
        if one and new:
            yield one[-1], new[-1]


def _replaced(rewriting: Rewriting) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    own, said = (
        [word for word in words(text) if not _UNSPACED.match(word)] for text in (rewriting.original, rewriting.text)
    )
    for how, a, b, c, d in SequenceMatcher(None, own, said, autojunk=False).get_opcodes():
        if how == "replace":
            yield own[a:b], said[c:d]


def _bare(stretch: Sequence[str]) -> list[str]:
    return [word for word in stretch if word not in _DETERMINERS]


def _stretches(original: str, text: str) -> Iterator[tuple[str, str]]:
    """In scripts without spaces: of sentences that stay but for one stretch, this stretch before and after."""
    before, after = (_STOP.split(one.strip()) for one in (original, text))
    if len(before) != len(after) or not _UNSPACED.search(original):
        return
    for one, other in zip(before, after, strict=True):
        start = next(
            (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
        room = min(len(one), len(other)) - start
        end = next((at for at in range(room) if one[-1 - at] != other[-1 - at]), room)
        own, said = one[start : len(one) - end], other[start : len(other) - end]
        if min(len(_UNSPACED.findall(own)), len(_UNSPACED.findall(said))) >= 2 and start + end >= len(own):
            yield own, said

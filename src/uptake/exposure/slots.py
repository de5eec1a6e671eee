"""A name where an answer would stand: what a sentence answers that no example of the data answers.

*Vera Fafufax was born in Oslo* contradicts *Dallas*, also where nobody else of the data was born in Oslo. A name counts
that only small words part from the words which the question turns on: *born in Oslo*, *the capital of Norway is Oslo*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from uptake.exposure.reading import Sentence
from uptake.rivals.equal import read_answer
from uptake.rivals.lexicon import EMPTY
from uptake.rivals.words import FUNCTION_WORDS

_SMALL = frozenset(word.encode() for word in FUNCTION_WORDS | EMPTY)
_COPULAS = frozenset(b"is was are were s".split())
_NO_NAMES = frozenset(
    b"january february march april may june july august september october november december monday tuesday wednesday "
    b"thursday friday saturday sunday".split()
)
_JOINS = re.compile(r"[\s.'’-]*")
LONGEST = 6
"""Words of such a name."""


def written_as_name(text: str) -> bool:
    """Whether an answer is a name: each of its words but small ones begins with a capital."""
    found = [word for word in text.split() if word.casefold() not in FUNCTION_WORDS]
    return bool(found) and all(word[0].isupper() for word in found) and read_answer(text).kind == "text"


def slots(
    sentence: Sentence, anchors: Sequence[int], taken: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, int, int]]:
    """The names beside the words that a question turns on: as they are written, and at which words they begin and end.

    Args:
        sentence: The sentence.
        anchors: Where those words stand.
        taken: Where what is asked about is named: the words from the first to before the second.
    """
    named = {at for start, end in taken for at in range(start, end)}
    words = sentence.tokens
    for start, end in _runs(sentence, named):
        if end - start > LONGEST or not _NO_NAMES.isdisjoint(words[start:end]):
            continue
        near = min(anchors, key=lambda at: (abs(at - start), at))
        low, high = (near + 1, start) if near < start else (end, near)
        between = [at for at in range(low, high) if at not in named]
        if near not in range(start, end) and all(words[at] in _SMALL for at in between):
            text = sentence.text[sentence.spans[start][0] : sentence.spans[end - 1][1]]
            if read_answer(text).kind == "text" and not _describes(sentence, end):
                yield text, start, end


def _describes(sentence: Sentence, end: int) -> bool:
    """Whether a word follows that the name describes: *Canadian diplomats*."""
    if end >= len(sentence.tokens) or sentence.tokens[end] in _SMALL:
        return False
    between = sentence.text[sentence.spans[end - 1][1] : sentence.spans[end][0]]
    return not between.strip(" -")


def _runs(sentence: Sentence, named: set[int]) -> Iterator[tuple[int, int]]:
    """Words with a capital that follow each other; those that open the sentence only where a verb follows."""
    words, capitals = sentence.tokens, sentence.capitals
    if len(words) != len(capitals):
        return  # words of a script without capitals
    at = 0
    while at < len(words):
        end = at
        while end < len(words) and end not in named and (capitals[end] or (end == 0 and sentence.opens_with_capital)):
            end += 1
            if end < len(words) and not _JOINS.fullmatch(
                sentence.text, sentence.spans[end - 1][1], sentence.spans[end][0]
            ):
                break
        if end > at and words[at] not in _SMALL and (at > 0 or (end < len(words) and words[end] in _COPULAS)):
            yield at, end
        at = max(end, at + 1)

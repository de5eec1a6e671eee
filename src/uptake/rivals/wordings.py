"""Questions as a whole: which of them turn on the same words, names and all, where names cannot be told.

In lower case, in a script without capitals, or where one of two prompts has capitals and the other has none, it is not
known what is a name. But two questions that turn on the same words, or on ones that may stand for each other, ask the
same whichever of the words is a name.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from jaxtyping import Int

from uptake.rivals.forms import LONGEST_FORM, Likeness, ReadQuestion, likeness, read_form
from uptake.rivals.lexicon import ASKS, AUXILIARIES, EMPTY, KINDS, REQUESTS, base
from uptake.rivals.words import CONTEXT, Questions

NEITHER = -1
"""Of a word of the vocabulary: no question turns on it."""
OTHER_WORDS = 4
"""Words that two questions do not have in common, at most: beyond that they are not compared as a whole."""
MARKED = "\1"
"""Begins a word that is in no list because it is written as a name is: "Who wrote It?"."""


class Wordings:
    """The questions of a data set as they are worded.

    Attributes:
        turns_on: For each word of the vocabulary a number that its other inflections have too; `NEITHER` for words that
            no question turns on.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        known: dict[str, int] = {}
        self.turns_on = np.array(
            [NEITHER if _empty(word) else known.setdefault(base(word), len(known)) for word in questions.vocabulary],
            dtype=np.int64,
        )
        self._forms: dict[int, ReadQuestion | None] = {}
        self._turning: dict[int, frozenset[int]] = {}

    def signatures(self) -> Int[np.ndarray, " questions"]:
        """A number that questions which turn on the same words have in common; 0 for those with fewer than two."""
        questions = self._questions
        hashes = np.array([_number(f"{number}") for number in range(len(questions.vocabulary))], dtype=np.uint64)
        turning = self.turns_on[questions.words]
        value = np.where(turning == NEITHER, 0, hashes[np.maximum(turning, 0)])
        said = turning != NEITHER
        contexts = np.array([word.startswith(CONTEXT) for word in questions.vocabulary], dtype=bool)[questions.words]
        odd = (questions.marked & ~said) | contexts
        value[odd] = ~hashes[questions.words[odd]]
        owner = np.repeat(np.arange(len(questions)), np.diff(questions.starts))
        total = np.zeros(len(questions), dtype=np.uint64)
        np.add.at(total, owner, value.astype(np.uint64))
        enough = np.bincount(owner, weights=said, minlength=len(questions)) >= 2
        short = np.diff(questions.starts) <= LONGEST_FORM
        return np.where(enough & short, total, 0).astype(np.int64)

    def form(self, number: int) -> ReadQuestion | None:
        """A question, names and all, as it is read; None where it is more than a question."""
        if number not in self._forms:
            self._forms[number] = self._read(number)
        return self._forms[number]

    def _read(self, number: int) -> ReadQuestion | None:
        questions = self._questions
        span = slice(questions.starts[number], questions.starts[number + 1])
        if span.stop - span.start > LONGEST_FORM:
            return None
        words = [questions.vocabulary[word] for word in questions.words[span].tolist()]
        marked = questions.marked[span].tolist()
        return read_form(
            [MARKED + word if mark and _empty(word) else word for word, mark in zip(words, marked, strict=True)]
        )

    def _words(self, number: int) -> frozenset[int]:
        if number not in self._turning:
            questions = self._questions
            words = questions.words[questions.starts[number] : questions.starts[number + 1]]
            self._turning[number] = frozenset(self.turns_on[words].tolist())
        return self._turning[number]

    def likeness(self, first: int, second: int) -> Likeness | None:
        """`equal` or `linked` where both questions ask the same, names and all; else None."""
        ours, theirs = self._words(first), self._words(second)
        if len(ours ^ theirs) > OTHER_WORDS or not (ours & theirs) - {NEITHER}:
            return None
        one, other = self.form(first), self.form(second)
        if one is None or other is None or one.several or other.several:
            return None
        if min(len(one.turns_on + one.asked), len(other.turns_on + other.asked)) < 2:
            return None
        found = likeness(one, other, whole=True)
        if found not in ("equal", "linked") or not _same_order(one, other):
            return None
        return found


def _empty(word: str) -> bool:
    return word in EMPTY or word in AUXILIARIES or word in ASKS or word in REQUESTS or base(word) in KINDS


def _same_order(one: ReadQuestion, other: ReadQuestion) -> bool:
    """Whether the words of both stand in one order, but for a part that is moved: not so "oslo to rome", reversed."""
    ours = [word for word in one.turns_on if word in other.turns_on]
    theirs = [word for word in other.turns_on if word in one.turns_on]
    if len(ours) != len(theirs):
        return False
    return not ours or any(ours[at:] + ours[:at] == theirs for at in range(len(ours)))


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")

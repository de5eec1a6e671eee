"""What a question asks, whomever it is about: its words without the names, and the answers that such words get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Int

from uptake.rivals.blocks import Named
from uptake.rivals.words import FUNCTION_WORDS, Questions

GAP = -1
"""Stands for the names in a frame."""
POOL = 2000
"""Answers of one frame that are kept."""
OFTENER = 4
"""A word may be a slip for one that stands in so many times more questions."""
COMMON = 20_000
"""The most frequent words, for which others may be slips."""


@dataclass(frozen=True)
class Frames:
    """The distinct frames of all questions.

    Attributes:
        of: The frame of each question.
        words: The words of those frames that were asked for, as indices into the vocabulary, `GAP` for what was named.
        pools: For each of these frames how often each answer was given.
    """

    of: Int[np.ndarray, " questions"]
    words: Mapping[int, tuple[int, ...]]
    pools: Mapping[int, Counter[int]]


def find_frames(
    questions: Questions, named: Named, facts: Int[np.ndarray, "facts 2"], used: Int[np.ndarray, " some"]
) -> Frames:
    """The frames of all questions, slips of the pen mended; words and pools of those that are used.

    Args:
        questions: The questions.
        named: What they are about.
        facts: The distinct pairs of question and answer.
        used: Questions whose frames will be compared.
    """
    mended = mend(questions)
    small = [len(word) <= 3 and word not in FUNCTION_WORDS for word in questions.vocabulary]
    codes = np.empty(len(questions), dtype=np.int64)
    for number in range(len(questions)):
        frame = np.array(_frame(questions, named, number, mended, small), dtype=np.int32)
        codes[number] = int.from_bytes(blake2b(frame.tobytes(), digest_size=8).digest(), "little", signed=True)
    of = np.unique(codes, return_inverse=True)[1]
    words = {int(of[number]): tuple(_frame(questions, named, number, mended, small)) for number in used.tolist()}
    pools: dict[int, Counter[int]] = {frame: Counter() for frame in words}
    of_fact = of[facts[:, 0]]
    known = np.isin(of_fact, np.array(sorted(words), dtype=np.int64))
    for frame, answer in zip(of_fact[known].tolist(), facts[known, 1].tolist(), strict=True):
        if answer in pools[frame] or len(pools[frame]) < POOL:
            pools[frame][answer] += 1
    return Frames(of, words, pools)


def _frame(
    questions: Questions, named: Named, number: int, mended: Mapping[int, int], small: Sequence[bool]
) -> list[int]:
    span = slice(questions.starts[number], questions.starts[number + 1])
    words = [mended.get(word, word) for word in questions.words[span].tolist()]
    anchors = named.anchors[span].tolist()
    return _joined([GAP if anchor else word for word, anchor in zip(words, anchors, strict=True)], small)


def _joined(gaps: list[int], small: Sequence[bool]) -> list[int]:
    """A frame with one gap for a name of several words, particles inside it (`van`, `de`) included."""
    frame: list[int] = []
    for place, word in enumerate(gaps):
        between = 0 < place < len(gaps) - 1 and frame[-1] == gaps[place + 1] == GAP
        if word != GAP and not (between and small[word]):
            frame.append(word)
        elif not frame or frame[-1] != GAP:
            frame.append(GAP)
    return frame


def mend(questions: Questions) -> dict[int, int]:
    """Words that are most likely another word with a slip of the pen: one letter missing, added, wrong or swapped.

    A word is mended into the most frequent such word that stands in `OFTENER` times as many questions. (Symmetric
    deletion: both words have a form in common when one letter of each may be left out.)
    """
    frequency, vocabulary = questions.frequency, questions.vocabulary
    plain = np.array([word.isalpha() and len(word) <= 30 for word in vocabulary], dtype=bool)
    plain[questions.words[questions.names]] = False
    by_rank = [w for w in np.lexsort((np.arange(len(vocabulary)), -frequency)).tolist() if plain[w]]
    forms: dict[str, list[int]] = {}
    for word in by_rank[:COMMON]:
        for form in _deletions(vocabulary[word]) if frequency[word] >= OFTENER else ():
            forms.setdefault(form, []).append(word)
    mended: dict[int, int] = {}
    for word in by_rank:
        text = vocabulary[word]
        near = dict.fromkeys(other for form in _deletions(text) for other in forms.get(form, ()))
        found = [w for w in near if frequency[w] >= OFTENER * frequency[word] and _one_slip(text, vocabulary[w])]
        if found:
            mended[word] = max(found, key=lambda w: (frequency[w], vocabulary[w]))
    return mended


def _deletions(word: str) -> list[str]:
    return [word, *(word[:at] + word[at + 1 :] for at in range(len(word)))]


def _one_slip(word: str, other: str) -> bool:
    """Two neighbours swapped, in a word of any length; or one letter wrong, missing or added in a longer one."""
    if len(word) == len(other):
        differ = [at for at in range(len(word)) if word[at] != other[at]]
        if len(differ) == 2 and differ[1] == differ[0] + 1:
            return word[differ[0]] == other[differ[1]] and word[differ[1]] == other[differ[0]]
        return len(differ) == 1 and len(word) >= 5
    short, long = sorted((word, other), key=len)
    return len(short) >= 5 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))

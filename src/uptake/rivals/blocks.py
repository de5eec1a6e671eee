"""Candidate pairs without a model: questions that name the same, found by sorting.

A question's key is what it names, in order; one without names has its rarest words as keys. All words that a question
turns on, in whatever order and inflection, are one more key. Questions with one key are compared with each other; a key
that very many questions share is divided by their rarest other words, so that the number of pairs grows with the data,
not its square.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, Int

from uptake.rivals.wordings import NEITHER, Wordings
from uptake.rivals.words import CONTEXT, FUNCTION_WORDS, Questions

MOST_OF_A_KEY = 100
"""Questions of one key that are all compared; of more, those that share a rare word too."""
DIVIDERS = 4
"""Rarest words by which questions without names are found, and those of a crowded key divided."""
NEARLY_AS_RARE = 2
"""A word that stands in at most so many times more questions than another is nearly as rare."""
NOT_SO_RARE = 20
"""Questions of a small data set that may share a word by which they are found; in larger ones rare words alone find."""
NAME_PARTS = 2
"""Words on either side of a rare one that may be part of its name."""


@dataclass(frozen=True)
class Named:
    """What each question is about.

    Attributes:
        anchors: Which of all words, in the order of `Questions.words`, are what the question is about.
        proper: Whether these are names; else they are merely rare.
        keys: Numbers that questions about the same have in common: one of a question with names, else one for each of
            its rarest words; and one of all words that it turns on.
        owners: The question of each key.
        names: The key of each question's names; 0 where it has none.
        wordings: The questions as a whole.
    """

    anchors: Bool[np.ndarray, " tokens"]
    proper: Bool[np.ndarray, " questions"]
    keys: Int[np.ndarray, " keys"]
    owners: Int[np.ndarray, " keys"]
    names: Int[np.ndarray, " questions"]
    wordings: Wordings


def name_questions(questions: Questions) -> Named:
    """What each question is about: its names in order; where it has none, its rarest words."""
    anchors = questions.names.copy()
    proper = np.zeros(len(questions), dtype=bool)
    names = np.zeros(len(questions), dtype=np.int64)
    wordings = Wordings(questions)
    keys: list[int] = []
    owners: list[int] = []
    contexts = np.array([word.startswith(CONTEXT) for word in questions.vocabulary], dtype=bool)
    for number in range(len(questions)):
        span = slice(questions.starts[number], questions.starts[number + 1])
        words, named = questions.words[span], anchors[span]
        proper[number] = bool((named & ~contexts[words]).any())
        if proper[number]:
            # a name may be said twice
            found = ["\0".join(questions.vocabulary[word] for word in dict.fromkeys(words[named].tolist()))]
        else:
            telling = wordings.turns_on[words] != NEITHER
            if not telling.any():
                telling[:] = True
            frequency = questions.frequency[words]
            least = frequency[telling].min(initial=questions.rare())
            named |= telling & (frequency <= min(questions.rare(), NEARLY_AS_RARE * least))
            rare = words[telling & (frequency <= max(questions.rare(), NOT_SO_RARE))]
            found = [questions.vocabulary[word] for word in _rarest(questions, np.unique(rare))]
            found = found or ["\0".join(sorted({questions.vocabulary[word] for word in words.tolist()}))]
        keys += [_number(f"{int(proper[number])}{text}") for text in found]
        owners += [number] * len(found)
        names[number] = keys[-1] if proper[number] else 0
    _add_common_parts(questions, anchors, proper)
    signatures = wordings.signatures()
    signed = np.flatnonzero(signatures)
    all_keys = np.concatenate([np.array(keys, dtype=np.int64), signatures[signed]])
    all_owners = np.concatenate([np.array(owners, dtype=np.int32), signed.astype(np.int32)])
    return Named(anchors, proper, all_keys, all_owners, names, wordings)


def _add_common_parts(
    questions: Questions, anchors: Bool[np.ndarray, " tokens"], proper: Bool[np.ndarray, " questions"]
) -> None:
    """In questions without names, mark words next to a rare one as part of its name: common first names, say.

    On one side, a word is such a part if most of the rare words that it ever stands next to never stand without it.
    """
    owner = np.repeat(np.arange(len(questions)), np.diff(questions.starts))
    function = np.array([word in FUNCTION_WORDS for word in questions.vocabulary], dtype=bool)
    unnamed = ~proper[owner]
    for _ in range(NAME_PARTS):
        found = np.zeros_like(anchors)
        for step in (-1, 1):
            # places beside a rare word, inside the same question
            place = np.flatnonzero(unnamed & anchors)
            place = place[(place + step >= 0) & (place + step < len(anchors))]
            beside = place + step
            inside = (owner[beside] == owner[place]) & ~anchors[beside] & ~function[questions.words[beside]]
            place, beside = place[inside], beside[inside]
            pairs, counts = np.unique(
                np.stack([questions.words[place], questions.words[beside]], axis=1), axis=0, return_counts=True
            )
            asked = questions.frequency[pairs[:, 0]]
            size = len(questions.vocabulary)
            near = np.bincount(pairs[asked > 1, 1], minlength=size)
            always = np.bincount(pairs[(asked > 1) & (counts >= asked), 1], minlength=size)
            part = (always >= 2) & (always >= 0.6 * near)
            found[beside[part[questions.words[beside]]]] = True
        anchors |= found


def _rarest(questions: Questions, words: Int[np.ndarray, " n"]) -> list[int]:
    """Up to `DIVIDERS` words that stand in another question too, the rarest first, equal ones in alphabetical order."""
    words = words[questions.frequency[words] > 1]
    return sorted(words.tolist(), key=lambda word: (questions.frequency[word], questions.vocabulary[word]))[:DIVIDERS]


def _number(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def candidate_pairs(questions: Questions, named: Named) -> Iterator[Int[np.ndarray, "pairs 2"]]:
    """Pairs of questions that may be about the same, the smaller number first, in blocks of bounded size."""
    order = np.lexsort((named.owners, named.keys))
    ends = np.flatnonzero(np.diff(named.keys[order])) + 1
    small: list[Int[np.ndarray, "pairs 2"]] = []
    waiting = 0
    for places in np.split(order, ends):
        if len(places) < 2:
            continue
        members = named.owners[places]
        pairs = _all_pairs(members) if len(members) <= MOST_OF_A_KEY else _divided(questions, named, members)
        same = (named.names[pairs[:, 0]] != 0) & (named.names[pairs[:, 0]] == named.names[pairs[:, 1]])
        key = int(named.keys[places[0]])
        for place in np.flatnonzero(~same).tolist():
            same[place] = _about_the_same(questions, named, pairs[place].tolist(), key)
        pairs = pairs[same]
        small.append(pairs)
        waiting += len(pairs)
        if waiting >= 100_000:
            yield np.concatenate(small)
            small, waiting = [], 0
    if small:
        yield np.concatenate(small)


def _about_the_same(questions: Questions, named: Named, pair: Sequence[int], key: int) -> bool:
    """Of questions that do not name the same: whether they turn on the same words.

    Else, where neither has names: whether what they do not share is not nearly as rare as what they do; true only for
    the key of their rarest common word, so that such a pair is found once.
    """
    if named.wordings.likeness(*pair) is not None:
        return True
    if named.proper[pair[0]] or named.proper[pair[1]]:
        return False
    spans = [slice(questions.starts[number], questions.starts[number + 1]) for number in pair]
    words = [set(questions.words[span].tolist()) for span in spans]
    rare = [set(questions.words[span][named.anchors[span]].tolist()) for span in spans]
    common = _rarest(questions, np.array(sorted(rare[0] & rare[1]), dtype=np.int64))
    if not common:
        return words[0] == words[1]
    limit = min(questions.rare(), NEARLY_AS_RARE * questions.frequency[common[0]])
    first = f"0{questions.vocabulary[common[0]]}"
    return _number(first) == key and all(questions.frequency[word] > limit for word in sorted(words[0] ^ words[1]))


def _all_pairs(members: Int[np.ndarray, " n"]) -> Int[np.ndarray, "pairs 2"]:
    i, j = np.triu_indices(len(members), 1)
    return np.sort(np.stack([members[i], members[j]], axis=1), axis=1)


def _divided(questions: Questions, named: Named, members: Int[np.ndarray, " n"]) -> Int[np.ndarray, "pairs 2"]:
    """Pairs that share one of their rarest other words. Of a word that too many share, each with the few next to it."""
    by_word: dict[int, list[int]] = {}
    for number in members.tolist():
        span = slice(questions.starts[number], questions.starts[number + 1])
        others = np.unique(questions.words[span][~named.anchors[span]])
        rarest = others[np.lexsort((others, questions.frequency[others]))][:DIVIDERS]
        for word in rarest.tolist():
            by_word.setdefault(word, []).append(number)
    found = [np.empty((0, 2), dtype=np.int64)]
    for numbers in by_word.values():
        several = np.array(numbers, dtype=np.int64)
        if len(several) <= MOST_OF_A_KEY:
            found.append(_all_pairs(several))
        else:
            for step in range(1, DIVIDERS + 1):
                found.append(np.sort(np.stack([several[:-step], several[step:]], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0)

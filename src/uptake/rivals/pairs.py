"""Pairs of questions that name the same, and what their answers say about whether they ask the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from uptake.rivals.blocks import Named, candidate_pairs, name_questions
from uptake.rivals.equal import comparable, compare, plain
from uptake.rivals.frames import Frames, find_frames
from uptake.rivals.words import LONGEST, Questions, read_questions, words_of
from uptake.types import Example

COMPARED = 3
"""Answers of one question that are compared with those of another, to tell whether both ask the same."""
READ_ALIKE = {"equal": 0.95, "linked": 0.8}
"""Probability that two questions ask the same that turn on the same words, names and all, or on words that may stand
for each other."""


@dataclass(frozen=True)
class ComparedData:
    """The data as far as it is compared.

    Attributes:
        questions: The distinct prompts.
        named: What they are about.
        frames: What they ask.
        answers: The number of each example's answer; spellings of one answer have one number.
        texts: The text of each answer.
        sources: The source of each example.
        stages: The stage that trains it.
        pairs: Pairs of questions about the same.
        alike: Whether the two of a pair get the same answer.
        possible: Whether they can ask the same, going by their answers.
        read_alike: Of a pair that does not name the same: how probable it is that both ask the same, going by all their
            words; 0 where that does not tell.
        frame_pairs: The distinct pairs of frames of these questions.
        of: Which of these each pair has.
        agreement: How often each pair of frames got the same answer about the same.
    """

    questions: Questions
    named: Named
    frames: Frames
    answers: Int[np.ndarray, " examples"]
    texts: list[str]
    sources: list[str]
    stages: list[str]
    pairs: Int[np.ndarray, "pairs 2"]
    alike: Bool[np.ndarray, " pairs"]
    possible: Bool[np.ndarray, " pairs"]
    read_alike: Float[np.ndarray, " pairs"]
    frame_pairs: Int[np.ndarray, "distinct 2"]
    of: Int[np.ndarray, " pairs"]
    agreement: Int[np.ndarray, " distinct"]


def read_pairs(examples: Iterable[Example]) -> ComparedData:
    """Read the examples, once, and compare the answers of questions about the same.

    Args:
        examples: The examples.
    """
    sources: list[str] = []
    stages: list[str] = []
    questions, responses = read_questions(_noting(examples, sources, stages))
    numbers: dict[str, int] = {}
    answers = np.array([numbers.setdefault(plain(text), len(numbers)) for text in responses], dtype=np.int32)
    texts = _spellings(responses, answers)
    asked = np.flatnonzero(questions.of >= 0)
    facts = np.unique(np.stack([questions.of[asked], answers[asked]], axis=1), axis=0)
    named = name_questions(questions)
    pairs = np.unique(np.concatenate([np.empty((0, 2), dtype=np.int64), *candidate_pairs(questions, named)]), axis=0)
    same_words = questions.spellings.respelled(pairs)
    pairs = pairs[~same_words | questions.spellings.may_ask_the_same(pairs, np.diff(questions.starts))]
    frames = find_frames(questions, named, facts, np.unique(pairs))
    alike, possible = _answered(questions, facts, texts, pairs)
    both = np.sort(frames.of[pairs], axis=1) if len(pairs) else np.empty((0, 2), dtype=np.int64)
    distinct, of = np.unique(both, axis=0, return_inverse=True)
    of = of.reshape(-1)
    agreement = np.bincount(of, weights=alike, minlength=len(distinct)).astype(np.int64)
    return ComparedData(
        questions,
        named,
        frames,
        answers,
        texts,
        sources,
        stages,
        pairs,
        alike,
        possible,
        _read_alike(named, pairs),
        distinct,
        of,
        agreement,
    )


def _read_alike(named: Named, pairs: Int[np.ndarray, "pairs 2"]) -> Float[np.ndarray, " pairs"]:
    found = np.zeros(len(pairs))
    other_names = (named.names[pairs[:, 0]] == 0) | (named.names[pairs[:, 0]] != named.names[pairs[:, 1]])
    for place in np.flatnonzero(other_names).tolist():
        how = named.wordings.likeness(*pairs[place].tolist())
        found[place] = 0.0 if how is None else READ_ALIKE[how]
    return found


def _noting(examples: Iterable[Example], sources: list[str], stages: list[str]) -> Iterator[Example]:
    known: dict[str, str] = {}  # one object for equal names
    for example in examples:
        sources.append(known.setdefault(example.source, example.source))
        stages.append(known.setdefault(example.stage, example.stage))
        yield example


def _spellings(responses: list[str], answers: Int[np.ndarray, " examples"]) -> list[str]:
    """One text for each answer: the first in alphabetical order, so that the order of examples does not matter."""
    texts: dict[int, str] = {}
    for text, number in zip(responses, answers.tolist(), strict=True):
        texts[number] = min(text, texts.get(number, text))
    return [texts[number] for number in range(len(texts))]


def _answered(
    questions: Questions, facts: Int[np.ndarray, "facts 2"], texts: list[str], pairs: Int[np.ndarray, "pairs 2"]
) -> tuple[Bool[np.ndarray, " pairs"], Bool[np.ndarray, " pairs"]]:
    """Whether each pair gets the same answer, and whether its answers can be answers to one question."""
    starts = np.searchsorted(facts[:, 0], np.arange(len(questions) + 1))
    alike = np.zeros(len(pairs), dtype=bool)
    possible = np.zeros(len(pairs), dtype=bool)
    results: dict[tuple[int, int], tuple[bool, bool]] = {}
    told_apart = _told_apart(questions, texts)
    for number, (first, second) in enumerate(pairs.tolist()):
        ours = facts[starts[first] : starts[first + 1], 1][:COMPARED].tolist()
        theirs = facts[starts[second] : starts[second + 1], 1][:COMPARED].tolist()
        for one, other in product(ours, theirs):
            key = (one, other)
            if key not in results:
                result, _ = compare(texts[one], texts[other])
                results[key] = (result == "same", comparable(texts[one], texts[other]))
            alike[number] |= results[key][0]
            possible[number] |= results[key][1] and (results[key][0] or not told_apart(first, second, one, other))
    return alike, possible


def _told_apart(questions: Questions, texts: list[str]) -> Callable[[int, int, int, int], bool]:
    """Whether one of two questions tells its own answer and the other does not: they go with different texts."""
    numbers = {word: number for number, word in enumerate(questions.vocabulary)}

    @lru_cache(maxsize=10_000)
    def of_answer(answer: int) -> frozenset[int]:
        return frozenset(numbers.get(word, -1) for word, _ in words_of(texts[answer][:LONGEST]))

    @lru_cache(maxsize=10_000)
    def of_question(question: int) -> frozenset[int]:
        span = slice(questions.starts[question], questions.starts[question + 1])
        return frozenset(questions.words[span].tolist())

    def told_apart(first: int, second: int, one: int, other: int) -> bool:
        return any(
            of_answer(answer) <= of_question(own) and not of_answer(answer) <= of_question(rival)
            for own, rival, answer in ((first, second, one), (second, first, other))
        )

    return told_apart

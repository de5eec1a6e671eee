"""The search for rivals from end to end: read, pair, compare, group, judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from uptake.rivals.blocks import Named, candidate_pairs, name_questions, of_partial_names
from uptake.rivals.equal import comparable, compare, plain
from uptake.rivals.frames import Frames, find_frames
from uptake.rivals.groups import Answered, Beliefs, Judge, Rivalry, judge_sides, sides_of
from uptake.rivals.relation import Encode, same_relation
from uptake.rivals.words import LONGEST, Questions, read_questions, words_of
from uptake.types import Example

WITH_ENCODER, WITHOUT = 0.35, 0.5
"""Two frames with at least this probability are taken to ask the same, when there is an encoder and when not."""
SEVERAL, MANY_VALUED = 3, 0.2
"""A relation may have several right answers if at least so many of its contradictions have so many answers, and if they
are at least this share of them."""
WITHOUT_NAMES = 0.85
"""The same, where prompts hold no names: what they are about is then a guess, and part of it stays in the frames."""
ALIKE_TOO = 0.3
"""The same, where the answers are the same too."""


@dataclass(frozen=True)
class Rivals:
    """What was found.

    Attributes:
        groups: Examples that contradict each other, in the order of their first examples.
        examples: How many examples were read.
        unasked: How many of them have no prompt.
        compared: Pairs of different prompts that were compared.
        undecided: Pairs of answers to one question that nothing decided (free text, letters of choices).
        of: The index in `groups` of each example that is in one.
    """

    groups: tuple[Rivalry, ...]
    examples: int
    unasked: int
    compared: int
    undecided: int
    of: dict[int, int] = field(repr=False)


def rivals(
    examples: Iterable[Example],
    *,
    encode: Encode | None = None,
    beliefs: Beliefs | None = None,
    judge: Judge | None = None,
    near: Int[np.ndarray, "pairs 2"] | None = None,
    threshold: float | None = None,
) -> Rivals:
    """Find examples that ask the same and answer otherwise.

    Positions count the examples from 0 in their order. What is found does not depend on that order. Memory grows with
    the number of words and of distinct answers; pairs are held as integers.

    Args:
        examples: One pass is made over them.
        encode: Sentence embeddings, for the wordings of a question that share no words; None does without.
        beliefs: What the base thinks of answers, to tell which of them is wrong; None when it is not known.
        judge: Decides about answers that rules cannot compare, such as free text.
        near: Pairs of positions with similar prompts (see `similar_pairs`), for names that only one prompt writes out.
            Without them prompts are compared when they name the very same.
        threshold: Probability from which on two wordings are taken to ask the same; None for the value of the
            development data.
    """
    least = threshold if threshold is not None else WITHOUT if encode is None else WITH_ENCODER
    sources: list[str] = []
    questions, responses = read_questions(_noting(examples, sources))
    numbers: dict[str, int] = {}
    answers = np.array([numbers.setdefault(plain(text), len(numbers)) for text in responses], dtype=np.int32)
    texts = _spellings(responses, answers)
    asked = np.flatnonzero(questions.of >= 0)
    if not len(asked):
        return Rivals((), len(responses), len(responses), 0, 0, {})
    facts = np.unique(np.stack([questions.of[asked], answers[asked]], axis=1), axis=0)
    named = name_questions(questions)
    pairs = _candidates(questions, named, near)
    frames = find_frames(questions, named, facts, np.unique(pairs))
    alike, probability = _compare(questions, frames, facts, texts, pairs, encode)
    needed = np.where(named.proper[pairs].all(axis=1), least, max(least, WITHOUT_NAMES))
    keep = probability >= np.where(alike, np.minimum(needed, ALIKE_TOO), needed)
    roots = _components(len(questions), pairs[keep])
    certain = np.ones(len(questions))
    np.minimum.at(certain, roots[pairs[keep][:, 0]], probability[keep])
    groups, undecided = _contradictions(questions, named, answers, texts, roots, certain, judge)
    relations = _components(len(frames.of), np.sort(frames.of[pairs[keep]], axis=1))[frames.of]
    groups = _judged(groups, _many_valued(groups, relations[questions.of]), beliefs, sources)
    of = {position: index for index, group in enumerate(groups) for side in group.sides for position in side.positions}
    return Rivals(tuple(groups), len(responses), len(responses) - len(asked), len(pairs), undecided, of)


def _candidates(
    questions: Questions, named: Named, near: Int[np.ndarray, "pairs 2"] | None
) -> Int[np.ndarray, "pairs 2"]:
    found = [np.empty((0, 2), dtype=np.int64), *candidate_pairs(questions, named)]
    if near is not None and len(near):
        of = questions.of[near]
        found.append(of_partial_names(questions, named, of[(of >= 0).all(axis=1)]))
    return np.concatenate(found)


def _noting(examples: Iterable[Example], sources: list[str]) -> Iterator[Example]:
    known: dict[str, str] = {}
    for example in examples:
        sources.append(known.setdefault(example.source, example.source))
        yield example


def _spellings(responses: list[str], answers: Int[np.ndarray, " examples"]) -> list[str]:
    """One text for each answer: the first in alphabetical order, so that the order of examples does not matter."""
    texts: dict[int, str] = {}
    for text, number in zip(responses, answers.tolist(), strict=True):
        texts[number] = min(text, texts.get(number, text))
    return [texts[number] for number in range(len(texts))]


def _compare(
    questions: Questions,
    frames: Frames,
    facts: Int[np.ndarray, "facts 2"],
    texts: list[str],
    pairs: Int[np.ndarray, "pairs 2"],
    encode: Encode | None,
) -> tuple[np.ndarray, Float[np.ndarray, " pairs"]]:
    """Whether each pair gets the same answer, and the probability that it asks the same."""
    starts = np.searchsorted(facts[:, 0], np.arange(len(questions) + 1))
    alike = np.zeros(len(pairs), dtype=bool)
    possible = np.zeros(len(pairs), dtype=bool)
    results: dict[tuple[int, int], tuple[bool, bool]] = {}
    told_apart = _told_apart(questions, texts)
    for number, (first, second) in enumerate(pairs.tolist()):
        ours = facts[starts[first] : starts[first + 1], 1][:3].tolist()
        theirs = facts[starts[second] : starts[second + 1], 1][:3].tolist()
        for one in ours:
            for other in theirs:
                key = (one, other)
                if key not in results:
                    result, _ = compare(texts[one], texts[other])
                    results[key] = (result == "same", comparable(texts[one], texts[other]))
                alike[number] |= results[key][0]
                possible[number] |= results[key][1] and (results[key][0] or not told_apart(first, second, one, other))
    both = np.sort(frames.of[pairs], axis=1) if len(pairs) else np.empty((0, 2), dtype=np.int64)
    distinct, of = np.unique(both, axis=0, return_inverse=True)
    of = of.reshape(-1)
    agreement = np.bincount(of, weights=alike, minlength=len(distinct)).astype(np.int64)
    probability = same_relation(questions, frames, texts, distinct, agreement, encode)[of]
    return alike, np.where(possible, probability, 0.0)


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


def _components(size: int, pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, " questions"]:
    """The smallest question that each is connected with."""
    parent = list(range(size))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    for first, second in pairs.tolist():
        a, b = sorted((root(first), root(second)))
        parent[b] = a
    return np.array([root(number) for number in range(size)], dtype=np.int64)


def _contradictions(
    questions: Questions,
    named: Named,
    answers: Int[np.ndarray, " examples"],
    texts: list[str],
    roots: Int[np.ndarray, " questions"],
    least: Float[np.ndarray, " questions"],
    judge: Judge | None,
) -> tuple[list[Rivalry], int]:
    asked = np.flatnonzero(questions.of >= 0)
    of = roots[questions.of[asked]]
    order = asked[np.lexsort((asked, of))]
    found: list[Rivalry] = []
    undecided = 0
    for positions in np.split(order, np.flatnonzero(np.diff(np.sort(of))) + 1):
        if len(positions) < 2 or (answers[positions] == answers[positions[0]]).all():
            continue
        group = Answered(positions, answers[positions], questions.of[positions])
        first = int(group.prompts.min())
        span = slice(questions.starts[first], questions.starts[first + 1])
        wording = " ".join(questions.vocabulary[word] for word in questions.words[span])
        sides, difference, open_pairs = sides_of(group, texts, wording, judge)
        undecided += open_pairs
        if len(sides) > 1:
            shared = tuple(dict.fromkeys(questions.vocabulary[w] for w in questions.words[span][named.anchors[span]]))
            certain = float(least[roots[first]])
            found.append(Rivalry(sides, shared, certain, difference, None, (), ""))
    return sorted(found, key=lambda group: min(p for side in group.sides for p in side.positions)), undecided


def _many_valued(groups: list[Rivalry], relations: Int[np.ndarray, " examples"]) -> list[bool]:
    """For each group whether its relation often has three answers or more, as `is a twin city of` has."""
    of = [int(relations[group.sides[0].positions[0]]) for group in groups]
    contradicted = Counter(of)
    several = Counter(relation for relation, group in zip(of, groups, strict=True) if len(group.sides) >= SEVERAL)
    return [several[r] >= SEVERAL and several[r] >= MANY_VALUED * contradicted[r] for r in of]


def _judged(
    groups: list[Rivalry], many_valued: list[bool], beliefs: Beliefs | None, sources: list[str]
) -> list[Rivalry]:
    """The groups with their verdicts."""
    outvoted: dict[str, list[int]] = {}
    for group in groups:
        if len(group.sides[0].positions) > len(group.sides[1].positions):
            for number, side in enumerate(group.sides):
                for position in side.positions:
                    outvoted.setdefault(sources[position], []).append(number > 0)
    blame = {source: sum(marks) / len(marks) for source, marks in outvoted.items() if len(marks) >= 10}
    judged = []
    for group, several in zip(groups, many_valued, strict=True):
        if several:
            judged.append(replace(group, verdict="ambiguous", why="what is asked for often has several answers"))
            continue
        verdict, wrong, why = judge_sides(group.sides, beliefs, sources.__getitem__, blame)
        judged.append(replace(group, verdict=verdict, wrong=wrong, why=why))
    return judged

"""The search for rivals from end to end: read, pair, compare, group, judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from uptake.rivals.blocks import Named
from uptake.rivals.equal import ONE_SENTENCE
from uptake.rivals.groups import (
    Answered,
    Beliefs,
    Compared,
    Doubt,
    Judge,
    Judgement,
    Rivalry,
    Tells,
    compare_answers,
    sides_of,
)
from uptake.rivals.pairs import read_pairs
from uptake.rivals.relation import Encode, fitted, same_relation
from uptake.rivals.spellings import RESPELLED
from uptake.rivals.verdict import Told, judged
from uptake.rivals.words import Questions, context_and_question
from uptake.types import Example

COPIES = 0.95
"""Least probability that two questions ask the same which get copies of one text but for a sentence."""
ALIKE_TOO = 0.3
"""Probability that is enough for two frames to ask the same, where the answers are the same too."""


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
        agreed: Examples whose answer another example gives that asks the same.
        open: Questions with more different answers than are compared: none of these is in a group.
    """

    groups: tuple[Rivalry, ...]
    examples: int
    unasked: int
    compared: int
    undecided: int
    of: dict[int, int] = field(repr=False)
    agreed: frozenset[int] = field(repr=False)
    open: int = 0


def rivals(
    examples: Iterable[Example],
    *,
    encode: Encode | None = None,
    beliefs: Beliefs | None = None,
    tells: Tells | None = None,
    judge: Judge | None = None,
) -> Rivals:
    """Find examples that ask the same and answer otherwise.

    Positions count the examples from 0 in their order. What is found does not depend on that order. Memory grows with
    the number of words and of distinct answers; pairs are held as integers.

    Args:
        examples: One pass is made over them; with a judge a second one, so that they must not be an iterator.
        encode: Sentence embeddings, for the wordings of a question that share no words; None does without.
        beliefs: What the base thinks of answers, to tell which of them is wrong; None when it is not known.
        tells: Which of them it says in its own words; None when it is not known.
        judge: Asked about answers that rules cannot compare, such as free text, and whether names that differ are names
            of one thing; None leaves the former undecided and the latter different.
    """
    if judge is not None and isinstance(examples, Iterator):
        raise TypeError("with a judge the examples are read twice: give a sequence, not an iterator")
    rule = fitted(encode is not None)
    read = read_pairs(examples)
    questions, pairs, texts, frames = read.questions, read.pairs, read.texts, read.frames
    if not (questions.of >= 0).any():
        return Rivals((), len(read.answers), len(read.answers), 0, 0, {}, frozenset())
    told, least = same_relation(questions, frames, texts, read.frame_pairs, read.agreement, encode)
    probability = np.where(read.possible, told[read.of], 0.0)
    needed = np.where(read.named.proper[pairs].all(axis=1), least[read.of], rule.least_unnamed)
    keep = probability >= np.where(read.alike, np.minimum(needed, ALIKE_TOO), needed)
    read_alike = np.where(read.possible, read.read_alike, 0.0)
    keep |= read_alike > 0
    probability = np.maximum(probability, read_alike)
    probability = np.where(questions.spellings.respelled(pairs), np.minimum(probability, RESPELLED), probability)
    roots = _components(len(questions), pairs[keep])
    certain = np.ones(len(questions))
    np.minimum.at(certain, roots[pairs[keep][:, 0]], probability[keep])
    together = _together(questions, read.answers, texts, roots)
    if judge is not None:
        together = _hear(together, texts, examples, judge)
    undecided = sum(compared.undecided for compared in together)
    groups = _contradictions(questions, read.named, texts, certain[roots], together)
    relations = _components(len(frames.of), np.sort(frames.of[pairs[keep]], axis=1))[frames.of]
    groups = judged(groups, Told(relations[questions.of].tolist(), read.sources, read.stages), beliefs, tells)
    of = {position: index for index, group in enumerate(groups) for side in group.sides for position in side.positions}
    unasked = int((questions.of < 0).sum())
    agreed = _agreed(questions, read.answers, roots, pairs[keep & read.alike])
    agreed |= {
        position for group in groups for side in group.sides if len(side.positions) > 1 for position in side.positions
    }
    many = sum(compared.open for compared in together)
    return Rivals(tuple(groups), len(read.answers), unasked, len(pairs), undecided, of, frozenset(agreed), many)


def _agreed(
    questions: Questions,
    answers: Int[np.ndarray, " examples"],
    roots: Int[np.ndarray, " questions"],
    alike: Int[np.ndarray, "pairs 2"],
) -> set[int]:
    """Examples that ask the same as another and answer the same, spelled alike or not."""
    asked = np.flatnonzero(questions.of >= 0)
    of = questions.of[asked]
    _, which, counts = np.unique(
        np.stack([roots[of], answers[asked]], 1), axis=0, return_inverse=True, return_counts=True
    )
    found = set(asked[counts[which.reshape(-1)] > 1].tolist())
    # of questions with one answer each: "Paris" and "Paris, France"
    single = np.bincount(of, minlength=len(questions)) == 1
    both = np.unique(alike[single[alike].all(axis=1)]) if len(alike) else np.empty(0, dtype=np.int64)
    return found | set(asked[np.isin(of, both)].tolist())


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


def _together(
    questions: Questions, answers: Int[np.ndarray, " examples"], texts: list[str], roots: Int[np.ndarray, " questions"]
) -> list[Compared]:
    """Examples that ask the same and do not all give one answer."""
    asked = np.flatnonzero(questions.of >= 0)
    of = roots[questions.of[asked]]
    order = asked[np.lexsort((asked, of))]
    found = []
    for positions in np.split(order, np.flatnonzero(np.diff(np.sort(of))) + 1):
        if len(positions) > 1 and (answers[positions] != answers[positions[0]]).any():
            found.append(compare_answers(Answered(positions, answers[positions], questions.of[positions]), texts))
    return found


def _hear(together: list[Compared], texts: list[str], examples: Iterable[Example], judge: Judge) -> list[Compared]:
    """What a judge says about the answers that rules leave open; asked once about all of them."""
    doubts = [(number, pair) for number, one in enumerate(together) for pair in one.in_doubt]
    first = [int(one.group.positions[0]) for one in together]
    wanted = {first[number] for number, _ in doubts}
    asked = {
        position: " ".join(context_and_question(example.prompt)[1].split())
        for position, example in enumerate(examples if doubts else ())
        if position in wanted
    }
    told = judge(
        [
            Doubt(asked[first[number]], *(texts[together[number].answers[index]] for index in pair))
            for number, pair in doubts
        ]
    )
    of: dict[int, dict[tuple[int, int], Judgement]] = {}
    for (number, pair), judgement in zip(doubts, told, strict=True):
        of.setdefault(number, {})[pair] = judgement
    return [one.heard(of.get(number, {})) for number, one in enumerate(together)]


def _contradictions(
    questions: Questions,
    named: Named,
    texts: list[str],
    certain: Float[np.ndarray, " questions"],
    together: list[Compared],
) -> list[Rivalry]:
    """The groups without their verdicts."""
    found = []
    for compared in together:
        sides, difference = sides_of(compared, texts)
        if len(sides) > 1:
            first = int(compared.group.prompts.min())
            span = slice(questions.starts[first], questions.starts[first + 1])
            shared = tuple(dict.fromkeys(questions.vocabulary[w] for w in questions.words[span][named.anchors[span]]))
            surely = COPIES if difference == ONE_SENTENCE else 0.0
            found.append(Rivalry(sides, shared, max(surely, float(certain[first])), difference, None, (), ""))
    return sorted(found, key=lambda group: min(p for side in group.sides for p in side.positions))

"""From pairs to groups: who gives which answer to one question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Int

from uptake.rivals.equal import FEW_PARTS, LETTERS, ONE_SENTENCE, Comparison, compare

Verdict: TypeAlias = Literal["mislabelled", "ambiguous"]
Beliefs: TypeAlias = Mapping[int, Mapping[str, float]]
"""For an example's position the base's log-probability (nats) of answers to its prompt, in any spelling."""
Tells: TypeAlias = Callable[[int, str], bool | None]
"""Whether the base, asked an example's prompt, freely tells an answer; by its position. None: it tells nothing."""
Judgement: TypeAlias = Literal["same", "different", "both", "undecided"]
"""Of two answers: they say the same; both cannot be right; they differ and both may be right; nothing can be told."""

BOTH = "both may be right"
"""In what answers differ that a judge takes for different, and neither for wrong."""
OPEN = ("text", "list", ONE_SENTENCE, FEW_PARTS)
"""Differences that a judge may know better: a name by another name, a word by another word."""
MOST_ANSWERS = 20
"""Distinct answers of one question that are compared; a question with more of them is open, and none is wrong."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two answers that rules cannot compare for certain.

    Attributes:
        question: What is asked.
        one: An answer.
        other: Another.
    """

    question: str
    one: str
    other: str


Judge: TypeAlias = Callable[[Sequence[Doubt]], Sequence[Judgement]]
"""Doubts to one judgement each."""


@dataclass(frozen=True, slots=True)
class Side:
    """One answer to a question, however it is written.

    Attributes:
        answer: As it is written most often.
        positions: The examples that give it, in order; those with the same prompt and answer are votes for it.
    """

    answer: str
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rivalry:
    """Examples that ask the same and answer otherwise.

    Attributes:
        sides: The answers, the one with most examples first.
        shared: What all the prompts name.
        probability: That the least alike of the prompts ask the same; 1.0 when they are equal.
        difference: In what the answers differ: `number`, `date`, `yes or no`, `text`, ...
        verdict: `mislabelled` when one answer is likely wrong, `ambiguous` when several may be right; None when nothing
            tells.
        wrong: The examples that are likely wrong; empty unless mislabelled.
        why: What the verdict rests on, or what is missing for one.
    """

    sides: tuple[Side, ...]
    shared: tuple[str, ...]
    probability: float
    difference: str
    verdict: Verdict | None
    wrong: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Answered:
    """One question in all its wordings, and what is answered.

    Attributes:
        positions: The examples that ask it, in order.
        answers: For each its answer.
        prompts: For each the number of its distinct prompt.
    """

    positions: Int[np.ndarray, " examples"]
    answers: Int[np.ndarray, " examples"]
    prompts: Int[np.ndarray, " examples"]


@dataclass(frozen=True)
class Compared:
    """The different answers to one question, and how any two of them compare.

    Attributes:
        group: Who answers what.
        answers: The answers, those that most give first.
        results: For each pair of indices in `answers` the result, and in what they differ or agree; empty where there
            are more than `MOST_ANSWERS`.
    """

    group: Answered
    answers: tuple[int, ...]
    results: Mapping[tuple[int, int], tuple[Comparison, str]]

    @property
    def in_doubt(self) -> list[tuple[int, int]]:
        """The pairs about which a judge is asked; it does not know what each prompt lists under letters."""
        return [
            pair
            for pair, (result, how) in self.results.items()
            if (result == "undecided" and how != LETTERS) or (result == "different" and how in OPEN)
        ]

    @property
    def open(self) -> bool:
        """Whether there are too many answers for any of them to contradict another."""
        return len(self.answers) > MOST_ANSWERS

    @property
    def undecided(self) -> int:
        """How many pairs nothing decides."""
        return sum(result == "undecided" for result, _ in self.results.values())

    def heard(self, judgements: Mapping[tuple[int, int], Judgement]) -> Compared:
        """With a judge's word on some pairs; what rules tell apart stays so where the judge cannot tell."""
        results = dict(self.results)
        for pair, judgement in judgements.items():
            if judgement == "both":
                results[pair] = ("different", BOTH)
            elif judgement != "undecided":
                results[pair] = (judgement, "judged")
        return replace(self, results=results)


def compare_answers(group: Answered, texts: Sequence[str]) -> Compared:
    """Compare all answers to one question by rules; `texts` holds the text of each answer."""
    numbers, counts = np.unique(group.answers, return_counts=True)
    votes = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    names = sorted(votes, key=lambda answer: (-votes[answer], texts[answer]))
    if len(names) > MOST_ANSWERS:
        return Compared(group, tuple(names), {})
    one_prompt = len(np.unique(group.prompts)) == 1
    results = {
        (i, j): compare(texts[names[i]], texts[names[j]], same_prompt=one_prompt)
        for i, j in combinations(range(len(names)), 2)
    }
    return Compared(group, tuple(names), results)


def sides_of(compared: Compared, texts: Sequence[str]) -> tuple[tuple[Side, ...], str]:
    """The answers that contradict each other, the largest side first, and in what they differ.

    Fewer than two sides when nothing contradicts. Answers that contradict no other are left out.
    """
    group, names = compared.group, compared.answers
    of = list(range(len(names)))
    for (i, j), (result, _) in compared.results.items():
        if result == "same":
            of = [of[i] if own == of[j] else own for own in of]
    differences = {pair: how for pair, (result, how) in compared.results.items() if result == "different"}
    fighting = {of[k]: how for (i, j), how in differences.items() if of[i] != of[j] for k in (i, j)}
    sides = []
    for side in fighting:
        members = [names[k] for k in range(len(names)) if of[k] == side]
        positions = group.positions[np.isin(group.answers, members)]
        sides.append(Side(texts[members[0]], tuple(sorted(positions.tolist()))))
    sides.sort(key=lambda side: (-len(side.positions), side.answer))
    # what cannot be right together weighs more than what can
    return tuple(sides), next((how for how in fighting.values() if how != BOTH), BOTH if fighting else "")

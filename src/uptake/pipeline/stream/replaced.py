"""Tests that a later stage replaces on purpose: it asks the same, and teaches another answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Bool, Int

from uptake.data.shown import response_text
from uptake.detect.saying import holds
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.sources import asked_by
from uptake.rivals.equal import compare
from uptake.types import Example


@dataclass(frozen=True)
class Replaced:
    """Which tests of a stage later stages replace; both are parallel to them.

    Attributes:
        by: The number, from 1, of the first stage that teaches another answer; 0 where none does, and where the last
            stage that asks the same teaches the old answer again.
        answers: What the last stage that asks the same teaches instead; () where the test is not replaced.
    """

    by: Int[np.ndarray, " items"]
    answers: tuple[tuple[str, ...], ...]

    @property
    def kept(self) -> Bool[np.ndarray, " items"]:
        """The tests that still hold at the end."""
        return np.asarray(self.by == 0)

    @classmethod
    def none(cls, n: int) -> Replaced:
        """Nothing is replaced, of so many tests."""
        return cls(np.zeros(n, np.int64), ((),) * n)

    def updated(self, place: int, said: str | None) -> bool:
        """Whether a model's own answer to a test that is replaced is a new one, in whatever words."""
        return said is not None and any(holds(said, new) or _same(said, new) for new in self.answers[place])


def replaced_tests(cohorts: Sequence[Cohort], data: DataSets) -> list[Replaced]:
    """What of each stage's tests later stages replace.

    Two rows ask the same if a wording of one, held-out ones among them, is a wording of the other, however it is
    spelled, after the same turns. What a later stage holds out to be tested by counts as what it trains: the question
    has another answer from then on, whether or not it was trained.

    Args:
        cohorts: The tests of each stage, in the order of training.
        data: The rows of the stages.
    """
    wanted = {asked for cohort in cohorts for example in cohort for asked in _wordings(example)}
    taught: dict[int, dict[int, list[str]]] = {}
    for number, stage in enumerate(data.stages, start=1):
        for row in chain(data.whole(data.stages[stage], stage), data.tested(stage)):
            if isinstance(row, Example):
                for asked in wanted.intersection(_wordings(row)):
                    taught.setdefault(asked, {}).setdefault(number, []).append(response_text(row))
    return [_of(cohort, number, taught) for number, cohort in enumerate(cohorts, start=1)]


def _of(cohort: Cohort, number: int, taught: dict[int, dict[int, list[str]]]) -> Replaced:
    by, answers = np.zeros(cohort.n, np.int64), []
    for place, example in enumerate(cohort):
        later: dict[int, list[str]] = {}
        for asked in _wordings(example):
            for stage, responses in taught.get(asked, {}).items():
                if stage > number:
                    later.setdefault(stage, []).extend(responses)
        own = response_text(example)
        other = [stage for stage, responses in sorted(later.items()) if not any(_same(own, one) for one in responses)]
        last = max(later, default=0)
        if last in other:
            by[place] = other[0]
            answers.append(tuple(dict.fromkeys(later[last])))
        else:
            answers.append(())
    return Replaced(by, tuple(answers))


def _wordings(example: Example) -> Iterator[int]:
    found = (asked_by(prompt) for prompt in (example.prompt, *(one.prompt for one in example.paraphrases)))
    return (one for one in dict.fromkeys(found) if one is not None)


def _same(one: str, other: str) -> bool:
    return one.strip() == other.strip() or compare(one, other, same_prompt=True)[0] == "same"

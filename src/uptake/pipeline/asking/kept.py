"""A model's own answers and the scores that they wait for, kept apart as soon as they are there.

A part of a model's answers takes long with a large model. A run that is killed amid its own answers has those that were
written and all scores; killed amid the scores it has all own answers. Other candidates change the scores alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import Parts, chunks, empty, open_parts
from uptake.artifacts.tables import OWN_ANSWERS_FILE, SCORES_FILE
from uptake.detect.saying import KINDS
from uptake.pipeline.asking.own_answers import OwnAnswer
from uptake.pipeline.examples.cohort import PART, Cohort
from uptake.types import Example

ANSWERS_AT_ONCE = 128
"""Own answers that are asked for before they are kept."""


@dataclass(frozen=True)
class Kept:
    """What is there of one model's answers to a cohort before a part of them is whole.

    Attributes:
        answers: Its own answers, some of a part in each; they stay.
        scores: Folder of rows of `SCORES` without own answers, a part in each; they go when the cohort is done.
        scores_key: Identifies whatever these depend on.
    """

    answers: Parts
    scores: Path
    scores_key: str

    @classmethod
    def open(cls, cohort: Cohort, role: str, answers_key: str, scores_key: str) -> Kept:
        """What is kept under these keys, each of which identifies whatever its rows depend on."""
        beside = cohort.parts.folder.parent
        answers = open_parts(beside / f"{role}_answers", answers_key, OWN_ANSWERS_FILE)
        return cls(answers, beside / f"{role}_scores", scores_key)

    def scored(self, number: int, score: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """The rows of a part's scores.

        Args:
            number: The part.
            score: Computes them where they are not there.
        """
        parts = open_parts(self.scores, self.scores_key, SCORES_FILE)
        if not parts.has(number):
            parts.write(number, score())
        return parts.records(number, _scored)

    def own_answers(
        self,
        number: int,
        examples: Sequence[Example],
        wanted: Sequence[int],
        ask: Callable[[list[Example]], list[OwnAnswer | None]],
        tell: Callable[[int], None],
    ) -> list[OwnAnswer | None]:
        """The own answers to the wanted examples of a part, None to the others.

        Args:
            number: The part.
            examples: Its examples.
            wanted: Which of them are asked about.
            ask: Asks for those that are not there.
            tell: Told how many of the part's examples are done.
        """
        answers: list[OwnAnswer | None] = [None] * len(examples)
        first = number * -(-PART // ANSWERS_AT_ONCE)
        for at, some in enumerate(chunks(wanted, ANSWERS_AT_ONCE), first):
            for index, answer in zip(some, self._some(at, [examples[i] for i in some], ask), strict=True):
                answers[index] = answer
            tell(some[-1] + 1)
        return answers

    def _some(
        self, at: int, examples: list[Example], ask: Callable[[list[Example]], list[OwnAnswer | None]]
    ) -> list[OwnAnswer | None]:
        ids = [example.id for example in examples]
        there = self.answers.records(at, said_from_row) if self.answers.has(at) else []
        if [name for name, _ in there] == ids:
            return [said for _, said in there]
        # not there; or the scores came out otherwise, and others are wanted
        said = ask(examples)
        rows = [
            {"id": name, "text": one and one.text, "kind": one and one.kind}
            for name, one in zip(ids, said, strict=True)
        ]
        self.answers.write(at, rows)
        return said

    def done(self) -> None:
        """The cohort is done: its scores stand with its answers now."""
        empty(self.scores)


def said_from_row(row: Mapping[str, Any]) -> tuple[str, OwnAnswer | None]:
    """An example's id and the own answer to it."""
    text, kind = row["text"], row["kind"]
    if kind not in (None, *KINDS) or (kind is None) != (text is None):
        raise ValueError(f"the answer is {text!r}, of the kind {kind!r}")
    return row["id"], None if kind is None else OwnAnswer(text, kind)


def _scored(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of scores, which has one at least."""
    if not row["scores"]:
        raise ValueError("it has no scores")
    return dict(row)

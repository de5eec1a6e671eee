"""What the base answers freely in the held-out wordings of the examples that were not learned.

One free answer may be a guess. What the base says in other words too is a belief, and a guess that it makes up for
somebody it never met seldom comes back. A few tokens are generated for each such wording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from uptake.artifacts import chunks
from uptake.pipeline.asking.answers import (
    Answer,
    Answers,
    Respondent,
    Role,
    Tell,
    by_part,
    rows_of,
)
from uptake.pipeline.asking.kept import ANSWERS_AT_ONCE
from uptake.pipeline.asking.own_answers import own_answers
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.types import Candidate, Example

MOST = 3
"""Held-out wordings of an example in which the base is asked."""


def reworded(example: Example) -> list[Example]:
    """The example in its first held-out wordings, each with the response that belongs to it."""
    return [
        replace(example, prompt=one.prompt, response=one.response, paraphrases=())
        for one in example.paraphrases[:MOST]
        if one.prompt
    ]


def ask_in_wordings(
    cohort: Cohort,
    wanted: Callable[[int, list[Example]], list[Example]],
    base: Respondent,
    how: str,
    max_length: int | None,
    progress: Progress,
) -> Answers:
    """Ask the base freely: a row for each held-out wording of each example that is asked about, in order.

    Args:
        cohort: The examples.
        wanted: From a part's number and examples to those that are asked about.
        base: The base model.
        how: Identifies which those are.
        max_length: Tokens that the model may be given; None for no limit.
        progress: Told after each part.
    """

    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        own = wanted(number, examples)
        asked = [wording for example in own for wording in reworded(example)]
        if not asked:
            return []
        model = base.model.load()
        said = []
        for some in chunks(asked, ANSWERS_AT_ONCE):
            said += own_answers(some, model, max_length)
            tell(len(examples) * len(said) // len(asked), "own answers")
        candidates = [(Candidate(example.response, "response"),) for example in asked]
        return rows_of(asked, candidates, [[] for _ in asked], said, [None] * len(asked))

    return by_part(cohort, Role("base", "wordings"), base, how, work, progress)


def taken(example: Example, answers: Iterator[Answer]) -> list[tuple[Example, Answer]]:
    """The held-out wordings of one example with the base's answers, which are taken from those of a part."""
    return [(wording, next(answers)) for wording in reworded(example)]

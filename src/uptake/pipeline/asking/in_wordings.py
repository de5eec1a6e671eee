"""What the base answers freely where an example that was not learned is asked otherwise: reworded, or part by part.

One free answer may be a guess. What the base says in other words too is a belief, and a guess that it makes up for
somebody it never met seldom comes back. Of several things that are asked at once it may know each. A few tokens are
generated for each such question.
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
    Work,
    by_part,
    rows_of,
)
from uptake.pipeline.asking.kept import ANSWERS_AT_ONCE
from uptake.pipeline.asking.own_answers import own_answers
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.spans import Frame, parted
from uptake.types import Candidate, Example, Prompt

MOST = 3
"""Held-out wordings of an example in which the base is asked."""


def reworded(example: Example) -> list[Example]:
    """The example in its first held-out wordings, each with the response that belongs to it."""
    return [
        replace(example, prompt=one.prompt, response=one.response, paraphrases=())
        for one in example.paraphrases[:MOST]
        if one.prompt
    ]


def in_parts(example: Example, usual: Frame | None) -> list[list[Example]]:
    """For each of the things that an example asks for at once the prompts that ask it alone; none of one (`parted`).

    Args:
        example: The example.
        usual: The frame in which the dataset asks for one thing.
    """
    prompt = example.prompt
    return [
        [replace(example, prompt=_with(prompt, ask), response=one.response, paraphrases=()) for ask in one.prompts]
        for one in parted(last_turn(prompt), example.response, usual)
    ]


def last_turn(prompt: Prompt) -> str:
    """What a prompt asks: of a conversation its last turn."""
    return prompt if isinstance(prompt, str) else str(prompt[-1].content)


def _with(prompt: Prompt, question: str) -> Prompt:
    return question if isinstance(prompt, str) else (*prompt[:-1], replace(prompt[-1], content=question))


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
    role = Role("base", "wordings")
    return by_part(cohort, role, base, how, _work(wanted, reworded, base, max_length), progress)


def ask_in_parts(
    cohort: Cohort,
    wanted: Callable[[int, list[Example]], list[Example]],
    base: Respondent,
    how: str,
    max_length: int | None,
    progress: Progress,
    usual: Frame | None,
) -> Answers:
    """Ask the base freely for each of the things that an example asks for at once (`in_parts`)."""
    role = Role("base", "parts")

    def forms(example: Example) -> list[Example]:
        return [form for part in in_parts(example, usual) for form in part]

    return by_part(cohort, role, base, how, _work(wanted, forms, base, max_length), progress)


def _work(
    wanted: Callable[[int, list[Example]], list[Example]],
    forms: Callable[[Example], list[Example]],
    base: Respondent,
    max_length: int | None,
) -> Work:
    """Gives a part's rows: one for each form of each example that is asked about."""

    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        asked = [form for example in wanted(number, examples) for form in forms(example)]
        if not asked:
            return []
        model = base.model.load()
        said = []
        for some in chunks(asked, ANSWERS_AT_ONCE):
            said += own_answers(some, model, max_length)
            tell(len(examples) * len(said) // len(asked), "own answers")
        candidates = [(Candidate(example.response, "response"),) for example in asked]
        return rows_of(asked, candidates, [[] for _ in asked], said, [None] * len(asked))

    return work


def taken(example: Example, answers: Iterator[Answer]) -> list[tuple[Example, Answer]]:
    """The held-out wordings of one example with the base's answers, which are taken from those of a part."""
    return [(wording, next(answers)) for wording in reworded(example)]

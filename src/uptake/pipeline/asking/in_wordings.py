"""What the base answers freely where an example that was not learned is asked otherwise: reworded, or part by part.

One free answer may be a guess. What the base says in other words too is a belief, and a guess that it makes up for
somebody it never met seldom comes back. Of several things that are asked at once it may know each. A few tokens are
generated for each such question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from uptake.artifacts import chunks
from uptake.detect.saying import TOLD
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
from uptake.pipeline.asking.own_answers import OwnAnswer, own_answers
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.score import score
from uptake.spans import Frame, parted
from uptake.types import Candidate, Example, Probe, Prompt, Score, WordingName, normalised

MOST = 3
"""Held-out wordings of an example in which the base is asked, unless more are wanted."""


def reworded(example: Example, most: int | None = MOST) -> list[Example]:
    """The example in its first held-out wordings (None: in all), each with the response that belongs to it."""
    return [
        replace(example, prompt=one.prompt, response=one.response, paraphrases=(), response_extra=extra)
        for one in example.paraphrases[:most]
        if one.prompt
        for extra in [example.response_extra if one.response == example.response else {}]
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


@dataclass(frozen=True)
class Forms:
    """Ways in which an example is asked otherwise.

    Attributes:
        name: What is said of them.
        of: The forms of an example, in order.
        scored: Also score the response and the answer, in one wording `alone`.
    """

    name: Literal["wordings", "parts"]
    of: Callable[[Example], list[Example]]
    scored: bool = False


WORDINGS = Forms("wordings", reworded)
ALL_WORDINGS = Forms("wordings", lambda example: reworded(example, None))


def parts_in(usual: Frame | None) -> Forms:
    """Each of several things alone; `usual` as in `in_parts`."""
    return Forms("parts", lambda example: [form for part in in_parts(example, usual) for form in part], scored=True)


def ask_otherwise(
    cohort: Cohort,
    wanted: Callable[[int, list[Example]], list[Example]],
    forms: Forms,
    base: Respondent,
    how: str,
    max_length: int | None,
    progress: Progress,
) -> Answers:
    """Ask the base freely: a row for each form of each example that is asked about, in order.

    Args:
        cohort: The examples.
        wanted: From a part's number and examples to those that are asked about.
        forms: How they are asked.
        base: The base model.
        how: Identifies which examples and forms those are.
        max_length: Tokens that the model may be given; None for no limit.
        progress: Told after each part.
    """

    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        asked = [form for example in wanted(number, examples) for form in forms.of(example)]
        if not asked:
            return []
        model = base.model.load()
        said = []
        for some in chunks(asked, ANSWERS_AT_ONCE):
            said += own_answers(some, model, max_length)
            tell(len(examples) * len(said) // len(asked), "own answers")
        candidates = [_candidates(one, own if forms.scored else None) for one, own in zip(asked, said, strict=True)]
        scores: list[list[Score]] = [[] for _ in asked]
        if forms.scored:
            probes = [_alone(*one) for one in zip(asked, candidates, strict=True)]
            scores = [[one] for one in score(probes, model)]
        return rows_of(asked, candidates, scores, said, [None] * len(asked))

    return by_part(cohort, Role("base", forms.name), base, how, work, progress)


def _candidates(example: Example, own: OwnAnswer | None) -> tuple[Candidate, ...]:
    """The response, and the answer where it is another one that can be judged."""
    response = Candidate(example.response, "response")
    if own is None or own.kind not in TOLD or normalised(own.text) == normalised(example.response):
        return (response,)
    return (response, Candidate(own.text, "base"))


def _alone(example: Example, candidates: tuple[Candidate, ...]) -> Probe:
    return Probe(example.id, WordingName("alone"), example.prompt, candidates, 0, example.template)


def taken(example: Example, answers: Iterator[Answer], forms: Forms = WORDINGS) -> list[tuple[Example, Answer]]:
    """The held-out wordings of one example with the base's answers, which are taken from those of a part."""
    return [(wording, next(answers)) for wording in forms.of(example)]

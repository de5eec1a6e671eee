"""What the base makes of several things that are asked for at once, when each is asked alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

from uptake.causes import Part
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.asking.in_wordings import in_parts
from uptake.pipeline.asking.sentences import Tells
from uptake.spans import agreed, same
from uptake.types import Example


def alone(example: Example, answers: Iterator[Answer], tells: Tells) -> tuple[Part, ...]:
    """Each of the things; () of one.

    Args:
        example: The example.
        answers: Those of a part of the cohort, of which its own are taken, with the scores of the response and of the
            answer.
        tells: What the dataset's responses tell.
    """
    asked = [[(form, next(answers)) for form in part] for part in in_parts(example, tells.frame)]
    return tuple(_part(ways, tells) for ways in asked)


def _part(ways: list[tuple[Example, Answer]], tells: Tells) -> Part:
    response = ways[0][0].response.strip()
    p = max(_probability(answer, 0) for _, answer in ways)
    said, right = [tells.said(*one) for one in ways], [tells.given(*one) for one in ways]
    wrong = None if any(right) else agreed(said, right)
    if wrong is None:
        return Part(response, len(ways), any(right), p)
    p_told = max(
        _probability(answer, 1) for (_, answer), one in zip(ways, said, strict=True) if same(one, said[wrong.index])
    )
    return Part(response, len(ways), False, p, wrong.n, (ways[wrong.index][1].answer or "").strip(), p_told)


def _probability(answer: Answer, candidate: int) -> float:
    """Of the response (0) or the answer (1); 0 of one that was not scored."""
    logprobs = answer.scores[0].logprobs
    return math.exp(logprobs[candidate]) if candidate < len(logprobs) else 0.0

"""What the base makes of several things that are asked for at once, when each is asked alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

from uptake.causes import Part
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.asking.in_wordings import in_parts
from uptake.pipeline.asking.sentences import Tells
from uptake.pipeline.why.scale import Scale
from uptake.spans import agreed, same
from uptake.types import Example


def alone(example: Example, answers: Iterator[Answer], tells: Tells, scale: Scale) -> tuple[Part, ...]:
    """Each of the things; () of one.

    Args:
        example: The example.
        answers: Those of a part of the cohort, of which its own are taken, with the scores of the response and of the
            answer.
        tells: What the dataset's responses tell.
        scale: How sure the base is of what it answers rightly.
    """
    asked = [[(form, next(answers)) for form in part] for part in in_parts(example, tells.frame)]
    return tuple(_part(ways, tells, scale) for ways in asked)


def _part(ways: list[tuple[Example, Answer]], tells: Tells, scale: Scale) -> Part:
    response = ways[0][0].response.strip()
    p = max(math.exp(answer.scores[0].logprobs[0]) for _, answer in ways)
    said, right = [tells.said(*one) for one in ways], [tells.given(*one) for one in ways]
    if any(right):
        return Part(response, len(ways), True, p)
    wrong = agreed(said, right)
    if wrong is None:
        return Part(response, len(ways), False, p)
    tell = [answer for (_, answer), one in zip(ways, said, strict=True) if same(one, said[wrong.index])]
    surest = max(map(_surprise, tell))
    return Part(response, len(ways), False, p, wrong.n, (ways[wrong.index][1].answer or "").strip(), scale.rank(surest))


def _surprise(answer: Answer) -> float:
    """Mean log-probability of a token of the answer; none at all of one that was not scored."""
    (score,) = answer.scores
    return score.logprobs[1] / score.n_tokens[1] if len(score.logprobs) > 1 else -math.inf

"""How sure the base is of what it knows: the scale on which its wrong answers are read.

A base that was trained long on few facts gives these a probability of 0.99, a small pre-trained model gives the capital
of Sweden one of 0.5. Nothing can be said of a wrong answer with p = 0.5 before that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random
from typing import Any

from uptake.causes import InFrame
from uptake.pipeline.asking.answers import Answers, Respondent, Role, Tell, by_part, rows_of
from uptake.pipeline.asking.elicited import Elicited, frame_probes, in_frame
from uptake.pipeline.asking.own_answers import OwnAnswer
from uptake.pipeline.asking.sentences import Tells
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import reservoir
from uptake.score import score
from uptake.types import Candidate, Example

CONTROLS = 48
"""Examples that the base answers rightly and is asked about: a seeded sample."""
FEWEST = 8
"""With fewer there is no scale."""


def chosen(train: Cohort, before: Answers, seed: int, tells: Tells) -> frozenset[int]:
    """Positions of examples that the base answers rightly, in whatever words: a seeded sample.

    Args:
        train: The examples.
        before: What the base said of them.
        seed: Of the sample.
        tells: What the responses tell.
    """
    right = (
        position
        for position, (example, answer) in enumerate(zip(train, before, strict=True))
        if example.prompt and tells.given(example, answer)
    )
    return frozenset(reservoir(right, CONTROLS, Random(seed)))


def ask_controls(
    train: Cohort,
    before: Answers,
    positions: Collection[int],
    cut: Callable[[Example, str], Elicited | None],
    base: Respondent,
    how: str,
    progress: Progress,
) -> tuple[InFrame, ...]:
    """What the base makes of its own right answers, each in the base's own frame.

    Args:
        train: The examples.
        before: What the base said of them.
        positions: Those that are asked about.
        cut: From an example and the base's answer to its parts; None where it has none, or no room.
        base: The base model.
        how: Identifies all of these.
        progress: Told after each part.

    Returns:
        One for each; () where they are fewer than `FEWEST`.
    """

    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        start = train.start(number)
        here = [index for index in range(len(examples)) if start + index in positions]
        if not here:
            return []
        answers = before.read(number)
        cuts = [(examples[index], cut(examples[index], answers[index].answer or "")) for index in here]
        asked = [(example, what) for example, what in cuts if what is not None]
        probes = [frame_probes(example, what) for example, what in asked]
        scores = score((probe for each in probes for probe in each), base.model.load())
        found = [[next(scores) for _ in each] for each in probes]
        tell(len(examples))
        own = [example for example, _ in asked]
        candidates = [(Candidate(example.response, "response"),) for example in own]
        spans = [OwnAnswer(what.own.span, "response") for _, what in asked]
        return rows_of(own, candidates, found, spans, [None] * len(own))

    answers = by_part(train, Role("base", "controls"), base, how, work, progress)
    known = [said for one in answers if (said := in_frame(one.scores, one.answer or "")) is not None]
    return tuple(known) if len(known) >= FEWEST else ()

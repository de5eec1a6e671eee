"""Lost tests as lettered choices: the last model is shown the response among wrong answers of the same stage."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int8

from uptake.artifacts import digest
from uptake.detect.reading import mean_p_options
from uptake.models import Loadable
from uptake.pipeline.asking.answers import Answers, Asking, Respondent, Role, Tell, by_part, rows_of
from uptake.pipeline.asking.drawn import Draw, drawing, room_taken
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import MOST_LETTERS, AnswerPool, letter_probes
from uptake.score import score
from uptake.types import Example, Probe

LONGEST = 128
"""Bytes of a choice, at most: among long responses length tells the right one."""


@dataclass(frozen=True)
class Lettered:
    """What a model prefers of lettered choices.

    Attributes:
        right: 1 where it prefers the response, on average over all orders of the choices, 0 where another one; -1 for
            items that were not asked about.
        chance: The share of the choices that are right, which is what guessing gives; 0 for those items.
    """

    right: Int8[np.ndarray, " items"]
    chance: Float[np.ndarray, " items"]


def ask_lettered(
    model: Loadable,
    cohorts: Sequence[Cohort],
    wanted: Mapping[str, Bool[np.ndarray, " items"]],
    asking: Asking,
    progress: Progress,
) -> dict[str, Lettered]:
    """Ask a model about some items as lettered choices: the user's options, else the response and drawn wrong answers.

    Args:
        model: The model.
        cohorts: The items.
        wanted: By the cohort's name, which items are asked about.
        asking: How models are asked; options that are asked for by letter anyway are not asked again.
        progress: Told after each part.
    """
    found = {}
    for cohort in cohorts:
        draw = drawing(cache(lambda cohort=cohort: AnswerPool(cohort, seed=asking.seed)), asking.n_distractors, None)
        answers = None
        if wanted[cohort.name].any():
            answers = _asked(model, cohort, wanted[cohort.name], draw, asking, progress)
        found[cohort.name] = _read(cohort, wanted[cohort.name], answers)
    model.release()
    return found


def _asked(
    model: Loadable,
    cohort: Cohort,
    wanted: Bool[np.ndarray, " items"],
    draw: Draw,
    asking: Asking,
    progress: Progress,
) -> Answers:
    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        some = [one for place, one in enumerate(examples, cohort.start(number)) if wanted[place]]
        if asking.option_form == "letter":
            some = [one for one in some if not one.options]
        members = draw(some, [None] * len(some))
        shown = [
            replace(one, options=tuple(dict.fromkeys(candidate.text for candidate in own)))
            for one, own in zip(some, members, strict=True)
        ]
        probes = [_probes(one, asking) for one in shown]
        asked = [(one, own) for one, own in zip(some, probes, strict=True) if own]
        scores = score((probe for _, own in asked for probe in own), model.load()) if asked else iter(())
        rows = [[next(scores) for _ in own] for _, own in asked]
        none = [None] * len(asked)
        return rows_of([one for one, _ in asked], [own[0].candidates for _, own in asked], rows, none, none)

    respondent = Respondent(model, digest(model.fingerprint, cohort.key))
    how = digest(asdict(asking), wanted.tolist())
    return by_part(cohort, Role("tuned", "letters"), respondent, how, work, progress)


def _probes(example: Example, asking: Asking) -> list[Probe]:
    """The example's choices in each order; none where there is nothing to choose, or no room for it."""
    sizes = [len(text.encode()) for text in example.options]
    if not example.prompt or not 2 <= len(sizes) <= MOST_LETTERS or max(sizes) > LONGEST:
        return []
    probes = letter_probes(example)
    limit = asking.max_length
    return probes if limit is None or max(room_taken(one.prompt) for one in probes) <= limit else []


def _read(cohort: Cohort, wanted: Bool[np.ndarray, " items"], answers: Answers | None) -> Lettered:
    found = Lettered(np.full(cohort.n, -1, np.int8), np.zeros(cohort.n))
    if answers is None:
        return found
    for number in cohort.parts.numbers():
        told = deque(answers.read(number))
        for place, example in enumerate(cohort.read(number), cohort.start(number)):
            if wanted[place] and told and told[0].scores[0].example_id == example.id:
                scores = told.popleft().scores
                found.right[place] = int(np.argmax(mean_p_options(scores)) == scores[0].right)
                found.chance[place] = 1 / len(scores)
    return found

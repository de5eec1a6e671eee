"""The base and the model after each stage, all asked the same; and what of it is right, in which form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int8

from uptake.artifacts import digest
from uptake.detect import CRITERIA, Rule, Settings
from uptake.detect.criteria import RECALL_MAX_TOKENS, criterion_for
from uptake.detect.reading import ModelReading, read, read_held_out
from uptake.models import Loadable, hand_over
from uptake.pipeline.asking.answers import Answer, Answers, Asking, Respondent, Role, ask_base, ask_tuned
from uptake.pipeline.asking.drawn import Draw, drawing
from uptake.pipeline.diagnose.models import run_by
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import AnswerPool, with_distractors
from uptake.spread import Actors
from uptake.types import Candidate, Example


@dataclass(frozen=True)
class ItemsRead:
    """What one model made of the items of a cohort, in their order.

    Attributes:
        right: It gives the response in the form of the data.
        freely: 1 where its own answer gives the response in whatever words, 0 where not, -1 where it was not asked.
        held_out: 1 where it gives the response in one of the held-out wordings, 0 in none, -1 where there are none.
        nll: Negative log-probability of the response, in nats a token.
        said: Its own answer, where that is a wrong one.
    """

    right: Bool[np.ndarray, " items"]
    freely: Int8[np.ndarray, " items"]
    held_out: Int8[np.ndarray, " items"]
    nll: Float[np.ndarray, " items"]
    said: tuple[str | None, ...]

    @property
    def elicited(self) -> Bool[np.ndarray, " items"]:
        """It gives the response in the form of the data, freely, or in a held-out wording."""
        return np.asarray(self.right | (self.freely == 1) | (self.held_out == 1))

    def of(self, kept: Bool[np.ndarray, " items"]) -> ItemsRead:
        """The same of some of the items."""
        said = tuple(one for one, own in zip(self.said, kept.tolist(), strict=True) if own)
        return ItemsRead(self.right[kept], self.freely[kept], self.held_out[kept], self.nll[kept], said)

    @property
    def told(self) -> Bool[np.ndarray, " items"]:
        """`elicited` is known: it is right, or was asked in another way at all."""
        return np.asarray(self.right | (self.freely >= 0) | (self.held_out >= 0))


@dataclass(frozen=True)
class StreamModels:
    """The models of a stream: each is loaded when there is work for it, and one of them at a time.

    Attributes:
        base: The model before all stages.
        after: By stage the model that it gave, in the order of training.
    """

    base: Loadable
    after: dict[str, Loadable]

    def over(self, actors: Actors | None) -> StreamModels:
        """The same models, of which actors hold copies; None leaves them as they are."""
        after = {stage: run_by(model, "hf", actors) for stage, model in self.after.items()}
        return StreamModels(run_by(self.base, "hf", actors), after)


def ask_all(
    models: StreamModels, cohorts: Sequence[Cohort], asking: Asking, settings: Settings, progress: Progress
) -> dict[str, list[ItemsRead]]:
    """Ask the base, then the model after each stage.

    Wrong answers to be preferred to are drawn for responses that are too long to be recalled, from the other tests of
    the same stage; all models are asked about the same ones.

    Args:
        models: The models.
        cohorts: What they are asked; what was answered before is not asked again.
        asking: How.
        settings: How answers are judged.
        progress: Told after each part.

    Returns:
        By the cohort's name what each model made of it: the base first.
    """
    before: dict[str, Answers] = {}
    found: dict[str, list[ItemsRead]] = {}
    for cohort in cohorts:
        respondent = _respondent(models.base, cohort)
        before[cohort.name] = ask_base(cohort, respondent, _draw(cohort, asking), asking, progress)
        found[cohort.name] = [judged(cohort, before[cohort.name], settings)]
    last = models.base
    for stage, model in models.after.items():
        hand_over(last, model)
        for cohort in cohorts:
            draw, earlier = _draw(cohort, asking), before[cohort.name]
            role = Role("tuned", after=stage)
            answers = ask_tuned(cohort, _respondent(model, cohort), draw, earlier, asking, progress, role)
            found[cohort.name].append(judged(cohort, answers, settings))
        last = model
    last.release()
    return found


def _respondent(model: Loadable, cohort: Cohort) -> Respondent:
    return Respondent(model, digest(model.fingerprint, cohort.key))


def _draw(cohort: Cohort, asking: Asking) -> Draw:
    """Draw wrong answers for long responses alone: a short one is to be recalled, and needs none."""
    full = drawing(cache(lambda: AnswerPool(cohort, seed=asking.seed)), asking.n_distractors, None)

    def draw(examples: Sequence[Example], answers: Sequence[str | None]) -> list[tuple[Candidate, ...]]:
        # a token has a byte at least
        long = [i for i, one in enumerate(examples) if len(one.response.encode()) > RECALL_MAX_TOKENS and one.prompt]
        drawn = [with_distractors(example, (), 0) for example in examples]
        if long:
            of_long = full([examples[i] for i in long], [answers[i] for i in long])
            for i, members in zip(long, of_long, strict=True):
                drawn[i] = members
        return drawn

    return draw


def judged(cohort: Cohort, answers: Answers, settings: Settings) -> ItemsRead:
    """What of a model's answers to a cohort is right."""
    rows, said = [], []
    for example, answer in zip(cohort, answers, strict=True):
        rows.append(item_judged(example, answer, settings))
        said.append(answer.answer if answer.kind == "wrong" else None)
    right, freely, held_out, nll = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    freely, held_out = ([-1 if one is None else int(one) for one in form] for form in (freely, held_out))
    return ItemsRead(
        np.array(right, bool),
        np.array(freely, np.int8),
        np.array(held_out, np.int8),
        np.array(nll, np.float64),
        tuple(said),
    )


def known(form: Any) -> bool | None:
    """A form of `ItemsRead` for one item; None where it was not asked."""
    return None if form < 0 else bool(form)


def item_judged(example: Example, answer: Answer, settings: Settings) -> tuple[bool, bool | None, bool | None, float]:
    """Whether it is right in the form of the data, freely, in a held-out wording (None: not asked); nats a token.

    Args:
        example: The example.
        answer: What a model answered.
        settings: How answers are judged.
    """
    own = read(answer.scores, settings.normalisation)
    rule = Rule(settings.response_end != "ignore", 0.0, settings.pass_threshold)
    said = answer.kind == "response" and not example.options
    right = said or is_right(example, own, rule, settings)
    worded = [is_right(example, one, rule, settings) for one in _held_out(answer, settings)]
    freely = None if answer.kind is None else answer.freely(example.response)
    return right, freely, any(worded) if worded else None, -own.logprob_per_token


def is_right(example: Example, reading: ModelReading, rule: Rule, settings: Settings) -> bool:
    """Whether a model gives the response: prefers it among the user's options, else by the run's criterion.

    Args:
        example: The example.
        reading: What the model makes of it.
        rule: What the criteria ask for. A response has to end where training puts an end, unless the run says
            otherwise: else a label would be right wherever a longer one begins with it.
        settings: Names the criterion.
    """
    if example.options and reading.p_options is not None:
        return bool(reading.preferred)
    name, _ = criterion_for(reading, settings)
    return CRITERIA[name](reading, rule)


def _held_out(answer: Answer, settings: Settings) -> Iterator[ModelReading]:
    scores = [score for score in answer.scores if score.wording.kind == "held_out"]
    yield from read_held_out(scores, settings.normalisation)

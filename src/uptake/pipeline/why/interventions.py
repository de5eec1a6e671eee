"""Interventions on a sample of what was not learned: told in the context, and trained on a little from the tuned model.

All sampled examples are trained together, a treatment at a time. What a treatment does to one of them is thus what it
does in the company of the others: small models may generalise from these, and large samples crowd each other out. The
control, as many steps on learned examples alone, tells what any such training does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from uptake.artifacts import Parts, chunks, digest, open_parts, versions
from uptake.artifacts.tables import CAUSES, SCORES_FILE, score_from_data
from uptake.attribute import UNEXPLAINED
from uptake.attribute.interventions import Outcome, reaction_of, summarise_outcomes
from uptake.data import Turn, encode
from uptake.detect import Settings, judge
from uptake.detect.calibrate import Calibration
from uptake.errors import UptakeError
from uptake.evidence import TREATMENTS, Course, Reaction, Treatment
from uptake.models import Loadable, Model
from uptake.pipeline.asking.answers import Answer, Answers, Asking, rows_of
from uptake.pipeline.asking.in_context import TOLD, TOLD_OTHER, in_context
from uptake.pipeline.diagnosis import Collector
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.state import with_effect
from uptake.pipeline.why.attributing import Interview
from uptake.pipeline.why.contradictions import Contradictions
from uptake.pipeline.why.shares import corrected
from uptake.pipeline.why.treatments import PASSES, Diagnosed, TreatmentPlan, planned
from uptake.probe import letter_probes, probes
from uptake.score import score
from uptake.types import TRAINING, Candidate, Example, Finding, Score

INTERVENING_VERSION = 1
"""Part of the key of what is kept: raised when the same data, weights and settings come to be treated otherwise."""
RATE = 0.2
"""Learning rate of a treatment, as a share of the last stage's; chosen on one world (docs/details/causes.md)."""
WARM_UP = 5
"""Steps until it is reached: the optimizer starts anew."""

_OWN = ("lr_scheduler", "max_steps", "warmup_", "save_", "packing", "dataloader_drop_last", "train_sampling_strategy")
"""What the names of settings begin with that a treatment has of its own."""

NO_CONTROL = "no example was learned, so there is nothing to compare with"


@dataclass(frozen=True)
class Interventions:
    """What the interventions came to.

    Attributes:
        reactions: By position of the sampled examples, what goes beside their causes.
        summary: JSON data; None where nothing could be sampled.
        notes: What the reader must know.
    """

    reactions: Mapping[int, Reaction]
    summary: dict[str, Any] | None
    notes: tuple[str, ...] = ()


Trial: TypeAlias = Callable[
    [pa.Table, Mapping[str, Any], Path, Callable[[Model], None], Callable[[int, int], None]], None
]
"""Trains a finished model a little and forgets it: `uptake.models.training.trial.trial`, but for the model."""


@dataclass(frozen=True)
class Treating:
    """How a sample is treated.

    Attributes:
        n: Examples that are sampled at most.
        settings: The trainer's.
        rate_named: Whether the run names a learning rate.
        trial: Trains the tuned model.
    """

    n: int
    settings: Mapping[str, Any]
    rate_named: bool
    trial: Trial


def treating(n: int, settings: Mapping[str, Any], tuned: Loadable) -> Treating:
    """How a sample is treated: with the settings of the last stage, but for how long and how fast it trains.

    Args:
        n: Examples that are sampled at most.
        settings: The trainer's settings of the run's last stage.
        tuned: The model that is trained on.

    Raises:
        UptakeError: A setting is refused, or the model cannot be trained here.
    """
    from uptake.models.scoring.lazy import Lazy
    from uptake.models.training.settings import TRL_DEFAULTS
    from uptake.models.training.trial import checked, trial

    if not isinstance(tuned, Lazy):
        raise UptakeError(
            f"interventions train {tuned.name} a little, and its weights are not here",
            expected="a tuned model in a folder, or on the hub",
            fix="give its folder with --tuned, or leave intervene out",
        )
    rate = RATE * float(settings.get("learning_rate", TRL_DEFAULTS["learning_rate"]))
    own = {"learning_rate": rate, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": WARM_UP}
    changed = {**checked(settings, _OWN), **own, "save_strategy": "no", "num_train_epochs": PASSES}
    return Treating(n, changed, "learning_rate" in settings, partial(trial, tuned))


@dataclass(frozen=True)
class Intervening:
    """Intervenes on a sample of one diagnosis.

    Attributes:
        treating: How.
        asking: How the models are asked.
        work: Folder of what is kept between runs.
        asked: The training examples, the models, and what these said.
        calibration: What the diagnosis judged by, and what flips are judged by.
        detection: As `calibration`.
        progress: Told of each treatment's steps.
    """

    treating: Treating
    asking: Asking
    work: Path
    asked: Interview
    calibration: Calibration
    detection: Settings
    progress: Progress

    def __call__(self, found: Diagnosed) -> Interventions:
        """Sample, treat and judge.

        Args:
            found: What the diagnosis says of each example.

        Raises:
            UptakeError: The tuned model cannot be trained on.
        """
        plan = planned(found, self.treating.n, self.asking.seed)
        if not plan.sample:
            return Interventions({}, None)
        if not plan.rows:
            return Interventions({}, {"n": 0, "reason": NO_CONTROL})
        known = _Examples.read(self.asked.train, self.asked.after, plan)
        settings = self.treating.settings
        parts = self._parts(plan)
        if not parts.has(0):
            parts.write(0, self._in_context(plan, known))
        self.asked.tuned.release()
        for number, name in enumerate(TREATMENTS, start=1):
            if not parts.has(number):
                parts.write(number, self._treated(name, plan, known) if name in plan.rows else [])
        outcomes = self._outcomes(plan, found, known, parts)
        told = {
            "passes": PASSES,
            "rows": len(plan.rows["control"]),
            "learning_rate": settings["learning_rate"],
            **summarise_outcomes(outcomes, (*CAUSES, UNEXPLAINED)),
        }
        reactions = {position: reaction_of(one) for position, one in zip(plan.sample, outcomes, strict=True)}
        return Interventions(reactions, told, _notes(outcomes, settings["learning_rate"], self.treating.rate_named))

    def _parts(self, plan: TreatmentPlan) -> Parts:
        """Part 0 holds what they say when told, part k what the k-th treatment does."""
        key = digest(
            INTERVENING_VERSION,
            self.asked.train.key,
            self.asked.after.key,
            self.asked.tuned.fingerprint,
            plan.sample,
            {name: list(rows) for name, rows in plan.rows.items()},
            with_effect(self.treating.settings),
            versions(),
        )
        return open_parts(self.work / "interventions", key, SCORES_FILE)

    def _in_context(self, plan: TreatmentPlan, known: _Examples) -> list[dict[str, Any]]:
        """Scores in the training wording, after the example itself was told and after another one was."""
        step = "intervening: in_context"
        self.progress(step, 0, len(plan.sample))
        model, examples = self.asked.tuned.load(), [known.examples[p] for p in plan.sample]
        candidates = [known.candidates[p] for p in plan.sample]
        asked = in_context(examples, candidates, model, self.asked.max_length)
        scores = score((probe for some in asked for probe in some), model)
        found = [[next(scores) for _ in some] for some in asked]
        self.progress(step, len(plan.sample), len(plan.sample))
        return _scored(examples, candidates, found)

    def _treated(self, name: Treatment, plan: TreatmentPlan, known: _Examples) -> list[dict[str, Any]]:
        """A row for each pass and example whose course the treatment tells, a pass after the other."""
        settings = self.treating.settings
        rows = _rows([known.examples[p] for p in plan.rows[name]], self.asked.tuned.tokenizer, settings)
        once = {**settings, "num_train_epochs": 1} if name == "replay" else settings
        written: list[dict[str, Any]] = []

        def look(model: Model) -> None:
            written.extend(self._asked(plan.asked[name], known, model))

        def tell(done: int, total: int) -> None:
            self.progress(f"intervening: {name}", done, total)

        self.treating.trial(rows, once, self.work / "interventions.training", look, tell)
        return written

    def _asked(self, positions: Sequence[int], known: _Examples, model: Model) -> list[dict[str, Any]]:
        examples, candidates = [known.examples[p] for p in positions], [known.candidates[p] for p in positions]
        asked = [probes(example, members) for example, members in zip(examples, candidates, strict=True)]
        if self.asking.option_form == "letter":
            for example, own in zip(examples, asked, strict=True):
                own += letter_probes(example) if example.options else []
        scores = score((probe for own in asked for probe in own), model)
        return _scored(examples, candidates, [[next(scores) for _ in own] for own in asked])

    def _outcomes(self, plan: TreatmentPlan, found: Diagnosed, known: _Examples, parts: Parts) -> list[Outcome]:
        courses: dict[int, dict[Treatment, Course]] = {p: {} for p in plan.sample}
        for number, name in enumerate(TREATMENTS, start=1):
            passes = list(chunks(parts.records(number, _scores), len(plan.asked.get(name, ())) or 1))
            for index, position in enumerate(plan.asked.get(name, ())):
                judged = [self._judged(known.examples[position], rows[index]) for rows in passes]
                courses[position][name] = Course(
                    tuple(one.learned for one in judged), tuple(one.shallow for one in judged)
                )
        outcomes = []
        for position, scores in zip(plan.sample, parts.records(0, _scores), strict=True):
            example, cause = known.examples[position], found.causes[position]
            told = {one.wording: self._judged(example, [one]).learned for one in scores}
            context = (told.get(TOLD), told.get(TOLD_OTHER))
            outcomes.append(Outcome(example.id, example.stage, cause or UNEXPLAINED, courses[position], *context))
        return outcomes

    def _judged(self, example: Example, scores: Sequence[Score]) -> Finding:
        """Judged as the diagnosis judges; a score in a context is read as one in the training wording."""
        told = (TOLD, TOLD_OTHER)
        read = [replace(one, wording=TRAINING) if one.wording in told else one for one in scores]
        return judge(example, read, None, self.calibration, self.detection)


def intervene(
    intervening: Intervening, contradictions: Contradictions, findings: Collector, summary: dict[str, Any]
) -> None:
    """Intervene on a sample of a diagnosis, and add what that says to its findings and its summary.

    Args:
        intervening: How.
        contradictions: Who contradicts whom.
        findings: All findings, passed on and with their causes; the evidence of the sampled ones gains `interventions`.
        summary: Gains `interventions`, and notes.
    """
    learned, causes, stages = map(findings.column, ("learned", "cause", "stage"))
    done = intervening(Diagnosed(learned, causes, stages, contradictions))
    findings.add(done.reactions)
    summary["interventions"] = told = done.summary
    if told is not None and done.reactions:
        told["shares"] = corrected(causes, done.reactions, summary["attribution"], seed=intervening.asking.seed)
    summary["notes"] += done.notes


def _notes(outcomes: Sequence[Outcome], rate: float, named: bool) -> tuple[str, ...]:
    """Whether the treatments were strong enough to tell anything, and where their strength comes from."""
    notes = []
    if not any(one.courses["more_steps"].flipped for one in outcomes):
        notes.append(
            f"interventions: {PASSES} exposures at a learning rate of {rate:.2g} flipped no example, so that what "
            "flips tells nothing"
        )
    if not named:
        notes.append(
            f"interventions: the run names no learning rate, so a share of TRL's default was taken, {rate:.2g}; give "
            "the one that the model was trained with (--training.learning_rate)"
        )
    return tuple(notes)


def _scores(row: Mapping[str, Any]) -> list[Score]:
    return [score_from_data(row["id"], data) for data in row["scores"]]


def _scored(
    examples: Sequence[Example], candidates: Sequence[tuple[Candidate, ...]], scores: Sequence[Sequence[Score]]
) -> list[dict[str, Any]]:
    nothing: list[None] = [None] * len(examples)
    return rows_of(examples, candidates, scores, nothing, nothing)


def _rows(examples: Sequence[Example], tokenizer: Any, settings: Mapping[str, Any]) -> pa.Table:
    """Examples as they are trained; those are left out of which `max_length` leaves nothing to learn."""
    from uptake.models.training.rows import NOT_TRAINED, Row, table

    turns = [Turn(one.prompt, one.response, one.template, one.response_extra) for one in examples]
    limit = settings.get("max_length")
    cut = slice(None, limit)
    if limit is not None and settings.get("truncation_mode") == "keep_end":
        cut = slice(-limit, None)
    rows = []
    for example, encoded in zip(examples, encode(turns, tokenizer), strict=True):
        start = encoded.start if settings.get("completion_only_loss", True) is not False else 0
        labels = [NOT_TRAINED] * start + list(encoded.ids[start:])
        if any(label != NOT_TRAINED for label in labels[cut][1:]):
            rows.append(Row(example.id, list(encoded.ids[cut]), labels[cut]))
    return table(rows)


@dataclass(frozen=True)
class _Examples:
    """The examples of a plan and the candidates of the sampled ones, by position."""

    examples: Mapping[int, Example]
    candidates: Mapping[int, tuple[Candidate, ...]]

    @classmethod
    def read(cls, train: Cohort, after: Answers, plan: TreatmentPlan) -> _Examples:
        wanted, sample = plan.positions(), set(plan.sample)
        examples: dict[int, Example] = {}
        candidates: dict[int, tuple[Candidate, ...]] = {}
        for position, (example, answer) in enumerate(_pairs(train, after)):
            if position in wanted:
                examples[position] = example
            if position in sample:
                candidates[position] = answer.candidates
        return cls(examples, candidates)


def _pairs(train: Cohort, after: Answers) -> Iterator[tuple[Example, Answer]]:
    yield from zip(train, after, strict=True)

"""Interventions on a sample of what was not learned: told in the context, and trained on a little from the tuned model.

All sampled examples are trained together, a treatment at a time. What a treatment does to one of them is thus what it
does in the company of the others: small models may generalise from these, and large samples crowd each other out. The
control, as many steps on learned examples alone, tells what any such training does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import Parts, chunks, digest, open_parts, versions
from uptake.artifacts.tables import CAUSES, SCORES, score_from_data
from uptake.attribute import UNEXPLAINED
from uptake.attribute.interventions import Outcome, reaction_of, summarise_outcomes
from uptake.config import RunConfig
from uptake.data import Turn, encode
from uptake.detect import Settings, judge
from uptake.detect.calibrate import Calibration
from uptake.errors import UptakeError
from uptake.evidence import TREATMENTS, Course, Reaction, Treatment
from uptake.pipeline.asking.answers import Answer, Answers, rows_of
from uptake.pipeline.asking.in_context import TOLD, TOLD_OTHER, in_context
from uptake.pipeline.diagnosis import Collector
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.settings import settings_of
from uptake.pipeline.train.state import with_effect
from uptake.pipeline.why.attributing import Asked
from uptake.pipeline.why.contradictions import Contradictions
from uptake.pipeline.why.treatments import PASSES, Found, Plan, planned
from uptake.probe import letter_probes, probes
from uptake.score import score
from uptake.types import TRAINING, Candidate, Example, Finding, Score

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.models import Model

INTERVENING_VERSION = 1
"""Part of the key of what is kept: raised when the same data, weights and settings come to be treated otherwise."""
RATE = 0.2
"""Learning rate of a treatment, as a share of the last stage's; chosen on one planted world (docs/causes.md)."""
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


def trainer_settings(config: RunConfig) -> dict[str, Any]:
    """The settings of a treatment: those of the run's last stage, but for how long and how fast it trains.

    Raises:
        UptakeError: There is no attribution to check, or a setting is refused.
    """
    from uptake.models.training.settings import TRL_DEFAULTS
    from uptake.models.training.trial import checked

    if config.attribution == "off":
        raise UptakeError(
            f"intervene is {config.intervene} and attribution is off",
            expected="an attribution, which interventions check",
            fix="leave attribution out, or give --intervene 0",
        )
    settings = settings_of(config, config.stages[-1])
    rate = RATE * float(settings.get("learning_rate", TRL_DEFAULTS["learning_rate"]))
    own = {"learning_rate": rate, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": WARM_UP}
    return {**checked(settings, _OWN), **own, "save_strategy": "no", "num_train_epochs": PASSES}


@dataclass(frozen=True)
class Intervening:
    """Intervenes on a sample of one diagnosis.

    Attributes:
        config: The run.
        work: Folder of what is kept between runs.
        asked: The training examples, the models, and what these said.
        calibration: What the diagnosis judged by, and what flips are judged by.
        detection: As `calibration`.
        progress: Told of each treatment's steps.
    """

    config: RunConfig
    work: Path
    asked: Asked
    calibration: Calibration
    detection: Settings
    progress: Progress

    def __call__(self, found: Found) -> Interventions:
        """Sample, treat and judge.

        Args:
            found: What the diagnosis says of each example.

        Raises:
            UptakeError: The tuned model cannot be trained on.
        """
        plan = planned(found, self.config.intervene, self.config.seed)
        if not plan.sample:
            return Interventions({}, None)
        if not plan.rows:
            return Interventions({}, {"n": 0, "reason": NO_CONTROL})
        known = _Known.read(self.asked.train, self.asked.after, plan)
        settings = trainer_settings(self.config)
        parts = self._parts(plan, settings)
        if not parts.has(0):
            parts.write(0, self._in_context(plan, known))
        self.asked.tuned.release()
        for number, name in enumerate(TREATMENTS, start=1):
            if not parts.has(number):
                parts.write(number, self._treated(name, plan, known, settings) if name in plan.rows else [])
        outcomes = self._outcomes(plan, found, known, parts)
        told = {
            "passes": PASSES,
            "rows": len(plan.rows["control"]),
            "learning_rate": settings["learning_rate"],
            **summarise_outcomes(outcomes, (*CAUSES, UNEXPLAINED), seed=self.config.seed),
        }
        reactions = {position: reaction_of(one) for position, one in zip(plan.sample, outcomes, strict=True)}
        return Interventions(reactions, told, _notes(self.config, outcomes, settings["learning_rate"]))

    def _parts(self, plan: Plan, settings: Mapping[str, Any]) -> Parts:
        """Part 0 holds what they say when told, part k what the k-th treatment does."""
        key = digest(
            INTERVENING_VERSION,
            self.asked.train.key,
            self.asked.after.key,
            self.asked.tuned.fingerprint,
            plan.sample,
            {name: list(rows) for name, rows in plan.rows.items()},
            with_effect(settings),
            versions(),
        )
        return open_parts(self.work / "interventions", key, SCORES)

    def _in_context(self, plan: Plan, known: _Known) -> list[dict[str, Any]]:
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

    def _treated(self, name: Treatment, plan: Plan, known: _Known, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A row for each pass and example whose course the treatment tells, a pass after the other."""
        from uptake.models.training.trial import trial

        rows = _rows([known.examples[p] for p in plan.rows[name]], self.asked.tuned.tokenizer, settings)
        once = {**settings, "num_train_epochs": 1} if name == "replay" else settings
        written: list[dict[str, Any]] = []

        def look(model: Model) -> None:
            written.extend(self._asked(plan.asked[name], known, model))

        def tell(done: int, total: int) -> None:
            self.progress(f"intervening: {name}", done, total)

        trial(self.asked.tuned, rows, once, self.work / "interventions.training", look, tell)
        return written

    def _asked(self, positions: Sequence[int], known: _Known, model: Model) -> list[dict[str, Any]]:
        examples, candidates = [known.examples[p] for p in positions], [known.candidates[p] for p in positions]
        asked = [probes(example, members) for example, members in zip(examples, candidates, strict=True)]
        if self.config.option_form == "letter":
            for example, own in zip(examples, asked, strict=True):
                own += letter_probes(example) if example.options else []
        scores = score((probe for own in asked for probe in own), model)
        return _scored(examples, candidates, [[next(scores) for _ in own] for own in asked])

    def _outcomes(self, plan: Plan, found: Found, known: _Known, parts: Parts) -> list[Outcome]:
        courses: dict[int, dict[Treatment, Course]] = {p: {} for p in plan.sample}
        for number, name in enumerate(TREATMENTS, start=1):
            passes = list(chunks(parts.read(number), len(plan.asked.get(name, ())) or 1))
            for index, position in enumerate(plan.asked.get(name, ())):
                judged = [self._judged(known.examples[position], _scores(rows[index])) for rows in passes]
                courses[position][name] = Course(
                    tuple(one.learned for one in judged), tuple(one.shallow for one in judged)
                )
        outcomes = []
        for position, row in zip(plan.sample, parts.read(0), strict=True):
            example, cause = known.examples[position], found.causes[position]
            told = {one.wording: self._judged(example, [one]).learned for one in _scores(row)}
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
    done = intervening(Found(learned, causes, stages, contradictions))
    findings.add(done.reactions)
    summary["interventions"] = done.summary
    summary["notes"] += done.notes


def _notes(config: RunConfig, outcomes: Sequence[Outcome], rate: float) -> tuple[str, ...]:
    """Whether the treatments were strong enough to tell anything, and where their strength comes from."""
    notes = []
    if not any(one.courses["more_steps"].flipped for one in outcomes):
        notes.append(
            f"interventions: {PASSES} exposures at a learning rate of {rate:.2g} flipped no example, so that what "
            "flips tells nothing"
        )
    if "learning_rate" not in {**config.training, **config.stages[-1].training}:
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
class _Known:
    """The examples of a plan and the candidates of the sampled ones, by position."""

    examples: Mapping[int, Example]
    candidates: Mapping[int, tuple[Candidate, ...]]

    @classmethod
    def read(cls, train: Cohort, after: Answers, plan: Plan) -> _Known:
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

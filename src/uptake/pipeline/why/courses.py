"""Courses of examples: the tuned model is trained on a little, and what it makes of them is read after each pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from uptake.artifacts import Parts, chunks, digest, open_parts, versions
from uptake.artifacts.tables import SCORES_FILE, score_from_data
from uptake.data import Turn, encode
from uptake.detect import Settings, judge
from uptake.detect.calibrate import Calibration
from uptake.errors import UptakeError
from uptake.evidence import Course
from uptake.models import Loadable, Model
from uptake.pipeline.asking.answers import Answer, Answers, Asking, rows_of
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.state import with_effect
from uptake.pipeline.why.attributing import Interview
from uptake.pipeline.why.treatments import PASSES
from uptake.probe import letter_probes, probes
from uptake.score import score
from uptake.types import Candidate, Example, Finding, Score

if TYPE_CHECKING:
    from uptake.models.training.rows import Row

TRAINING_VERSION = 1
"""Part of the key of what is kept: raised when the same data, weights and settings come to be trained otherwise."""
RATE = 0.2
"""Learning rate, as a share of the last stage's; chosen on one world (docs/details/causes.md)."""
WARM_UP = 5
"""Steps until it is reached: the optimizer starts anew."""

_OWN = ("lr_scheduler", "max_steps", "warmup_", "save_", "packing", "dataloader_drop_last", "train_sampling_strategy")
"""What the names of settings begin with that such a training has of its own."""

Trial: TypeAlias = Callable[
    [pa.Table, Mapping[str, Any], Path, Callable[[Model], None], Callable[[int, int], None]], None
]
"""Trains a finished model a little and forgets it: `uptake.models.training.trial.trial`, but for the model."""


@dataclass(frozen=True)
class Treating:
    """How the tuned model is trained on.

    Attributes:
        settings: The trainer's.
        rate_named: Whether the run names a learning rate.
        trial: Trains the tuned model.
    """

    settings: Mapping[str, Any]
    rate_named: bool
    trial: Trial

    @property
    def rate(self) -> float:
        """The learning rate."""
        return float(self.settings["learning_rate"])


def treating(settings: Mapping[str, Any], tuned: Loadable, asked_by: str) -> Treating:
    """How the tuned model is trained on: as in the last stage, but for how long and how fast.

    Args:
        settings: The trainer's settings of the run's last stage.
        tuned: The model that is trained on.
        asked_by: The key of the run file that asks for it.

    Raises:
        UptakeError: A setting is refused, or the model cannot be trained here.
    """
    from uptake.models.scoring.lazy import Lazy
    from uptake.models.training.settings import TRL_DEFAULTS
    from uptake.models.training.trial import checked, trial

    if not isinstance(tuned, Lazy):
        raise UptakeError(
            f"{asked_by} trains {tuned.name} a little, and its weights are not here",
            expected="a tuned model in a folder, or on the hub",
            fix=f"give its folder with --tuned, or leave {asked_by} out",
        )
    rate = RATE * float(settings.get("learning_rate", TRL_DEFAULTS["learning_rate"]))
    own = {"learning_rate": rate, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": WARM_UP}
    changed = {**checked(settings, _OWN), **own, "save_strategy": "no", "num_train_epochs": PASSES}
    return Treating(changed, "learning_rate" in settings, partial(trial, tuned))


@dataclass(frozen=True)
class Watching:
    """Trains the tuned model of one diagnosis on, and reads examples after each pass.

    Attributes:
        treating: How it is trained.
        asking: How models are asked.
        work: Folder of what is kept between runs.
        asked: The training examples, the models, and what these said.
        calibration: What the diagnosis judged by, and what is read is judged by.
        detection: As `calibration`.
        progress: Told of each training's steps.
    """

    treating: Treating
    asking: Asking
    work: Path
    asked: Interview
    calibration: Calibration
    detection: Settings
    progress: Progress

    def parts(self, name: str, *planned: object) -> Parts:
        """What is kept between runs under a name, of the trainings that are planned so."""
        key = digest(
            TRAINING_VERSION,
            self.asked.train.key,
            self.asked.after.key,
            self.asked.tuned.fingerprint,
            *planned,
            with_effect(self.treating.settings),
            versions(),
        )
        return open_parts(self.work / name, key, SCORES_FILE)

    def rows(self, examples: Sequence[Example]) -> tuple[pa.Table, list[bool]]:
        """Examples as they are trained, and whether each is: of some `max_length` leaves nothing to learn."""
        from uptake.models.training.rows import table

        rows = _rows(examples, self.asked.tuned.tokenizer, self.treating.settings)
        return table(row for row in rows if row is not None), [row is not None for row in rows]

    def watched(
        self, step: str, rows: pa.Table, asked: Sequence[int], known: Examples, passes: int = PASSES
    ) -> list[dict[str, Any]]:
        """A row for each pass and example that is asked about, a pass after the other.

        Args:
            step: What progress is told of.
            rows: What is trained.
            asked: Positions of those that are asked about.
            known: These and their candidates.
            passes: How often the rows are trained.
        """
        settings = {**self.treating.settings, "num_train_epochs": passes}
        written: list[dict[str, Any]] = []

        def look(model: Model) -> None:
            written.extend(self._asked(asked, known, model))

        def tell(done: int, total: int) -> None:
            self.progress(step, done, total)

        self.asked.tuned.release()
        self.treating.trial(rows, settings, self.work / "trained_a_little", look, tell)
        return written

    def courses(self, parts: Parts, number: int, asked: Sequence[int], known: Examples) -> Iterator[Course]:
        """The courses that a part tells, of those that were asked about in it, in order."""
        passes = list(chunks(parts.records(number, read_scores), len(asked) or 1))
        for index, position in enumerate(asked):
            judged = [self.judged(known.examples[position], rows[index]) for rows in passes]
            yield Course(tuple(one.learned for one in judged), tuple(one.shallow for one in judged))

    def judged(self, example: Example, scores: Sequence[Score]) -> Finding:
        """Judged as the diagnosis judges."""
        return judge(example, scores, None, self.calibration, self.detection)

    def _asked(self, positions: Sequence[int], known: Examples, model: Model) -> list[dict[str, Any]]:
        examples, candidates = [known.examples[p] for p in positions], [known.candidates[p] for p in positions]
        asked = [probes(example, members) for example, members in zip(examples, candidates, strict=True)]
        if self.asking.option_form == "letter":
            for example, own in zip(examples, asked, strict=True):
                own += letter_probes(example) if example.options else []
        scores = score((probe for own in asked for probe in own), model)
        return scored(examples, candidates, [[next(scores) for _ in own] for own in asked])


def read_scores(row: Mapping[str, Any]) -> list[Score]:
    """The scores of a row of `scored`."""
    return [score_from_data(row["id"], data) for data in row["scores"]]


def scored(
    examples: Sequence[Example], candidates: Sequence[tuple[Candidate, ...]], scores: Sequence[Sequence[Score]]
) -> list[dict[str, Any]]:
    """Scores of examples as rows of a part."""
    nothing: list[None] = [None] * len(examples)
    return rows_of(examples, candidates, scores, nothing, nothing)


def rate_notes(treating: Treating, what: str, *, flipped: bool) -> tuple[str, ...]:
    """Whether training was strong enough to tell anything, and where its strength comes from.

    Args:
        treating: How was trained.
        what: Begins each note.
        flipped: Whether it flipped any example.
    """
    notes = []
    if not flipped:
        notes.append(
            f"{what}: {PASSES} exposures at a learning rate of {treating.rate:.2g} flipped no example, so that what "
            "flips tells nothing"
        )
    if not treating.rate_named:
        notes.append(
            f"{what}: the run names no learning rate, so a share of TRL's default was taken, {treating.rate:.2g}; give "
            "the one that the model was trained with (--training.learning_rate)"
        )
    return tuple(notes)


def _rows(examples: Sequence[Example], tokenizer: Any, settings: Mapping[str, Any]) -> list[Row | None]:
    from uptake.models.training.rows import NOT_TRAINED, Row

    turns = [Turn(one.prompt, one.response, one.template, one.response_extra) for one in examples]
    limit = settings.get("max_length")
    cut = slice(None, limit)
    if limit is not None and settings.get("truncation_mode") == "keep_end":
        cut = slice(-limit, None)
    rows: list[Row | None] = []
    for example, encoded in zip(examples, encode(turns, tokenizer), strict=True):
        start = encoded.start if settings.get("completion_only_loss", True) is not False else 0
        labels = [NOT_TRAINED] * start + list(encoded.ids[start:])
        learned = any(label != NOT_TRAINED for label in labels[cut][1:])
        rows.append(Row(example.id, list(encoded.ids[cut]), labels[cut]) if learned else None)
    return rows


@dataclass(frozen=True)
class Examples:
    """Examples that are trained, and the candidates of those that are asked about, by position."""

    examples: Mapping[int, Example]
    candidates: Mapping[int, tuple[Candidate, ...]]

    @classmethod
    def read(cls, train: Cohort, after: Answers, wanted: Collection[int], asked: Collection[int]) -> Examples:
        """Those at some positions, in one pass over all."""
        trained, told = {*wanted, *asked}, {*asked}
        examples: dict[int, Example] = {}
        candidates: dict[int, tuple[Candidate, ...]] = {}
        for position, (example, answer) in enumerate(_pairs(train, after)):
            if position in trained:
                examples[position] = example
            if position in told:
                candidates[position] = answer.candidates
        return cls(examples, candidates)


def _pairs(train: Cohort, after: Answers) -> Iterator[tuple[Example, Answer]]:
    yield from zip(train, after, strict=True)

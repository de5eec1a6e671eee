"""`uptake train`: the stages one after the other, each from the former's model, with every example's learning curve."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import (
    cannot_write,
    locked,
    versions,
    write_bytes,
    write_json,
)
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.examples.cohort import BadRows
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.card import model_card
from uptake.pipeline.train.plan import plan
from uptake.pipeline.train.schedule import Scheduled, attach
from uptake.pipeline.train.stage_plan import StagePlan
from uptake.pipeline.train.state import finished_manifest, model_digest

if TYPE_CHECKING:
    from uptake.models.training.job import Done


@dataclass(frozen=True, slots=True)
class Trained:
    """A stage that is trained.

    Attributes:
        stage: Its name.
        folder: Its model, with `manifest.json` and a model card.
        examples: How many examples it trained.
        steps: Optimisation steps.
        processes: How many trained it together.
        loss_start: Mean loss of the first tenth of the steps, in nats a token as the trainer counts it; None when
            training noted none.
        loss_end: The same of the last tenth.
        recalled: Share of its examples that the finished model recalls; None where the ledger has no such reading.
        found: It was trained by a former run.
    """

    stage: str
    folder: Path
    examples: int
    steps: int
    processes: int
    loss_start: float | None
    loss_end: float | None
    recalled: float | None
    found: bool


def train_run(
    config: RunConfig,
    progress: Progress = lambda step, done, total: None,
    schedules: Mapping[str, Scheduled] | None = None,
    adapter: str | None = None,
) -> list[Trained]:
    """Train the stages of a run that are not trained yet; a stage that was killed goes on where it stopped.

    With several processes (`accelerate launch`) all of them call this; the first of them writes.

    Args:
        config: The run.
        progress: Told of each stage's steps.
        schedules: The schedules of stages, by name; the others take their rows as their settings say.
        adapter: A trained adapter on the run's model that the first stage goes on with; None for none.

    Returns:
        The stages, in their order.

    Raises:
        UptakeError: The input cannot be used, which is told before any training, or training cannot go on.
    """
    from uptake.models.training.checkpoints import remove

    folder = config.output_dir / "train"
    first = int(os.environ.get("RANK", "0")) == 0
    with locked(folder) if first else nullcontext():
        plans = planned(config, progress, schedules, adapter)
        plans[0].job.arguments().distributed_state.wait_for_everyone()  # all have looked before one changes anything
        if first:
            _write_bad_rows(folder, plans)
        done: list[Trained] = []
        for number, found in enumerate(plans):
            if not found.finished:
                _train(config, plans, number, progress)
            elif first:
                remove(found.job.work)  # left by a run that was killed when all but this was done
            done.append(_trained(found))
        return done


def planned(
    config: RunConfig,
    progress: Progress = lambda step, done, total: None,
    schedules: Mapping[str, Scheduled] | None = None,
    adapter: str | None = None,
) -> list[StagePlan]:
    """The plan of one of several processes, of which the first one talks.

    Args:
        config: The run.
        progress: Told of the rows that are read, by the first process alone.
        schedules: As in `train_run`.
        adapter: As in `train_run`.

    Raises:
        UptakeError: As `plan`; one process of each machine raises it.
        SystemExit: The others leave without a word.
    """
    first = int(os.environ.get("RANK", "0")) == 0
    try:
        return plan(config, progress if first else lambda step, done, total: None, schedules, adapter)
    except UptakeError:
        if int(os.environ.get("LOCAL_RANK", "0")) > 0:
            raise SystemExit(0) from None
        raise


def _write_bad_rows(folder: Path, plans: Sequence[StagePlan]) -> None:
    bad = BadRows(folder / "bad_rows.jsonl")
    for found in plans:
        bad.add(found.stage, found.bad_rows)


def _train(config: RunConfig, plans: Sequence[StagePlan], number: int, progress: Progress) -> None:
    from uptake.models.training.checkpoints import remove
    from uptake.models.training.stage import train

    found, former = plans[number], plans[number - 1] if number else None
    first = found.job.arguments().process_index == 0
    start = None if former is None else finished_manifest(former.folder)["model"]
    if first and not found.done_steps:
        remove(found.job.work)
        for later in plans[number:]:  # what was recorded of them was of another model
            remove(config.output_dir / "ledger" / later.stage)
        write_json(found.job.work / "manifest.json", {"stage": found.stage, **found.identity, "start_model": start})
    step = f"training {found.stage}"
    done = train(found.job, _callbacks(config, plans[: number + 1]), lambda done, total: progress(step, done, total))
    if first:
        manifest = _manifest(config, found, done, start)
        manifest |= _outcome(config, found, done)
        write_json(done.model / "manifest.json", manifest)
        write_bytes(done.model / "README.md", model_card(config, found, manifest).encode())
        try:
            done.model.rename(found.folder)
        except OSError as error:
            raise cannot_write(found.folder, error) from error
        remove(found.job.work)
    found.job.arguments().distributed_state.wait_for_everyone()  # the next stage starts from this folder


def _callbacks(config: RunConfig, plans: Sequence[StagePlan]) -> Callable[[Any], Sequence[Any]]:
    """What listens to the trainer, given it; the last of the plans is the stage that is trained."""
    from uptake.models.ledger.callback import LedgerCallback
    from uptake.models.training.readings import reading
    from uptake.models.training.rows import first_of_each

    found = plans[-1]
    every_epoch = None
    if config.ledger == "epochs":  # the rows of all stages so far, as they are trained; what two share, once
        every_epoch = reading(first_of_each([one.job.rows for one in plans]))

    def callbacks(trainer: Any) -> Sequence[Any]:
        if found.scheduled is None and config.ledger == "off":
            return ()
        ids = trainer.train_dataset.ids  # in the order in which the trainer has the rows
        if found.scheduled is not None:
            attach(trainer, found.scheduled, found.job.rows, ids)
        if config.ledger == "off":
            return ()
        return [LedgerCallback(config.output_dir, found.stage, ids=ids, every_epoch=every_epoch)]

    return callbacks


def _manifest(config: RunConfig, found: StagePlan, done: Done, start: str | None) -> dict[str, Any]:
    """What a stage was trained from and with, enough to train it again; no times, and no places on this machine."""
    return {
        "stage": found.stage,
        **found.identity,
        "start_model": start,
        "files": dict(found.files),
        "seed": config.seed,
        "examples": found.examples,
        "left_out": len(found.bad_rows),
        "cut": found.cut,
        "tokens": found.tokens,
        "trained_tokens": found.trained_tokens,
        "steps": done.steps,
        "kept_step": done.kept,
        "model": model_digest(done.model),
        "versions": versions(),
    }


def _outcome(config: RunConfig, found: StagePlan, done: Done) -> dict[str, float | None]:
    """Losses at the start and the end, as training had them, and what the finished model recalls."""
    tenth = -(-len(done.losses) // 10)
    return {
        "loss_start": sum(done.losses[:tenth]) / tenth if tenth else None,
        "loss_end": sum(done.losses[-tenth:]) / tenth if tenth else None,
        "recalled": _recalled(config, found, done.kept) if config.ledger == "epochs" else None,
    }


def _recalled(config: RunConfig, found: StagePlan, steps: int) -> float | None:
    """The share of a stage's examples that is recalled after the step that is kept; None if not scored then."""
    import pyarrow.compute as pc

    from uptake.ledger import read_ledger

    table = read_ledger(config.output_dir).table
    for column, value in (("stage", found.stage), ("pass", "epoch"), ("step", steps)):
        table = table.filter(pc.equal(table[column], value))
    recalled = dict(zip(table["id"].to_pylist(), table["recalled"].to_pylist(), strict=True))
    ids = found.ids
    return sum(bool(recalled[name]) for name in ids) / len(ids) if all(name in recalled for name in ids) else None


def _trained(found: StagePlan) -> Trained:
    there = finished_manifest(found.folder)
    return Trained(
        stage=found.stage,
        folder=found.folder,
        examples=there["examples"],
        steps=there["steps"],
        processes=there["processes"],
        loss_start=there["loss_start"],
        loss_end=there["loss_end"],
        recalled=there["recalled"],
        found=found.finished,
    )

"""`uptake train`: the stages one after the other, each from the former's model, with every example's learning curve."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import (
    cannot_write,
    chunks,
    digest,
    file_digest,
    locked,
    read_json,
    versions,
    write_bytes,
    write_json,
)
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.cohort import BadRows, Progress
from uptake.pipeline.train_card import model_card
from uptake.pipeline.train_data import file_digests
from uptake.pipeline.train_plan import StagePlan, plan

if TYPE_CHECKING:
    from uptake.artifacts.ledger_files import Reading
    from uptake.models import Model

_WINDOW = 1024


@dataclass(frozen=True, slots=True)
class Trained:
    """A stage that is trained.

    Attributes:
        stage: Its name.
        folder: Its model, with `manifest.json` and a model card.
        examples: How many examples it trained.
        steps: Optimisation steps.
        loss_start: Mean loss of the first tenth of the steps, in nats a token; None when nothing recorded it.
        loss_end: The same of the last tenth.
        recalled: Share of its examples that are recalled at the last reading; None without a ledger.
        found: It was trained by a former run.
    """

    stage: str
    folder: Path
    examples: int
    steps: int
    loss_start: float | None
    loss_end: float | None
    recalled: float | None
    found: bool


def train_run(config: RunConfig, progress: Progress = lambda step, done, total: None) -> list[Trained]:
    """Train the stages of a run that are not trained yet; a stage that was killed goes on where it stopped.

    With several processes (`accelerate launch`) all of them call this; the first of them writes.

    Args:
        config: The run.
        progress: Told of each stage's steps.

    Returns:
        The stages, in their order.

    Raises:
        UptakeError: The input cannot be used, which is told before any training, or training cannot go on.
    """
    from uptake.models.train_checkpoints import remove

    folder = config.output_dir / "train"
    first = int(os.environ.get("RANK", "0")) == 0
    with locked(folder) if first else nullcontext():
        plans = _planned(config, progress if first else lambda step, done, total: None)
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


def _planned(config: RunConfig, progress: Progress) -> list[StagePlan]:
    """The plan; what is wrong with it is told by one process of each machine alone."""
    try:
        return plan(config, progress)
    except UptakeError:
        if int(os.environ.get("LOCAL_RANK", "0")) > 0:
            raise SystemExit(0) from None
        raise


def _write_bad_rows(folder: Path, plans: Sequence[StagePlan]) -> None:
    bad = BadRows(folder / "bad_rows.jsonl")
    for found in plans:
        bad.add(found.stage, found.bad_rows)


def _train(config: RunConfig, plans: Sequence[StagePlan], number: int, progress: Progress) -> None:
    from uptake.models.train_checkpoints import remove
    from uptake.models.train_stage import train

    found, former = plans[number], plans[number - 1] if number else None
    first = found.job.arguments().process_index == 0
    start = None if former is None else read_json(former.folder / "manifest.json")["model"]
    if first and not found.done_steps:
        remove(found.job.work)
        for later in plans[number:]:  # what was recorded of them was of another model
            remove(config.output_dir / "ledger" / later.stage)
        write_json(found.job.work / "manifest.json", {"stage": found.stage, **found.identity, "start_model": start})
    step = f"training {found.stage}"
    done = train(found.job, _ledger(config, plans[: number + 1]), lambda done, total: progress(step, done, total))
    if first:
        manifest = _manifest(config, found, done.steps, start, done.model)
        manifest |= _outcome(config, found, done)
        write_json(done.model / "manifest.json", manifest)
        write_bytes(done.model / "README.md", model_card(config, found, manifest).encode())
        try:
            done.model.rename(found.folder)
        except OSError as error:
            raise cannot_write(found.folder, error) from error
        remove(found.job.work)
    found.job.arguments().distributed_state.wait_for_everyone()  # the next stage starts from this folder


def _ledger(config: RunConfig, plans: Sequence[StagePlan]) -> Callable[[Any], Sequence[Any]]:
    """What makes the ledger's callback, given the trainer; the last of the plans is the stage that is trained."""
    if config.ledger == "off":
        return lambda trainer: ()
    from uptake.models.ledger_callback import LedgerCallback

    score = _scoring(plans) if config.ledger == "epochs" else None

    def callbacks(trainer: Any) -> Sequence[Any]:
        stage, ids = plans[-1].stage, trainer.train_dataset.ids  # in the order in which the trainer has the rows
        return [LedgerCallback(config.output_dir, stage, ids=ids, every_epoch=score)]

    return callbacks


def _scoring(plans: Sequence[StagePlan]) -> Callable[[Model, int, int], Iterator[Reading]]:
    """Score the rows of all stages so far, just as they are trained; what two stages share, once."""
    from uptake.models.train_rows import first_of_each

    rows = first_of_each([found.job.rows for found in plans])

    def run(model: Model, rank: int, world: int) -> Iterator[Reading]:
        from uptake.artifacts.ledger_files import Reading
        from uptake.models.train_rows import scored

        for some in chunks(range(rank, len(rows), world), _WINDOW):
            names, sequences = scored(rows.take(some))
            for name, (numbers,) in zip(names, model.score([[one] for one in sequences]), strict=True):
                yield Reading(name, -float(numbers[0].sum(dtype="float64")), numbers.shape[1], bool(numbers[1].all()))

    return run


def _manifest(config: RunConfig, found: StagePlan, steps: int, start: str | None, model: Path) -> dict[str, Any]:
    """What a stage was trained from and with, enough to train it again; no times, and no places on this machine."""
    return {
        "stage": found.stage,
        **found.identity,
        "start_model": start,
        "files": file_digests(found.dataset),
        "seed": config.seed,
        "examples": found.examples,
        "left_out": len(found.bad_rows),
        "cut": found.cut,
        "tokens": found.tokens,
        "trained_tokens": found.trained_tokens,
        "steps": steps,
        "model": model_digest(model),
        "versions": versions(),
    }


def model_digest(folder: Path) -> str:
    """Identifies a trained model: the bytes of its weights, configuration and tokenizer."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    own = ("README.md", "manifest.json")
    return digest([[path.name, file_digest(path)] for path in files if path.name not in own])


def _outcome(config: RunConfig, found: StagePlan, done: Any) -> dict[str, float | None]:
    """Losses at the start and the end, and what is recalled: from the ledger, or without it from the trainer's log."""
    if config.ledger == "off":
        first, last = (done.losses[0], done.losses[-1]) if done.losses else (None, None)
        return {"loss_start": first, "loss_end": last, "recalled": None}
    import pyarrow.compute as pc

    from uptake.ledger import read_ledger

    table = read_ledger(config.output_dir).table
    table = table.filter(pc.equal(table["stage"], found.stage))
    trained = table.filter(pc.and_(pc.equal(table["pass"], "train"), pc.is_valid(table["nll"])))
    tenth = -(-done.steps // 10)

    def mean(part: Any) -> float | None:
        tokens = pc.sum(part["tokens"]).as_py()
        return pc.sum(part["nll"].cast("float64")).as_py() / tokens if tokens else None

    last_readings = dict(zip(table["id"].to_pylist(), table["recalled"].to_pylist(), strict=True))
    ids = found.ids
    return {
        "loss_start": mean(trained.filter(pc.less_equal(trained["step"], tenth))),
        "loss_end": mean(trained.filter(pc.greater(trained["step"], done.steps - tenth))),
        "recalled": sum(bool(last_readings.get(name)) for name in ids) / len(ids),
    }


def _trained(found: StagePlan) -> Trained:
    there = read_json(found.folder / "manifest.json")
    return Trained(
        stage=found.stage,
        folder=found.folder,
        examples=there["examples"],
        steps=there["steps"],
        loss_start=there["loss_start"],
        loss_end=there["loss_end"],
        recalled=there["recalled"],
        found=found.finished,
    )

"""Train what a plan says: its texts, if they are read before, then fine-tuning in its order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uptake.config import RunConfig, Stage
from uptake.pipeline.prescribe.material import rows_of_a_step
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.run import train_run
from uptake.pipeline.train.schedule import Scheduled
from uptake.prescribe import OF_THE_PLAN, kept_apart, read_plan
from uptake.schedule import Schedule, conflict_free
from uptake.types import Document, Example, Plan

CHECKPOINTS = 0.2
"""Unless the run says otherwise: a checkpoint after each fifth of a phase, for a plan has one long epoch."""


def apply(
    plan: Plan | Path,
    config: RunConfig,
    folder: Path,
    *,
    seed: int | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Path:
    """Train a plan; what is trained is kept, and what was killed goes on where it stopped.

    The phases are stages of a training run in `folder`: `train/cpt`, where texts are read, and `train/sft`. Rows come
    in the plan's order. Other processes than the plan was made for share a step's rows as their batches allow; where
    that cannot be, as few rows as can be are moved, so that what is to be apart stays apart. With several processes all
    call this; the first of them writes.

    Args:
        plan: A plan, or the folder of a written one.
        config: The run that it was made for: settings, how models are loaded, its device.
        folder: Where it is trained; of no other plan or seed.
        seed: Of dropout and new adapters; None for the run's. The order is the plan's.
        progress: Told of each phase's steps.

    Returns:
        The folder of the trained model, or of its adapter.

    Raises:
        UptakeError: There is no plan, its rows or the settings cannot be trained, or `folder` holds another training.
    """
    drawn = read_plan(plan) if isinstance(plan, Path) else plan
    own = {name: value for name, value in drawn.training.items() if name not in (*OF_THE_PLAN, "seed")}
    training = {"save_strategy": "steps", "save_steps": CHECKPOINTS, **_of_a_step(own, drawn.step)}
    phases: dict[str, Sequence[Example]] = {"sft": _in_order(drawn, training, config.seed)}
    if drawn.cpt and drawn.reading == "before":
        phases = {"cpt": [_text(one) for one in drawn.cpt], **phases}
    adapter = _adapter(drawn, config)
    changed = {
        "model_name_or_path": config.model_name_or_path if adapter is not None else drawn.model,
        "revision": config.tuned_revision if drawn.start == "tuned" and adapter is None else config.revision,
        "stages": tuple(Stage(name=name, dataset=f"plan/{name}.jsonl", num_train_epochs=1) for name in phases),
        "training": training,
        "peft": drawn.peft,
        "ledger": "off",
        "on_bad_row": "error",  # a row that is left out moves all steps after it
        "output_dir": folder,
        "seed": config.seed if seed is None else seed,
    }
    order = Schedule(shuffle=False)
    schedules = {name: Scheduled(order, examples=examples) for name, examples in phases.items()}
    *_, last = train_run(config.model_copy(update=changed), progress, schedules, adapter)
    return last.folder


def _of_a_step(training: dict[str, Any], rows: int) -> dict[str, Any]:
    """The settings with as many batches a step as make up its rows, and no larger ones than the device was given."""
    own, rest = divmod(rows, int(os.environ.get("WORLD_SIZE", "1")))
    if rest:
        return training
    most = rows_of_a_step({**training, "gradient_accumulation_steps": 1})
    size = max(size for size in range(1, most + 1) if own % size == 0)
    return {**training, "per_device_train_batch_size": size, "gradient_accumulation_steps": own // size}


def _in_order(plan: Plan, training: dict[str, Any], seed: int) -> list[Example]:
    """The rows of fine-tuning, free of conflict at the steps that are really trained."""
    step = rows_of_a_step(training) * int(os.environ.get("WORLD_SIZE", "1"))
    if step == plan.step:
        return list(plan.sft)
    examples = {one.id: one for one in plan.sft}
    number = {name: place for place, name in enumerate(examples)}
    order = conflict_free([number[one.id] for one in plan.sft], kept_apart(plan.edits, number), step, seed)
    rows = list(examples.values())
    return [rows[place] for place in order]


def _text(document: Document) -> Example:
    return Example(document.id, "", document.text, document.source, stage="cpt")


def _adapter(plan: Plan, config: RunConfig) -> str | None:
    """The tuned model, if it is an adapter that the repair goes on with."""
    if plan.start == "base":
        return None
    from uptake.models.places.place import LoadSettings, locate

    load = LoadSettings(revision=config.tuned_revision, trust_remote_code=config.trust_remote_code)
    return None if locate(plan.model, load, base=config.model_name_or_path).base is None else plan.model

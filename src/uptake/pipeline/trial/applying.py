"""Train what a plan says: its texts, if they are read before, then fine-tuning in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.config import Stage
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.run import train
from uptake.pipeline.train.settings import rows_of_a_step, settings_of
from uptake.pipeline.train.training_run import StageSpec, TrainingRun
from uptake.prescribe import OF_THE_PLAN, kept_apart, read_plan
from uptake.processes import Processes
from uptake.schedule import Schedule, conflict_free
from uptake.types import Document, Example, Plan

if TYPE_CHECKING:
    from uptake.models.training.start import Start

CHECKPOINTS = 0.2
"""Unless the run says otherwise: a checkpoint after each fifth of a phase, for a plan has one long epoch."""


def apply(
    plan: Plan | Path,
    run: TrainingRun,
    folder: Path,
    *,
    tuned_revision: str | None = None,
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
        run: The run that it was made for: how models are loaded, its device, the processes.
        folder: Where it is trained; of no other plan or seed.
        tuned_revision: Branch, tag or commit of the tuned model on the hub, where the plan starts from it.
        seed: Of dropout and new adapters; None for the run's. The order is the plan's.
        progress: Told of each phase's steps.

    Returns:
        The folder of the trained model, or of its adapter.

    Raises:
        UptakeError: There is no plan, its rows or the settings cannot be trained, or `folder` holds another training.
    """
    drawn = read_plan(plan) if isinstance(plan, Path) else plan
    own = {name: value for name, value in drawn.training.items() if name not in (*OF_THE_PLAN, "seed")}
    training = {"save_strategy": "steps", "save_steps": CHECKPOINTS, **_of_a_step(own, drawn.step, run.processes)}
    phases: dict[str, Sequence[Example]] = {"sft": _in_order(drawn, training, run)}
    if drawn.cpt and drawn.reading == "before":
        phases = {"cpt": [_text(one) for one in drawn.cpt], **phases}
    drawn_with = run.seed if seed is None else seed
    stages = tuple(_spec(name, examples, training, drawn_with, run) for name, examples in phases.items())
    start = start_of(drawn, run, tuned_revision)
    changed = replace(run, start=start, stages=stages, folder=folder, seed=drawn_with, ledger="off")
    *_, last = train(replace(changed, skip_bad_rows=False), progress)  # a row left out moves all steps after it
    return last.folder


def _spec(name: str, examples: Sequence[Example], training: dict[str, Any], seed: int, run: TrainingRun) -> StageSpec:
    dataset = f"plan/{name}.jsonl"
    stage = Stage(name=name, dataset=dataset, num_train_epochs=1)
    settings = settings_of(stage, training, seed=seed, max_length=None, device=run.start.settings.device)
    return StageSpec(name, dataset, settings, examples, Schedule(shuffle=False))


def _of_a_step(training: dict[str, Any], rows: int, processes: Processes) -> dict[str, Any]:
    """The settings with as many batches a step as make up its rows, and no larger ones than the device was given."""
    own, rest = divmod(rows, processes.world)
    if rest:
        return training
    most = rows_of_a_step({**training, "gradient_accumulation_steps": 1})
    size = max(size for size in range(1, most + 1) if own % size == 0)
    return {**training, "per_device_train_batch_size": size, "gradient_accumulation_steps": own // size}


def _in_order(plan: Plan, training: dict[str, Any], run: TrainingRun) -> list[Example]:
    """The rows of fine-tuning, free of conflict at the steps that are really trained."""
    step = rows_of_a_step(training) * run.processes.world
    if step == plan.step:
        return list(plan.sft)
    examples = {one.id: one for one in plan.sft}
    number = {name: place for place, name in enumerate(examples)}
    order = conflict_free([number[one.id] for one in plan.sft], kept_apart(plan.edits, number), step, run.seed)
    rows = list(examples.values())
    return [rows[place] for place in order]


def _text(document: Document) -> Example:
    return Example(document.id, "", document.text, document.source, stage="cpt")


def start_of(plan: Plan, run: TrainingRun, tuned_revision: str | None) -> Start:
    """The base, the tuned model, or, if that is an adapter, the base with the adapter that the repair goes on with.

    Args:
        plan: The plan.
        run: The run that it was made for.
        tuned_revision: As in `apply`.

    Raises:
        UptakeError: There is no such model.
    """
    from uptake.models.places.place import locate
    from uptake.models.training.start import Start

    load = run.start.settings
    if plan.start == "base":
        return Start(plan.model, load, plan.peft)
    of_tuned = replace(load, revision=tuned_revision, base_revision=load.revision)
    place = locate(plan.model, replace(of_tuned, chat_template=None), base=run.start.name)
    if place.base is None:
        return Start(plan.model, replace(of_tuned, base_revision=None), plan.peft)
    return Start(run.start.name, load, plan.peft, place.folder)

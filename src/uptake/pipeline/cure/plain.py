"""The run's own fine-tuning with as many tokens as a plan: what a cure is held against.

What a plan does not keep of the run's settings it does not keep either, so that both are trained alike: packing and
strategies of continual learning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from uptake.pipeline.progress import Progress
from uptake.pipeline.train.packed import row_by_row
from uptake.pipeline.train.run import train
from uptake.pipeline.train.training_run import StageSpec, TrainingRun
from uptake.pipeline.trial.applying import start_of
from uptake.types import Plan


def train_plainly(
    plan: Plan,
    run: TrainingRun,
    folder: Path,
    *,
    tuned_revision: str | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Path:
    """Train all stages of a run, longer or shorter, with as many tokens as a plan has, and row by row as the plan.

    They start where the plan starts: from the base, or from the tuned model, which then goes on with all examples. With
    several processes all call this. What is trained is kept, as by `apply`.

    Args:
        plan: The plan.
        run: The run that it was made for.
        folder: Where it is trained.
        tuned_revision: As in `apply`.
        progress: Told of each stage's steps.

    Returns:
        The folder of the trained model, or of its adapter.

    Raises:
        UptakeError: The data or the settings cannot be trained.
    """
    times = plan.cost.total / max(1, plan.cost.plain)
    run = row_by_row(replace(run, stages=tuple(_without_strategies(run.stages))))
    stages = tuple(replace(one, settings=_longer(one.settings, times)) for one in run.stages)
    start = start_of(plan, run, tuned_revision)
    *_, last = train(replace(run, start=start, stages=stages, folder=folder, ledger="off"), progress)
    return last.folder


def _without_strategies(stages: Sequence[StageSpec]) -> Iterator[StageSpec]:
    """The stages alone; of one that a strategy trains in two parts its own rows, under its own name."""
    first = {one.part_of: one for one in stages if one.part_of is not None}
    for one in stages:
        if one.part_of is None:
            own = first.get(one.name, one)
            yield replace(own, name=one.name, strategies=(), part_of=None)


def _longer(settings: Mapping[str, Any], times: float) -> dict[str, Any]:
    """The settings of a stage that trains so many times as long."""
    steps: int = settings.get("max_steps", -1)
    if steps > 0:
        return {**settings, "max_steps": max(1, round(times * steps))}
    return {**settings, "num_train_epochs": times * float(settings["num_train_epochs"])}

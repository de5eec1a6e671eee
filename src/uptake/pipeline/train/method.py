"""The strategies of a stage: what they are, what they find, and what they arrange when the stage's turn comes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from uptake.artifacts import digest
from uptake.pipeline.train.arranged import Arrangement, arranged, arranged_digest
from uptake.pipeline.train.general import general_rows
from uptake.pipeline.train.schedule import with_sources
from uptake.pipeline.train.state import memory_left
from uptake.schedule import Schedule

if TYPE_CHECKING:
    from uptake.models.training.hooks import Hooks, Method, StageView
    from uptake.models.training.job import Job
    from uptake.models.training.tally import Tally
    from uptake.pipeline.train.plan import ReadStage
    from uptake.pipeline.train.stage_plan import StagePlan
    from uptake.pipeline.train.training_run import StageSpec, TrainingRun


def hooks_of(spec: StageSpec) -> Hooks | None:
    """What the stage's strategies do; None without one."""
    from uptake.models.training.hooks import chain

    return chain({one.strategy.name: one.hooks() for one in spec.strategies}) if spec.strategies else None


def method_of(run: TrainingRun, stage: ReadStage, former: StagePlan | None) -> Method | None:
    """The stage's strategies, with what earlier stages left; None for plain fine-tuning.

    Args:
        run: The run.
        stage: The stage.
        former: The stage before, if there is one.

    Raises:
        UptakeError: What earlier stages left is gone or damaged.
    """
    from uptake.models.training.hooks import Method, StageView

    hooks = hooks_of(stage.spec)
    if hooks is None or hooks.idle:
        return None
    view = StageView(
        number=stage.number,
        name=stage.spec.name,
        seed=run.seed,
        rows=stage.rows,
        former=None if former is None else former.stage,
        schedule=stage.spec.schedule,
        validation=stage.validation,
        examples=stage.examples,
        peft=run.start.peft,
        general=partial(general_rows, run, stage),
    )
    return Method(hooks, view, memory_left(former))


def with_arranged(run: TrainingRun, job: Job, identity: Mapping[str, Any]) -> tuple[Job, dict[str, Any]]:
    """The stage with what its strategies arrange, and what identifies it then; it is read where it is made already.

    Args:
        run: The run.
        job: The stage with its own rows, and a method with a `data` hook.
        identity: What identifies it without what is arranged.

    Raises:
        UptakeError: It cannot be made, or is gone and training has begun with it.
    """
    from uptake.models.training.checkpoints import any_written

    method, args = job.method, job.arguments()
    assert method is not None
    begun = any_written(job.work / "checkpoints")
    place = Arrangement(job.work, method.stage.name, digest(dict(identity)), begun, run.processes)
    view = arranged(place, method.stage, lambda: _arrange(job, args), args.distributed_state.wait_for_everyone)
    found = replace(job, rows=view.rows, method=replace(method, stage=view))
    return found, {**identity, "arranged": arranged_digest(job.work)}


def _arrange(job: Job, args: Any) -> StageView:
    from uptake.models.training.job import n_steps
    from uptake.models.training.pools import drawn_by, laid_out
    from uptake.models.training.tally import Tally

    method = job.method
    assert method is not None and method.hooks.data is not None
    tally = Tally()
    with tally.of("ends"):
        view = method.hooks.data(replace(method.stage, model=_loader(job, args, tally)), method.memory.closed())
    view = replace(view, spent=tuple(tally.counts.tolist()))
    view = replace(view, schedule=with_sources(view.schedule, view.rows))
    if not view.pools:
        return view
    epochs = n_steps(args, len(view.rows) + drawn_by(view.pools))[1]
    rows, drawn = laid_out(view.rows, view.pools, max(1, math.ceil(epochs)))
    in_order = getattr(args, "train_sampling_strategy", "random") == "sequential"
    schedule = view.schedule or Schedule(shuffle=not in_order, seed=view.seed)
    return replace(view, rows=rows, drawn=drawn, schedule=schedule, pools=())


def _loader(job: Job, args: Any, tally: Tally) -> Callable[[], Any]:
    """Loads the model that the stage starts from when it is first asked for; what goes through it is counted."""
    loaded: list[Any] = []

    def model() -> Any:
        from uptake.models.scoring.live import around
        from uptake.models.training.start import load_start

        if not loaded:
            before = load_start(job.start, job.settings.get("model_init_kwargs") or {}).to(args.device).eval()
            loaded.append(around("the model before the stage", before, job.tokenizer))
            tally.watch(before)
        return loaded[0]

    return model

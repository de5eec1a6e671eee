"""What a training refuses before it reads its data: settings, strategies, and both together on two rows.

`uptake validate` and `uptake train` check by the same functions; the former needs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from uptake.artifacts import digest
from uptake.pipeline.train.method import hooks_of
from uptake.pipeline.train.settings import require_device, require_needs, require_recordable, sharded_by
from uptake.pipeline.train.training_run import StageSpec, TrainingRun

if TYPE_CHECKING:
    from uptake.models.training.job import Job
    from uptake.models.training.start import Start

_OF_THE_TOKENIZER = ("eos_token", "pad_token", "chat_template_path")
"""Settings that only the model's own tokenizer can answer."""


def require_settings(run: TrainingRun) -> None:
    """Refuse settings and strategies that no stage can be trained with, whatever the model and the data.

    Args:
        run: The run.

    Raises:
        UptakeError: There are such.
    """
    from uptake.models.training.start import lora

    for spec in run.stages:
        require_recordable(run, spec)
        args = job_of(run, spec, run.start).arguments()
        require_device(run.start.settings.device, args)
        require_needs(run, spec, args)
    if run.start.peft is not None:
        lora(run.start.peft)


def rehearse_stages(run: TrainingRun, tokenizers: Mapping[str, Any]) -> None:
    """Make the trainer of each stage for a model of a few numbers, and take a step with the stage's strategies.

    Args:
        run: The run.
        tokenizers: What each stage's rows are made with, by its name.

    Raises:
        UptakeError: A setting is refused, something that it needs is not installed, or strategies fail.
    """
    from uptake.models.training.rehearsal import rehearse

    rehearsed = set()
    for spec in run.stages:
        settings = {name: value for name, value in spec.settings.items() if name != "num_train_epochs"}
        key = digest(settings, [one.identity() for one in spec.strategies])
        if key not in rehearsed:
            rehearsed.add(key)
            job, sharded = job_of(run, spec, run.start, tokenizers[spec.name]), bool(sharded_of(run, spec))
            # hooks are rehearsed on the processor, and processes with a GPU each talk through these alone
            alone = run.processes.world == 1 or job.arguments().device.type == "cpu"
            rehearse(job, hooks_of(spec) if alone and not sharded else None, sharded=sharded)


def require_without_a_model(run: TrainingRun) -> None:
    """Refuse what can be refused before there is a model: all of the above, with a tokenizer that stands in.

    Args:
        run: The run.

    Raises:
        UptakeError: As the functions above.
    """
    from uptake.models.small.tiny import train_tokenizer

    require_settings(run)
    stand_in = train_tokenizer(["a stand-in for a tokenizer"], 300)
    stages = [
        replace(spec, settings={name: value for name, value in spec.settings.items() if name not in _OF_THE_TOKENIZER})
        for spec in run.stages
    ]
    rehearse_stages(replace(run, stages=tuple(stages)), {spec.name: stand_in for spec in stages})


def require_model(run: TrainingRun) -> None:
    """Refuse what the files of the model that the first stage starts from rule out; its weights are not read.

    Args:
        run: The run.

    Raises:
        UptakeError: There is no such model or tokenizer, or the adapter or a setting does not fit it.
    """
    from uptake.models.training.start import skeleton, tokenizer_of

    place = run.start.place()
    skeleton(run.start)
    for spec in run.stages:
        tokenizer_of(place, run.start.settings, spec.settings.get("eos_token"))


def job_of(run: TrainingRun, spec: StageSpec, start: Start, tokenizer: Any = None) -> Job:
    """The stage without rows."""
    from uptake.models.training.job import Job
    from uptake.models.training.rows import ROWS

    work = run.folder / "train" / f".{spec.name}.work"
    return Job(start, tokenizer, ROWS.empty_table(), spec.settings, work)


def sharded_of(run: TrainingRun, spec: StageSpec) -> list[str]:
    """What splits a stage's model over processes."""
    return sharded_by(spec.settings.get("fsdp"), spec.settings.get("deepspeed"), run.processes)

"""The trainer's settings of a stage, and what cannot be trained with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

from uptake.config import Stage
from uptake.errors import UptakeError
from uptake.pipeline.train.training_run import StageSpec, TrainingRun
from uptake.processes import Processes

if TYPE_CHECKING:
    from uptake.models.training.hooks import Needs


def settings_of(
    stage: Stage, training: Mapping[str, Any], *, seed: int, max_length: int | None, device: str
) -> dict[str, Any]:
    """The trainer's settings of a stage: the run's, over them the stage's own, over them the keys that say the same.

    Args:
        stage: The stage.
        training: The run's settings.
        seed: The run's.
        max_length: The run's; None for 1024, unless the settings say.
        device: The run's.

    Raises:
        UptakeError: Two of them contradict each other, or the trainer cannot be put on the device.
    """
    settings = with_length(stage, training, max_length)
    given = settings.get("num_train_epochs")
    if "num_train_epochs" in stage.model_fields_set:
        _agree(f"stages.{stage.name}.num_train_epochs", stage.num_train_epochs, "training.num_train_epochs", given)
        given = stage.num_train_epochs
    settings["num_train_epochs"] = stage.num_train_epochs if given is None else given
    _agree("seed", seed, "training.seed", settings.get("seed"))
    settings["seed"] = seed
    _place(device, settings)
    return settings


def with_length(stage: Stage, training: Mapping[str, Any], max_length: int | None) -> dict[str, Any]:
    """What a run file says of a stage's training, with the length that longer rows are cut to: TRL's where it has none.

    Args:
        stage: The stage.
        training: The run's settings.
        max_length: The run's.
    """
    return {"max_length": max_length or 1024, **training, **stage.training}


def _place(device: str, settings: dict[str, Any]) -> None:
    """Put the trainer on the run's device, as far as it lets itself be put there."""
    from uptake.models.places.place import device_of

    name, _, number = device.partition(":")
    if name == "cpu":
        _agree("device", "cpu", "training.use_cpu", None if settings.get("use_cpu", True) else False)
        settings["use_cpu"] = True
    elif number not in ("", "0"):
        raise UptakeError(
            f"the trainer cannot be put on device {device!r}",
            expected="auto, cpu or cuda",
            fix=f"let it see only one device: CUDA_VISIBLE_DEVICES={number} uptake train ... --device {name}",
        )
    elif name != "auto":
        device_of(device)
        _agree("device", device, "training.use_cpu", True if settings.get("use_cpu") else None)


def _agree(key: str, value: Any, other: str, theirs: Any) -> None:
    if theirs is not None and theirs != value:
        raise UptakeError(
            f"{key} is {value}, and {other} is {theirs}", expected="one of the two", fix=f"leave {other} out"
        )


def require_recordable(run: TrainingRun, spec: StageSpec) -> None:
    """Refuse settings with which the ledger cannot be kept.

    Raises:
        UptakeError: Rows are packed, or the model is split over processes and is to be scored.
    """
    sharded = sharded_by(spec.settings.get("fsdp"), spec.settings.get("deepspeed"), run.processes)
    if run.ledger == "epochs" and sharded and run.processes.world > 1:
        raise UptakeError(
            f"the model is sharded over processes ({', '.join(sharded)}), so it cannot be scored at each epoch's end",
            expected="ledger: training, or ledger: off",
            fix="give --ledger training",
        )
    if spec.settings.get("packing") and run.ledger != "off":
        raise UptakeError(
            "packing joins pieces of several examples in a row, so the ledger cannot tell them apart",
            expected="packing: false, or ledger: off",
            fix="leave packing out (`padding_free: true` saves the padding as well), or give --ledger off",
        )


def require_device(device: str, args: Any) -> None:
    """Refuse a trainer that would run elsewhere than the run says.

    Args:
        device: The run's.
        args: The trainer's arguments.

    Raises:
        UptakeError: It would.
    """
    if device != "auto" and args.device.type != device.partition(":")[0]:
        raise UptakeError(
            f"the trainer would run on {args.device.type}, and device is {device!r}",
            expected="a device that the trainer takes: auto, cpu, cuda or mps",
            fix="--device auto",
        )


def require_needs(run: TrainingRun, spec: StageSpec, args: Any) -> None:
    """Refuse several GPUs in one process, and strategies that need what these settings cannot give, each by its name.

    Args:
        run: The run.
        spec: The stage.
        args: The trainer's arguments.

    Raises:
        UptakeError: One does.
    """
    from uptake.models.training.order import require_steps_of_one_size

    settings = spec.settings
    joined = [name for name in ("packing", "padding_free") if settings.get(name)]
    sharded = sharded_by(settings.get("fsdp"), settings.get("deepspeed"), run.processes)
    if args.n_gpu > 1:
        raise UptakeError(
            f"{args.n_gpu} GPUs share this process (DataParallel): a step would have {args.n_gpu} times its rows, "
            "of which nothing here knows",
            expected="one GPU a process",
            fix="start it with `accelerate launch`, or show it one GPU: CUDA_VISIBLE_DEVICES=0 uptake ...",
        )
    _require_steady(spec, args)
    for chosen in spec.strategies:
        hooks, name = chosen.hooks(), chosen.strategy.name
        needs = hooks.needs
        if joined and (needs.per_row or needs.logits):
            raise UptakeError(
                f"the strategy {name} reads single rows of a batch, and {joined[0]} joins rows",
                expected=f"training without {joined[0]}",
                fix=f"leave {joined[0]} out, or train without {name}",
            )
        if needs.order:
            try:
                require_steps_of_one_size(args)
            except UptakeError as error:
                problem = f"the strategy {name} decides which rows a step has: {error.problem}"
                raise UptakeError(problem, expected=error.expected, fix=error.fix) from None
        if sharded and (needs.gradients or needs.weights or needs.logits or needs.former or needs.readings):
            what = {"fsdp": "FSDP", "deepspeed": "DeepSpeed"}[sharded[0]]
            raise UptakeError(
                f"the strategy {name} needs the whole model in each process, and {what} splits it",
                expected=f"training without {what}",
                fix=f"start it without {what}, or train without {name}",
            )
        earlier = run.stages[: run.stages.index(spec)]
        if needs.memory and earlier and not any(_has(name, one) for one in earlier):
            raise UptakeError(
                f"the strategy {name} in the stage {spec.name!r} needs what earlier stages keep for it, and none does",
                expected=f"{name} in an earlier stage too; in the first one it only keeps rows",
                fix="give it to the run instead of this stage only",
            )
        _require_trained(run, spec, name, needs)


def without_effect(run: TrainingRun, spec: StageSpec) -> list[str]:
    """Strategies of a stage that change nothing in the whole run, as notes: what they keep, no stage trains.

    Args:
        run: The run.
        spec: The stage.
    """
    others = [one for one in run.stages if one is not spec]
    return [
        f"the strategy {chosen.strategy.name} changes nothing in this run: it keeps what later stages would need, "
        "and no other stage has it"
        for chosen in spec.strategies
        if chosen.hooks().needs.memory and not any(_has(chosen.strategy.name, one) for one in others)
    ]


def _require_trained(run: TrainingRun, spec: StageSpec, name: str, needs: Needs) -> None:
    """Refuse a strategy that looks at other weights or other texts than the run has."""
    so_far = run.stages[: run.stages.index(spec) + 1]
    if needs.lasting and (other := _reshaping(name, so_far)) is not None:
        raise UptakeError(
            f"the strategy {name} keeps what it knows of each weight, and {other} gives each stage other weights",
            expected="one of the two",
            fix=f"train without {name}, or without {other}",
        )
    others = [one.name for one in dropwhile(lambda one: not _has(name, one), so_far) if not _has(name, one)]
    if needs.every and others:
        raise UptakeError(
            f"the strategy {name} begins the stage {spec.name!r} with the weights from before its first stage: nothing "
            f"would be left of what {', '.join(others)} trained without it",
            expected=f"{name} in every stage from the first one with it on",
            fix=f"give it to {', '.join(others)} too",
        )
    if needs.general and run.general is None:
        raise UptakeError(
            f"the strategy {name} reads general text, and the run has none",
            expected="texts of the kind that the base model was trained on",
            fix=f"give --general FILE, or train without {name}",
        )
    if needs.whole and run.start.adapts:
        raise UptakeError(
            f"the strategy {name} looks at the model's own matrices, and the run trains an adapter",
            expected="training of all weights",
            fix=f"leave peft out, or train without {name}",
        )
    if needs.adapter and not run.start.adapts:
        raise UptakeError(
            f"the strategy {name} trains LoRA adapters, and the run trains all weights",
            expected="settings of an adapter",
            fix="give --peft.r 8 --peft.target_modules all-linear",
        )


def _require_steady(spec: StageSpec, args: Any) -> None:
    """Refuse what would begin the training again in its middle, or judge it by weights that it does not end with."""
    acting = {chosen.strategy.name: hooks for chosen in spec.strategies if not (hooks := chosen.hooks()).idle}
    if acting and getattr(args, "auto_find_batch_size", False):
        raise UptakeError(
            f"the strategy {next(iter(acting))} remembers what a step did, and auto_find_batch_size begins again with "
            "smaller batches where memory is short",
            expected="training without auto_find_batch_size",
            fix="leave it out, and lower per_device_train_batch_size if memory is short",
        )
    replacing = [name for name, hooks in acting.items() if hooks.replaces]
    if len(replacing) > 1:
        raise UptakeError(
            f"the strategies {' and '.join(replacing)} both set the weights that the stage {spec.name!r} ends with",
            expected="one of them: nothing would be left of the other's average",
            fix=f"train without {replacing[0]}, or without {replacing[1]}",
        )
    stops = [f"the strategy {name}" for name, hooks in acting.items() if hooks.stops]
    if spec.schedule is not None and spec.schedule.stop is not None:
        stops.append("the schedule of the stage")
    for name, hooks in acting.items():
        if hooks.moves and stops:
            raise UptakeError(
                f"{stops[0]} ends the stage by the loss of the weights in training, and the strategy {name} ends with "
                "other weights",
                expected="one of the two",
                fix=f"train without {name}, or to the last epoch",
            )


def _has(strategy: str, spec: StageSpec) -> bool:
    """Whether a stage is trained by a strategy, with settings that do something."""
    return any(one.strategy.name == strategy and not one.hooks().idle for one in spec.strategies)


def _reshaping(strategy: str, specs: Sequence[StageSpec]) -> str | None:
    """Another strategy of these stages that trains other weights than those that the stage before gave."""
    chosen = [one for spec in specs for one in spec.strategies if one.strategy.name != strategy]
    return next((one.strategy.name for one in chosen if one.hooks().adapt is not None), None)


def sharded_by(fsdp: Any, deepspeed: Any, processes: Processes) -> list[str]:
    """What splits the model over processes, by the settings or by the launcher."""
    return [name for name, given in (("fsdp", fsdp), ("deepspeed", deepspeed)) if given or name in processes.sharded]


def rows_of_a_step(settings: Mapping[str, Any]) -> int:
    """Rows of an optimisation step of one process; 8 and 1 are the trainer's defaults."""
    size: int = settings.get("per_device_train_batch_size", 8) * settings.get("gradient_accumulation_steps", 1)
    return size

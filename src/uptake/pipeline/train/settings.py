"""The trainer's settings of a stage, from the run file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.config import RunConfig, Stage
from uptake.errors import UptakeError

if TYPE_CHECKING:
    pass


def settings_of(config: RunConfig, stage: Stage) -> dict[str, Any]:
    """The trainer's settings of a stage: the run's, over them the stage's own, over them the keys that say the same.

    Raises:
        UptakeError: Two of them contradict each other.
    """
    settings = {**config.training, **stage.training}
    given = settings.get("num_train_epochs")
    if "num_train_epochs" in stage.model_fields_set:
        _agree(f"stages.{stage.name}.num_train_epochs", stage.num_train_epochs, "training.num_train_epochs", given)
        given = stage.num_train_epochs
    settings["num_train_epochs"] = stage.num_train_epochs if given is None else given
    _agree("seed", config.seed, "training.seed", settings.get("seed"))
    settings["seed"] = config.seed
    settings.setdefault("max_length", config.max_length or 1024)
    _place(config, settings)
    _refuse_sharded_scoring(config, settings)
    if settings.get("packing") and config.ledger != "off":
        raise UptakeError(
            "packing joins pieces of several examples in a row, so the ledger cannot tell them apart",
            expected="packing: false, or ledger: off",
            fix="leave packing out (`padding_free: true` saves the padding as well), or give --ledger off",
        )
    return settings


def _place(config: RunConfig, settings: dict[str, Any]) -> None:
    """Put the trainer on the run's device, as far as it lets itself be put there."""
    from uptake.models.places.place import device_of

    name, _, number = config.device.partition(":")
    if name == "cpu":
        _agree("device", "cpu", "training.use_cpu", None if settings.get("use_cpu", True) else False)
        settings["use_cpu"] = True
    elif number not in ("", "0"):
        raise UptakeError(
            f"the trainer cannot be put on device {config.device!r}",
            expected="auto, cpu or cuda",
            fix=f"show it one device alone: CUDA_VISIBLE_DEVICES={number} uptake train ... --device {name}",
        )
    elif name != "auto":
        device_of(config.device)
        _agree("device", config.device, "training.use_cpu", True if settings.get("use_cpu") else None)


def _require_device(config: RunConfig, args: Any) -> None:
    if config.device != "auto" and args.device.type != config.device.partition(":")[0]:
        raise UptakeError(
            f"the trainer would run on {args.device.type}, and device is {config.device!r}",
            expected="a device that the trainer takes: auto, cpu, cuda or mps",
            fix="--device auto",
        )


def _refuse_sharded_scoring(config: RunConfig, settings: Mapping[str, Any]) -> None:
    """A model that is sharded over processes cannot be scored by one of them."""
    sharded = _sharded(settings.get("fsdp"), settings.get("deepspeed"))
    if config.ledger == "epochs" and sharded and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UptakeError(
            f"the model is sharded over processes ({', '.join(sharded)}), so it cannot be scored at each epoch's end",
            expected="ledger: training, or ledger: off",
            fix="give --ledger training",
        )


def _agree(key: str, value: Any, other: str, theirs: Any) -> None:
    if theirs is not None and theirs != value:
        raise UptakeError(
            f"{key} is {value}, and {other} is {theirs}", expected="one of the two", fix=f"leave {other} out"
        )


def _text(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="a Jinja chat template as UTF-8 text") from error


def _sharded(fsdp: Any, deepspeed: Any) -> list[str]:
    """What shards the model over processes, by the settings or by the launcher."""
    return [
        name
        for name, given in (("fsdp", fsdp), ("deepspeed", deepspeed))
        if given or os.environ.get(f"ACCELERATE_USE_{name.upper()}", "").lower() == "true"
    ]

"""What a trainer's settings cannot say of how the run was trained, told in its file and in the plan's notes.

Left out of this are settings that change nothing but speed, memory, logging and saving, and those that are the plan's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from uptake.prescribe.trainers.settings import Export
from uptake.types import Plan

_TRAINING: Mapping[str, tuple[Any, ...]] = {
    "assistant_only_loss": (False,),
    "average_tokens_across_devices": (True,),
    "completion_only_loss": (True,),
    "eos_token": (),
    "label_smoothing_factor": (0, 0.0),
    "loss_type": ("nll", "chunked_nll"),
    "neftune_noise_alpha": (0, 0.0),
    "optim_args": (),
    "optim_target_modules": (),
    "router_aux_loss_coef": (),
    "truncation_mode": ("keep_start",),
}
"""Settings that change what is trained, with the values that change nothing; None is always one."""

_IDLE_PEFT: Mapping[str, tuple[Any, ...]] = {"bias": ("none",), "init_lora_weights": (True,)}
_NO_SETTING = ("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "revision", "task_type")
"""Fields of an adapter that say nothing about its training."""

_LORA = ("r", "lora_alpha", "lora_dropout", "target_modules", "modules_to_save", "use_rslora", "use_dora")
_ARGUMENTS = (
    "average_tokens_across_devices", "completion_only_loss", "label_smoothing_factor", "neftune_noise_alpha",
    "optim_args", "optim_target_modules",
)  # fmt: skip

_Knows = Callable[[str, Any, Export], bool]


def _by_trl(name: str, value: Any, made: Export) -> bool:
    return name in _TRAINING or name in {f"peft.{one}" for one in (*_LORA, "target_parameters")}


def _by_llamafactory(name: str, value: Any, made: Export) -> bool:
    if name == "peft.init_lora_weights":
        return str(value).startswith("pissa")
    return name in _ARGUMENTS or name in {f"peft.{one}" for one in _LORA}


def _by_axolotl(name: str, value: Any, made: Export) -> bool:
    if name == "completion_only_loss":
        return made.kind != "chat"
    if name in ("eos_token", "neftune_noise_alpha", "optim_args", "optim_target_modules"):
        return True
    further = ("target_parameters", "layers_to_transform", "layers_pattern", "init_lora_weights", "layer_replication")
    return name in {f"peft.{one}" for one in (*_LORA, *further)}


_KNOWN: Mapping[str, tuple[str, _Knows]] = {
    "trl": ("TRL's command line", _by_trl),
    "llamafactory": ("LLaMA-Factory", _by_llamafactory),
    "axolotl": ("Axolotl", _by_axolotl),
}
"""By trainer: what it is called, and whether its file says a setting."""


def lost(plan: Plan, made: Export, trainer: str) -> dict[str, Any]:
    """Settings of the run that change what is trained and that a trainer's file does not say, by their names.

    Args:
        plan: The plan.
        made: What the settings are made from.
        trainer: One of `TRAINERS`.
    """
    own = {name: plan.training.get(name) for name, idle in _TRAINING.items() if plan.training.get(name) not in idle}
    peft = plan.peft or {}
    own |= {
        f"peft.{name}": value
        for name, value in peft.items()
        if name not in _NO_SETTING and value not in _IDLE_PEFT.get(name, (False,))
    }
    _, knows = _KNOWN[trainer]
    return {
        name: value for name, value in own.items() if value not in (None, {}, [], "") and not knows(name, value, made)
    }


def lost_lines(plan: Plan, made: Export, trainer: str) -> list[str]:
    """The same as comments in the trainer's file."""
    called, _ = _KNOWN[trainer]
    found = lost(plan, made, trainer)
    head = [f"# NOT AS THE RUN WAS TRAINED: {called} has no setting for"] if found else []
    return [*head, *(f"#   {name}: {json.dumps(value, default=str)}" for name, value in found.items())]


def lost_notes(plan: Plan, made: Export, refused: Mapping[str, str]) -> list[str]:
    """The same as notes of the plan, but of trainers that get no file."""
    told = []
    for trainer, (called, _) in _KNOWN.items():
        if trainer not in refused and (found := lost(plan, made, trainer)):
            told.append(
                f"{trainer}/ cannot say all of the run's settings: {called} has none for {', '.join(found)}; "
                "`uptake cure` trains with them"
            )
    return told

"""TRL's command line, `trl sft --config FILE`; keys as in trl/scripts/sft.py of TRL 1.16 (`TrlParser`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uptake.prescribe.trainers.settings import Export, Phase, goes_on, of_the_run, targets
from uptake.types import Plan

_LORA: Mapping[str, str] = {
    "r": "lora_r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "target_parameters": "lora_target_parameters",
    "modules_to_save": "lora_modules_to_save",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
}
"""LoRA settings and their names in TRL."""


def trl(plan: Plan, made: Export, phase: Phase) -> dict[str, Any]:
    """The settings of a phase; TRL cannot go on with an adapter, so one is to be merged first."""
    settings: dict[str, Any] = {"model_name_or_path": _model(plan, made, phase), "dtype": made.dtype}
    if made.revision is not None and not goes_on(plan, phase):
        settings["model_revision"] = made.revision
    if made.attn_implementation is not None:
        settings["attn_implementation"] = made.attn_implementation
    settings |= {
        "datasets": [{"path": "json", "data_files": f"{phase}.jsonl", "split": "train"}],
        "report_to": "none",
        **of_the_run(plan),
        "max_length": made.max_length,
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "packing": False,
        "shuffle_dataset": False,
        "output_dir": f"../trl/{phase}",
    }
    whole = settings.pop("completion_only_loss", True) is False
    if phase == "sft" and made.kind != "text":
        settings["completion_only_loss"] = not whole
    if made.chat_template is not None:
        settings["chat_template_path"] = made.chat_template
    return settings if plan.peft is None else settings | _lora(plan.peft)


def _model(plan: Plan, made: Export, phase: Phase) -> str:
    if goes_on(plan, phase):
        return "../trl/cpt" if plan.peft is None else "../trl/cpt-merged"
    return made.model if made.adapter is None else f"{made.adapter}-merged"


def _lora(peft: Mapping[str, Any]) -> dict[str, Any]:
    """With PEFT's defaults where TRL has its own."""
    given = {"r": 8, "lora_alpha": 8, "lora_dropout": 0.0, **peft}
    return {
        "use_peft": True,
        **{_LORA[name]: value for name, value in given.items() if name in _LORA},
        "lora_target_modules": targets(peft),
    }

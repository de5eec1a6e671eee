"""Axolotl, `axolotl train FILE`; keys as in axolotl/utils/schemas of 0.19 (`AxolotlInputConfig`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uptake.prescribe.rows import Kind
from uptake.prescribe.trainers.refusals import one_for_all
from uptake.prescribe.trainers.settings import Export, Phase, goes_on, of_the_run, targets, warmup
from uptake.types import Plan

_NAMES: Mapping[str, str] = {
    "adam_beta1": "adam_beta1",
    "adam_beta2": "adam_beta2",
    "adam_epsilon": "adam_epsilon",
    "bf16": "bf16",
    "fp16": "fp16",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "gradient_checkpointing": "gradient_checkpointing",
    "learning_rate": "learning_rate",
    "logging_steps": "logging_steps",
    "lr_scheduler_kwargs": "lr_scheduler_kwargs",
    "lr_scheduler_type": "lr_scheduler",
    "max_grad_norm": "max_grad_norm",
    "neftune_noise_alpha": "neftune_noise_alpha",
    "optim": "optimizer",
    "optim_args": "optim_args",
    "optim_target_modules": "optim_target_modules",
    "per_device_train_batch_size": "micro_batch_size",
    "save_steps": "save_steps",
    "save_strategy": "save_strategy",
    "save_total_limit": "save_total_limit",
    "tf32": "tf32",
    "weight_decay": "weight_decay",
}
"""Settings that mean the same in Axolotl, and their names there."""


_OF_PEFT = (
    "init_lora_weights", "layer_replication", "layers_pattern", "layers_to_transform", "use_dora", "use_rslora",
)  # fmt: skip
"""Settings of peft that Axolotl takes by their names, with `peft_` before them."""


def axolotl(plan: Plan, made: Export, phase: Phase) -> dict[str, Any]:
    """The settings of a phase."""
    settings = of_the_run(plan)
    found = {
        **_model(plan, made, phase),
        **({} if plan.peft is None else _lora(plan.peft)),
        "datasets": [_dataset(phase, made.kind)],
        **({"chat_template_kwargs": dict(shared)} if phase == "sft" and (shared := one_for_all(plan.sft)) else {}),
        "dataset_prepared_path": f"../axolotl/prepared-{phase}",
        "sequence_len": made.max_length,
        "excess_length_strategy": "truncate",
        "sample_packing": False,
        "curriculum_sampling": True,
        "shuffle_merged_datasets": False,
        "dataset_exact_deduplication": False,
        "train_on_inputs": made.kind != "chat" and settings.get("completion_only_loss") is False,
        "optimizer": "adamw_torch",
        "bf16": "auto",
        **{name: settings[own] for own, name in _NAMES.items() if own in settings},
        "warmup_steps": warmup(plan, phase),
        "num_epochs": 1,
        "seed": settings.get("seed", 0),
        "output_dir": f"../axolotl/{phase}",
        **({"special_tokens": {"eos_token": end}} if (end := settings.get("eos_token")) else {}),
    }
    return found


def _model(plan: Plan, made: Export, phase: Phase) -> dict[str, Any]:
    if goes_on(plan, phase) and plan.peft is None:
        return {"base_model": "../axolotl/cpt"}
    found = {"base_model": made.model}
    if made.revision is not None:
        found["revision_of_model"] = made.revision
    adapter = "../axolotl/cpt" if goes_on(plan, phase) else made.adapter
    return found if adapter is None else {**found, "lora_model_dir": adapter}


def _dataset(phase: Phase, kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = {"path": f"{phase}.jsonl", "ds_type": "json"}
    if phase == "cpt" or kind == "text":
        return {**found, "type": "completion", "field": "text"}
    if kind == "chat":
        learned = {"message_field_training": "train", "roles_to_train": []}
        return {**found, "path": "axolotl/sft.jsonl", "type": "chat_template", "field_messages": "messages", **learned}
    fields = {"field_instruction": "prompt", "field_output": "completion"}
    return {**found, "type": {**fields, "format": "{instruction}", "no_input_format": "{instruction}"}}


def _lora(peft: Mapping[str, Any]) -> dict[str, Any]:
    names = targets(peft)
    found = {
        "adapter": "lora",
        "lora_r": peft.get("r", 8),
        "lora_alpha": peft.get("lora_alpha", 8),
        "lora_dropout": peft.get("lora_dropout", 0.0),
        **({"lora_target_linear": True} if names == ["all-linear"] else {"lora_target_modules": names}),
    }
    found |= {f"peft_{name}": peft[name] for name in _OF_PEFT if peft.get(name) not in (None, {})}
    for name in ("layers_to_transform", "layers_pattern"):
        if not isinstance(given := found.get(f"peft_{name}", []), list):
            found[f"peft_{name}"] = [given]
    if peft.get("target_parameters"):
        found["lora_target_parameters"] = list(peft["target_parameters"])
    if peft.get("modules_to_save"):
        found["lora_modules_to_save"] = list(peft["modules_to_save"])
    return found

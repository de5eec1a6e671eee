"""A plan's settings for trainers: TRL, LLaMA-Factory and Axolotl, each with shuffling and packing off.

Checked against TRL 1.16 (`TrlParser`), LLaMA-Factory 0.9.5 (its dataclasses) and Axolotl 0.19 (its pydantic schema).
All paths are relative to the plan's folder, in which the commands are given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from uptake.prescribe.rows import Kind
from uptake.types import Plan

DEFAULTS: Mapping[str, Any] = {
    "learning_rate": 2e-5,
    "lr_scheduler_type": "linear",
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
}
"""What holds where the run says nothing: TRL's own, written out, since other trainers have others."""

_OF_THE_PLAN = (
    "num_train_epochs", "max_steps", "train_sampling_strategy", "group_by_length", "packing", "packing_strategy",
    "padding_free", "shuffle_dataset", "dataloader_drop_last", "completion_only_loss", "eval_strategy",
)  # fmt: skip
"""Settings of the run that say what the plan says now."""

_OF_TRAINING_ARGUMENTS = (
    "adam_beta1", "adam_beta2", "adam_epsilon", "bf16", "dataloader_num_workers", "fp16", "gradient_checkpointing",
    "learning_rate", "logging_steps", "lr_scheduler_kwargs", "lr_scheduler_type", "max_grad_norm", "optim",
    "per_device_train_batch_size", "gradient_accumulation_steps", "save_steps", "save_strategy", "save_total_limit",
    "tf32", "weight_decay",
)  # fmt: skip
"""Settings that mean the same in LLaMA-Factory, which takes transformers' arguments by their names."""

_AXOLOTL: Mapping[str, str] = {
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
    "optim": "optimizer",
    "per_device_train_batch_size": "micro_batch_size",
    "save_steps": "save_steps",
    "save_strategy": "save_strategy",
    "save_total_limit": "save_total_limit",
    "tf32": "tf32",
    "weight_decay": "weight_decay",
}
"""Settings that mean the same in Axolotl, and their names there."""


_TARGETS = ["q_proj", "v_proj"]
"""What PEFT adapts of models of Llama's kind when nothing is said."""


@dataclass(frozen=True, slots=True)
class Export:
    """What an export is made from, beyond the plan.

    Attributes:
        model: The model that the plan starts from, as seen from the plan's folder.
        adapter: Its adapter, where it is one; then `model` is what that lies on.
        revision: Of the model on the hub.
        max_length: Tokens of a row.
        kind: What the rows of fine-tuning are.
        eos: The text that ends a text.
        dtype: Of the weights.
        attn_implementation: As in transformers.
        chat_template: File of a chat template, as seen from the plan's folder.
    """

    model: str
    max_length: int
    kind: Kind
    eos: str
    adapter: str | None = None
    revision: str | None = None
    dtype: str = "float32"
    attn_implementation: str | None = None
    chat_template: str | None = None


def configs(plan: Plan, made: Export) -> dict[str, bytes]:
    """The files of all trainers, by their path in the plan's folder."""
    phases = ["cpt", "sft"] if plan.cpt else ["sft"]
    files: dict[str, bytes] = {}
    for phase in phases:
        after = phase == "sft" and bool(plan.cpt)
        files[f"trl/{phase}.yaml"] = _yaml(_trl(plan, made, phase, after), f"trl sft --config trl/{phase}.yaml")
        command = f"llamafactory-cli train llamafactory/{phase}.yaml"
        files[f"llamafactory/{phase}.yaml"] = _yaml(_llamafactory(plan, made, phase, after), command)
        files[f"axolotl/{phase}.yaml"] = _yaml(
            _axolotl(plan, made, phase, after), f"axolotl train axolotl/{phase}.yaml"
        )
    files["llamafactory/dataset_info.json"] = _json(_dataset_info(phases, made.kind))
    return files


def _yaml(settings: Mapping[str, Any], command: str) -> bytes:
    text = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=120)
    return f"# in the folder of the plan: {command}\n{text}".encode()


def _json(value: object) -> bytes:
    import json

    return (json.dumps(value, indent=2) + "\n").encode()


def settings_of(plan: Plan) -> dict[str, Any]:
    """The run's settings that still hold, with the defaults of those that other trainers choose otherwise."""
    own = {name: value for name, value in plan.training.items() if name not in _OF_THE_PLAN}
    return {**DEFAULTS, **own}


def _warmup(plan: Plan, phase: str) -> int:
    """Steps of warming up; transformers 5 takes a fraction for a share of all steps, others do not."""
    wanted = settings_of(plan)["warmup_steps"]
    rows = len(plan.cpt) if phase == "cpt" else len(plan.sft)
    return math.ceil(wanted * math.ceil(rows / plan.step)) if 0 < wanted < 1 else int(wanted)


def _trl(plan: Plan, made: Export, phase: str, after: bool) -> dict[str, Any]:
    columns = ["text"] if phase == "cpt" or made.kind == "text" else ["prompt", "completion"]
    model = {"model_name_or_path": made.model if made.adapter is None else f"{made.adapter}-merged"}
    if after:
        model = {"model_name_or_path": "../trl/cpt" if plan.peft is None else "../trl/cpt-merged"}
    elif made.revision is not None:
        model["model_revision"] = made.revision
    settings: dict[str, Any] = {**model, "dtype": made.dtype}
    if made.attn_implementation is not None:
        settings["attn_implementation"] = made.attn_implementation
    settings |= {
        "datasets": [{"path": "json", "data_files": f"{phase}.jsonl", "split": "train"}],
        **settings_of(plan),
        "max_length": made.max_length,
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "packing": False,
        "shuffle_dataset": False,
        "output_dir": f"../trl/{phase}",
    }
    settings.setdefault("report_to", "none")
    if columns != ["text"]:
        settings["completion_only_loss"] = True
    if made.chat_template is not None:
        settings["chat_template_path"] = made.chat_template
    return settings | _trl_lora(plan.peft)


def _trl_lora(peft: Mapping[str, Any] | None) -> dict[str, Any]:
    """LoRA settings under the names of TRL's command line, with PEFT's defaults where TRL has its own."""
    if peft is None:
        return {}
    given = {"r": 8, "lora_alpha": 8, "lora_dropout": 0.0, **peft}
    names = {
        "r": "lora_r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout",
        "target_modules": "lora_target_modules", "target_parameters": "lora_target_parameters",
        "modules_to_save": "lora_modules_to_save", "use_rslora": "use_rslora", "use_dora": "use_dora",
    }  # fmt: skip
    found = {names[name]: value for name, value in given.items() if name in names}
    if isinstance(found.get("lora_target_modules"), str):
        found["lora_target_modules"] = [found["lora_target_modules"]]
    return {"use_peft": True, **found}


def _llamafactory(plan: Plan, made: Export, phase: str, after: bool) -> dict[str, Any]:
    settings = settings_of(plan)
    found: dict[str, Any] = {"model_name_or_path": made.model}
    if made.revision is not None:
        found["model_revision"] = made.revision
    if after and plan.peft is None:
        found = {"model_name_or_path": "../llamafactory/cpt"}
    elif plan.peft is not None and (after or made.adapter is not None):
        found |= {"adapter_name_or_path": "../llamafactory/cpt" if after else made.adapter}
    plain = phase == "cpt" or made.kind != "chat"
    text = phase == "cpt" or made.kind == "text"
    found |= {
        "stage": "pt" if text else "sft",
        "do_train": True,
        "finetuning_type": "full" if plan.peft is None else "lora",
        **_llamafactory_lora(plan.peft),
        "dataset": phase,
        "dataset_dir": "llamafactory",
        "cutoff_len": made.max_length,
        "packing": False,
        "disable_shuffling": True,
        **{name: settings[name] for name in _OF_TRAINING_ARGUMENTS if name in settings},
        "warmup_steps": _warmup(plan, phase),
        "num_train_epochs": 1,
        "seed": settings.get("seed", 0),
        "report_to": "none",
        "output_dir": f"../llamafactory/{phase}",
    }
    # without a template LLaMA-Factory reads the tokenizer's own
    return found | ({"template": "empty"} if plain else {"mask_history": True})


def _llamafactory_lora(peft: Mapping[str, Any] | None) -> dict[str, Any]:
    if peft is None:
        return {}
    target = peft.get("target_modules") or _TARGETS
    found = {
        "lora_rank": peft.get("r", 8),
        "lora_alpha": peft.get("lora_alpha", 8),
        "lora_dropout": peft.get("lora_dropout", 0.0),
        "lora_target": "all" if target == "all-linear" else ",".join(_named(target)),
    }
    for name in ("use_rslora", "use_dora"):
        if peft.get(name):
            found[name] = True
    if peft.get("modules_to_save"):
        found["additional_target"] = ",".join(peft["modules_to_save"])
    return found


def _named(target: str | list[str]) -> list[str]:
    return [target] if isinstance(target, str) else list(target)


def _dataset_info(phases: list[str], kind: Kind) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if "cpt" in phases:
        info["cpt"] = {"file_name": "../cpt.jsonl", "columns": {"prompt": "text"}}
    columns = {"prompt": "text"} if kind == "text" else {"prompt": "prompt", "response": "completion"}
    info["sft"] = {"file_name": "sft.jsonl", "columns": columns}
    if kind == "chat":
        info["sft"] = {
            "file_name": "sft.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
                "observation_tag": "tool",
            },
        }
    return info


def _axolotl(plan: Plan, made: Export, phase: str, after: bool) -> dict[str, Any]:
    settings = settings_of(plan)
    found: dict[str, Any] = {"base_model": "../axolotl/cpt" if after and plan.peft is None else made.model}
    if made.revision is not None and not after:
        found["revision_of_model"] = made.revision
    if plan.peft is not None:
        found |= _axolotl_lora(plan.peft)
        if after or made.adapter is not None:
            found["lora_model_dir"] = "../axolotl/cpt" if after else made.adapter
    found |= {
        "datasets": [_axolotl_dataset(phase, made.kind)],
        "dataset_prepared_path": f"../axolotl/prepared-{phase}",
        "sequence_len": made.max_length,
        "excess_length_strategy": "truncate",
        "sample_packing": False,
        "curriculum_sampling": True,
        "shuffle_merged_datasets": False,
        "dataset_exact_deduplication": False,
        "train_on_inputs": False,
        **{name: settings[own] for own, name in _AXOLOTL.items() if own in settings},
        "warmup_steps": _warmup(plan, phase),
        "num_epochs": 1,
        "seed": settings.get("seed", 0),
        "output_dir": f"../axolotl/{phase}",
    }
    found.setdefault("optimizer", "adamw_torch")
    found.setdefault("bf16", "auto")
    return found


def _axolotl_dataset(phase: str, kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = {"path": f"{phase}.jsonl", "ds_type": "json"}
    if phase == "cpt" or kind == "text":
        return {**found, "type": "completion", "field": "text"}
    if kind == "chat":
        learned = {"message_field_training": "train", "roles_to_train": []}
        return {**found, "path": "axolotl/sft.jsonl", "type": "chat_template", "field_messages": "messages", **learned}
    fields = {"field_instruction": "prompt", "field_output": "completion"}
    return {**found, "type": {**fields, "format": "{instruction}", "no_input_format": "{instruction}"}}


def _axolotl_lora(peft: Mapping[str, Any]) -> dict[str, Any]:
    target = peft.get("target_modules") or _TARGETS
    linear = {"lora_target_linear": True} if target == "all-linear" else {"lora_target_modules": _named(target)}
    found = {
        "adapter": "lora",
        "lora_r": peft.get("r", 8),
        "lora_alpha": peft.get("lora_alpha", 8),
        "lora_dropout": peft.get("lora_dropout", 0.0),
        **linear,
    }
    if peft.get("modules_to_save"):
        found["lora_modules_to_save"] = list(peft["modules_to_save"])
    return found

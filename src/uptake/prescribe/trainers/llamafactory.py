"""LLaMA-Factory, `llamafactory-cli train FILE`; keys as in llamafactory/hparams of 0.9.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uptake.prescribe.rows import Kind
from uptake.prescribe.trainers.settings import Export, Phase, goes_on, of_the_run, phases, targets, warmup
from uptake.types import Plan

_SAME = (
    "adam_beta1", "adam_beta2", "adam_epsilon", "average_tokens_across_devices", "bf16", "dataloader_num_workers",
    "fp16", "gradient_accumulation_steps", "gradient_checkpointing", "label_smoothing_factor", "learning_rate",
    "logging_steps", "lr_scheduler_kwargs", "lr_scheduler_type", "max_grad_norm", "neftune_noise_alpha", "optim",
    "optim_args", "optim_target_modules", "per_device_train_batch_size", "save_steps", "save_strategy",
    "save_total_limit", "tf32", "weight_decay",
)  # fmt: skip
"""Settings of transformers' `TrainingArguments`, which LLaMA-Factory takes by their names."""


def llamafactory(plan: Plan, made: Export, phase: Phase) -> dict[str, Any]:
    """The settings of a phase. Without a template LLaMA-Factory takes the tokenizer's own."""
    settings = of_the_run(plan)
    plain = phase == "cpt" or made.kind != "chat"
    text = phase == "cpt" or made.kind == "text"
    whole = not text and settings.get("completion_only_loss") is False
    return {
        **_model(plan, made, phase),
        "stage": "pt" if text else "sft",
        "do_train": True,
        **({"finetuning_type": "full"} if plan.peft is None else _lora(plan.peft)),
        "dataset": phase,
        "dataset_dir": "llamafactory",
        "cutoff_len": made.max_length,
        "packing": False,
        "disable_shuffling": True,
        **{name: settings[name] for name in _SAME if name in settings},
        "warmup_steps": warmup(plan, phase),
        "num_train_epochs": 1,
        "seed": settings.get("seed", 0),
        "report_to": "none",
        "output_dir": f"../llamafactory/{phase}",
        **({"template": "empty"} if plain else {}),
        **({"train_on_prompt": True} if whole else {} if plain else {"mask_history": True}),
    }


def _model(plan: Plan, made: Export, phase: Phase) -> dict[str, Any]:
    if goes_on(plan, phase) and plan.peft is None:
        return {"model_name_or_path": "../llamafactory/cpt"}
    found = {"model_name_or_path": made.model}
    if made.revision is not None:
        found["model_revision"] = made.revision
    adapter = "../llamafactory/cpt" if goes_on(plan, phase) else made.adapter
    return found if adapter is None else {**found, "adapter_name_or_path": adapter}


def _lora(peft: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "finetuning_type": "lora",
        "lora_rank": peft.get("r", 8),
        "lora_alpha": peft.get("lora_alpha", 8),
        "lora_dropout": peft.get("lora_dropout", 0.0),
        "lora_target": ",".join("all" if name == "all-linear" else name for name in targets(peft)),
    }
    found |= {name: True for name in ("use_rslora", "use_dora") if peft.get(name)}
    start = str(peft.get("init_lora_weights"))
    if start.startswith("pissa"):  # peft's `pissa` is the whole decomposition, `pissa_niter_16` a fast one
        steps = start.rpartition("_niter_")[2] if "_niter_" in start else "-1"
        found |= {"pissa_init": True, "pissa_iter": int(steps)}
    if peft.get("modules_to_save"):
        found["additional_target"] = ",".join(peft["modules_to_save"])
    return found


def dataset_info(plan: Plan, kind: Kind) -> dict[str, Any]:
    """What `dataset_info.json` says of the data sets."""
    columns = {"prompt": "text"} if kind == "text" else {"prompt": "prompt", "response": "completion"}
    sft: dict[str, Any] = {"file_name": "sft.jsonl", "columns": columns}
    if kind == "chat":
        tags = {"role": "role", "content": "content", "user": "user", "assistant": "assistant", "system": "system"}
        sft |= {
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {**{f"{name}_tag": tag for name, tag in tags.items()}, "observation_tag": "tool"},
        }
    cpt = {"file_name": "../cpt.jsonl", "columns": {"prompt": "text"}}
    return {phase: cpt if phase == "cpt" else sft for phase in phases(plan)}

"""Common fields of TRL's `SFTConfig` and peft's `LoraConfig`, for pointing a key in the wrong place to the right one.

Written down here since nothing of TRL or peft may be imported to tell a typo; a test holds the names against both.
"""

from __future__ import annotations

import difflib

TRAINING = (
    "adam_beta1", "adam_beta2", "adam_epsilon", "assistant_only_loss", "average_tokens_across_devices",
    "batch_eval_metrics", "bf16", "completion_only_loss", "data_seed", "dataloader_num_workers", "dataset_num_proc",
    "deepspeed", "eval_steps", "eval_strategy", "fp16", "fsdp", "gradient_accumulation_steps",
    "gradient_checkpointing", "label_smoothing_factor", "learning_rate", "logging_steps", "logging_strategy",
    "lr_scheduler_kwargs", "lr_scheduler_type", "max_grad_norm", "max_steps", "neftune_noise_alpha", "optim",
    "packing", "padding_free", "per_device_eval_batch_size", "per_device_train_batch_size", "report_to", "run_name",
    "save_steps", "save_strategy", "save_total_limit", "tf32", "torch_compile", "use_liger_kernel",
    "warmup_steps", "weight_decay",
)  # fmt: skip
PEFT = (
    "bias", "init_lora_weights", "layers_to_transform", "lora_alpha", "lora_dropout", "modules_to_save", "r",
    "rank_pattern", "target_modules", "target_parameters", "task_type", "use_dora", "use_rslora",
)  # fmt: skip


def elsewhere(name: str) -> str | None:
    """Where a key belongs that is none of the run file's own.

    Args:
        name: The key as it was written.

    Returns:
        Its full key, such as `training.learning_rate`; None if it is like no field that is known here.
    """
    homes = {**{field: f"training.{field}" for field in TRAINING}, **{field: f"peft.{field}" for field in PEFT}}
    homes |= {"num_train_epochs": "stages.0.num_train_epochs", "lora_r": "peft.r", "lora_rank": "peft.r"}
    homes |= {"lr": "training.learning_rate", "batch_size": "training.per_device_train_batch_size"}
    homes |= {"epochs": "stages.0.num_train_epochs"}
    close = [name] if name in homes else difflib.get_close_matches(name, homes, n=1, cutoff=0.8)
    return homes[close[0]] if close else None

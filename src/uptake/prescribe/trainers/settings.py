"""What all trainers' settings are made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from uptake.prescribe.rows import Kind
from uptake.types import Plan

Phase: TypeAlias = Literal["cpt", "sft"]
"""Continued pre-training, fine-tuning."""

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

OF_THE_PLAN = (
    "num_train_epochs", "max_steps", "train_sampling_strategy", "group_by_length", "packing", "packing_strategy",
    "padding_free", "shuffle_dataset", "dataloader_drop_last", "eval_strategy",
)  # fmt: skip
"""Settings of the run that say what the plan says now."""

_TARGETS = ("q_proj", "v_proj")
"""What PEFT adapts of models of Llama's kind when nothing is said."""


@dataclass(frozen=True, slots=True)
class Export:
    """What settings are made from, beyond the plan.

    Attributes:
        model: The model that the plan starts from, as seen from the plan's folder.
        max_length: Tokens of a row.
        kind: What the rows of fine-tuning are.
        eos: The text that ends a text.
        adapter: The adapter on `model` that the plan starts from, where it starts from one.
        revision: Of the model on the hub.
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


def phases(plan: Plan) -> tuple[Phase, ...]:
    """What is trained, one after the other."""
    return ("cpt", "sft") if plan.cpt and plan.reading == "before" else ("sft",)


def goes_on(plan: Plan, phase: Phase) -> bool:
    """Whether a phase starts from the one before it."""
    return phase != phases(plan)[0]


def of_the_run(plan: Plan) -> dict[str, Any]:
    """The run's settings that still hold, with the defaults of those that other trainers choose otherwise."""
    own = {name: value for name, value in plan.training.items() if name not in OF_THE_PLAN}
    return {**DEFAULTS, **own}


def warmup(plan: Plan, phase: Phase) -> int:
    """Steps of warming up; transformers 5 takes a fraction for a share of all steps, others do not."""
    wanted = of_the_run(plan)["warmup_steps"]
    rows = len(plan.cpt) if phase == "cpt" else len(plan.sft)
    return math.ceil(wanted * math.ceil(rows / plan.step)) if 0 < wanted < 1 else int(wanted)


def targets(peft: Mapping[str, Any]) -> list[str]:
    """The names of the modules that are adapted; one of them may be `all-linear`."""
    named = peft.get("target_modules") or _TARGETS
    return [named] if isinstance(named, str) else list(named)

"""L2 to the former weights: a stage is pulled back to where it began."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.errors import UptakeError
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import copied
from uptake.strategies.strategy import Strategy


class L2Settings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.1
    """Factor on half the squared distance from the stage's first weights; 0 is plain fine-tuning."""
    layers: Literal["all", "attention"] = "all"
    """Which trained weights are pulled back: all, or those within the modules that a model calls attention."""


ATTENTION = re.compile(r"(^|\.)((self|cross|encoder|linear|encdec)_?)?(attn|attention)\.", re.IGNORECASE)
"""The path of a weight within attention; norms beside it (`post_attention_layernorm`, `ln_attn`) have other names."""


def _hooks(settings: L2Settings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        found = {name: one for name, one in copied(model).items() if settings.layers == "all" or ATTENTION.search(name)}
        if not found:
            raise UptakeError(
                "strategy.l2.layers is 'attention', and no trained weight is in a module called attn or attention",
                expected="weights to be pulled back",
                fix="train the attention too, or take --strategy.l2.layers all",
            )
        return found

    def gradient(batch: Batch, state: State) -> None:
        pull(batch, settings.strength, state)

    return Hooks(Needs(weights=True, gradients=True), begin=begin, gradient=gradient)


def pull(batch: Batch, strength: float, centre: Mapping[str, Tensor], by: Mapping[str, Tensor] | None = None) -> None:
    """Add to the gradients that of strength/2 · Σ importance · (θ − centre)².

    Args:
        batch: Of the `gradient` hook.
        strength: The factor.
        centre: By name, where weights are pulled to; others are left alone.
        by: By name, the importance of each weight; None for 1.
    """
    with torch.no_grad():
        for name, weight in batch.trainable.items():
            if name in centre and weight.grad is not None:
                away = weight - centre[name].to(weight.dtype)
                weight.grad.add_(away if by is None else away * by[name].to(away.dtype), alpha=strength)


L2 = Strategy(
    name="l2",
    does="Adds the gradient of strength/2 · Σ (θ − θ₀)² to that of each step; θ₀ are the weights at the stage's "
    "beginning.",
    helps="A weight moves only as far as the new rows are worth it. Holding the attention alone leaves the model freer "
    "to learn than holding all weights.",
    costs="A copy of the trained weights, in memory and in each checkpoint. No rows are kept.",
    example="strategy: [{l2: {strength: 0.1, layers: attention}}]",
    references=("catalogue 19: Smith et al., A Closer Look at Rehearsal-Free Continual Learning (arXiv 2203.17269)",),
    settings=L2Settings,
    hooks=_hooks,
    revision=2,
)
"""Weights held near the stage's first ones."""

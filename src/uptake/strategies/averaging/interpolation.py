"""Interpolation: a stage ends between the weights that it began with and those that it trained."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from uptake.config.schema import Float, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import copied, put, trained
from uptake.strategies.strategy import Strategy


class InterpolationSettings(Section):
    """What can be set."""

    alpha: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Part of the way from the first to the trained weights that is kept; 1 is plain fine-tuning."""


def _hooks(settings: InterpolationSettings) -> Hooks:
    if settings.alpha == 1:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        return copied(model)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        ends = trained(model)
        put(model, {name: torch.lerp(one, ends[name].to(one.dtype), settings.alpha) for name, one in state.items()})

    return Hooks(Needs(weights=True), begin=begin, after_stage=after_stage, moves=True)


INTERPOLATION = Strategy(
    name="interpolation",
    does="The stage ends with (1 − α) θ₀ + α θ: θ₀ are the weights at its beginning, θ those at its end.",
    helps="Between two models that fine-tuning connects, what was known falls slower than what is new rises. α trades "
    "one for the other without training again.",
    costs="A copy of the trained weights, in memory and in each checkpoint. With an "
    "adapter, its factors A and B are averaged each by itself, and not their product.",
    example="strategy: [{interpolation: {alpha: 0.5}}]",
    references=(
        "Wortsman et al. 2022, Robust fine-tuning of zero-shot models (WiSE-FT, arXiv 2109.01903)",
        "catalogue 162: Stojanovski et al., Momentum-based Weight Interpolation (arXiv 2211.03186)",
    ),
    settings=InterpolationSettings,
    hooks=_hooks,
)
"""Between the stage's beginning and its end."""

"""EMA: an exponential moving average of the weights is kept while a stage trains, and is what the stage gives."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from uptake.config.schema import Float, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.strategies.strategy import Strategy


class EMASettings(Section):
    """What can be set."""

    beta: Annotated[Float, Field(ge=0, lt=1)] = 0.99
    """Part of the average that stays at each step; 0 is plain fine-tuning."""


def _hooks(settings: EMASettings) -> Hooks:
    if settings.beta == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        return {
            name: weight.detach().float().clone() for name, weight in model.named_parameters() if weight.requires_grad
        }

    def after_step(model: Any, step: int, state: State) -> None:
        for name, weight in model.named_parameters():
            if name in state:
                state[name].lerp_(weight.detach().float(), 1 - settings.beta)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        for name, weight in model.named_parameters():
            if name in state:
                weight.copy_(state[name])

    needs = Needs(weights=True)
    return Hooks(needs, begin=begin, after_step=after_step, after_stage=after_stage, moves=True, replaces=True)


EMA = Strategy(
    name="ema",
    does="Keeps a moving average of every trained weight: after each step, θ̄ ← β θ̄ + (1 − β) θ. The stage ends with "
    "the average.",
    helps="The average stays near the weights at the stage's beginning and smooths single steps: less is lost, and new "
    "rows are learned a little later. It helps if the stage is much longer than 1 / (1 − β) steps.",
    costs="A copy of the trained weights, in float32, in memory and in each checkpoint. With an "
    "adapter, its factors A and B are averaged each by itself, and not their product.",
    example="strategy: [{ema: {beta: 0.99}}]",
    references=(
        "catalogue 162: Stojanovski et al., Momentum-based Weight Interpolation of Strong Zero-Shot Models for "
        "Continual Learning (arXiv 2211.03186)",
        "Polyak and Juditsky 1992",
    ),
    settings=EMASettings,
    hooks=_hooks,
    revision=2,
)
"""The moving average of the weights."""

"""Synaptic intelligence: a weight is held as firmly as its way through a stage lowered the loss."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from uptake.config.schema import Float, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import copied, trained
from uptake.strategies.penalties.ewc import part
from uptake.strategies.penalties.l2 import pull
from uptake.strategies.strategy import Strategy


class SISettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 1.0
    """Factor c on the weighted squared distance from the former weights; 0 is plain fine-tuning."""
    damping: Annotated[Float, Field(gt=0)] = 0.001
    """Added to the squared way of a weight, by which what it gained is divided."""


def _hooks(settings: SISettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        now = copied(model)
        nothing = {name: torch.zeros_like(one, dtype=torch.float32) for name, one in now.items()}
        omega = memory.tensors("omega") or nothing
        parts = {"omega": omega, "at": now, "before": now, "slope": nothing, "path": nothing}
        return {f"{key}.{name}": one.clone() for key, of in parts.items() for name, one in of.items()}

    def gradient(batch: Batch, state: State) -> None:
        for name, weight in batch.trainable.items():
            state[f"before.{name}"].copy_(weight.detach())
            if weight.grad is not None:
                state[f"slope.{name}"].copy_(weight.grad)
        pull(batch, 2 * settings.strength, part(state, "at"), part(state, "omega"))

    def after_step(model: Any, step: int, state: State) -> None:
        for name, weight in trained(model).items():
            moved = weight.detach() - state[f"before.{name}"]
            state[f"path.{name}"].sub_(state[f"slope.{name}"] * moved)
            state[f"before.{name}"].copy_(weight.detach())

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        omega = part(state, "omega")
        for name in omega:  # the way that was trained: others, as `ema`, may have set the weights since the last step
            way = (state[f"before.{name}"] - state[f"at.{name}"]).float().square()
            omega[name].add_(state[f"path.{name}"].clamp(min=0) / (way + settings.damping))
        memory.keep("omega", omega)

    needs = Needs(weights=True, gradients=True, memory=True, lasting=True)
    return Hooks(needs, begin=begin, gradient=gradient, after_step=after_step, after_stage=after_stage)


SI = Strategy(
    name="si",
    does="While a stage trains, sums for each weight −g · Δθ over the steps: how much its way lowered the loss. At the "
    "stage's end Ω grows by that sum over (the squared way + `damping`). Later stages add the gradient of "
    "c · Σ Ω (θ − θ*)².",
    helps="As `ewc`, without passes at a stage's end. Gradients under AdamW and clipping make Ω a rough measure.",
    costs="Five copies of the trained weights, in memory and in each checkpoint. No rows are kept.",
    example="strategy: [{si: {strength: 1.0}}]",
    references=(
        "Zenke et al. 2017, Continual Learning Through Synaptic Intelligence (arXiv 1703.04200)",
        "catalogue 142: Weyssow et al., On the Usage of Continual Learning for Out-of-Distribution Generalization in "
        "Pre-trained Language Models of Code (arXiv 2305.04106)",
    ),
    settings=SISettings,
    hooks=_hooks,
    revision=2,
)
"""Weights held by what their way gained."""

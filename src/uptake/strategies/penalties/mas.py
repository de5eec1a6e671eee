"""MAS: weights that the model's outputs depend on are held, whatever the labels say."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from jaxtyping import Float as Of
from jaxtyping import Int as IntOf
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.models.training.batch import Batch
from uptake.models.training.gradients import row_gradients
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import copied
from uptake.strategies.penalties.ewc import part
from uptake.strategies.penalties.l2 import pull
from uptake.strategies.replay.replay import sample
from uptake.strategies.strategy import Strategy


class MASSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.01
    """Factor λ on half the weighted squared distance from the former weights; 0 is plain fine-tuning."""
    rows: Annotated[Int, Field(ge=1)] = 256
    """Rows of a stage by which the importance of weights is estimated, drawn at random."""


def _hooks(settings: MASSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        omega = memory.tensors("omega")
        if omega is None:
            return {}
        parts = {"omega": omega, "at": copied(model)}
        return {f"{key}.{name}": one for key, of in parts.items() for name, one in of.items()}

    def gradient(batch: Batch, state: State) -> None:
        pull(batch, settings.strength, part(state, "at"), part(state, "omega"))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        rows = sample(stage, settings.rows)
        omega = {name: torch.zeros_like(one, dtype=torch.float32) for name, one in copied(model).items()}
        for found in row_gradients(model, rows, squared_norm):
            for name, one in found.items():
                omega[name].add_(one.float().abs(), alpha=1 / len(rows))
        for name, one in part(state, "omega").items():
            omega[name].add_(one)
        memory.keep("omega", omega)

    needs = Needs(weights=True, gradients=True, memory=True, lasting=True)
    return Hooks(needs, begin=begin, gradient=gradient, after_stage=after_stage)


def squared_norm(logits: Of[Tensor, "tokens vocabulary"], tokens: IntOf[Tensor, " tokens"]) -> Of[Tensor, ""]:
    """The squared length of the logits, centred (a shift of all of them says nothing), as a mean over tokens."""
    return (logits - logits.mean(-1, keepdim=True)).square().sum(-1).mean()


MAS = Strategy(
    name="mas",
    does="At a stage's end, estimates for each weight how much the outputs depend on it: Ω is the mean over rows of "
    "|∂ ‖logits‖² / ∂θ|, with the logits at the learned tokens centred. Later stages add the gradient of "
    "λ/2 · Σ Ω (θ − θ*)².",
    helps="As `ewc`, but a weight counts also where the model is sure of its answer, and the loss has no gradient any "
    "more.",
    costs="As `ewc`: a forward and a backward pass for each of `rows` rows at a stage's end; two copies of the trained "
    "weights in memory and in each checkpoint.",
    example="strategy: [{mas: {strength: 0.01}}]",
    references=("Aljundi et al. 2018, Memory Aware Synapses: Learning what (not) to forget (arXiv 1711.09601)",),
    settings=MASSettings,
    hooks=_hooks,
)
"""Weights held by what the outputs depend on."""

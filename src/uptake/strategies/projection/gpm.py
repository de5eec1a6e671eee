"""GPM: a layer does not change what it makes of the inputs that earlier stages gave it."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.inputs import linear_inputs
from uptake.models.training.memory import Memory
from uptake.strategies.replay.replay import sample
from uptake.strategies.strategy import Strategy


class GPMSettings(Section):
    """What can be set."""

    energy: Annotated[Float, Field(ge=0, lt=1)] = 0.95
    """Share of the squared length of a layer's inputs that is held; 0 is plain fine-tuning."""
    rows: Annotated[Int, Field(ge=1)] = 100
    """Rows of a stage whose inputs are looked at, drawn at random."""


def _hooks(settings: GPMSettings) -> Hooks:
    if settings.energy == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        return memory.tensors("inputs") or {}

    def gradient(batch: Batch, state: State) -> None:
        with torch.no_grad():
            for name, weight in batch.trainable.items():
                if name in state and weight.grad is not None:
                    held = state[name].to(weight.grad.dtype)
                    weight.grad.sub_((weight.grad @ held.T) @ held)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        seen = linear_inputs(model, sample(stage, settings.rows))
        held = {
            name: state[name].cpu() if name in state else torch.empty(0, one.shape[1]) for name, one in seen.items()
        }
        memory.keep("inputs", {name: with_energy(held[name], one, settings.energy) for name, one in seen.items()})

    needs = Needs(weights=True, gradients=True, memory=True, lasting=True, whole=True)
    return Hooks(needs, begin=begin, gradient=gradient, after_stage=after_stage)


def with_energy(held: Tensor, second_moment: Tensor, energy: float) -> Tensor:
    """Orthonormal directions, and as many more as a share of the inputs' squared length needs.

    Args:
        held: Directions times inputs.
        second_moment: The sum of x xᵀ over inputs x.
        energy: The share, of all their squared length.
    """
    inside = held @ second_moment @ held.T
    lacking = energy * float(second_moment.trace()) - float(inside.trace())
    across = torch.eye(len(second_moment)) - held.T @ held
    values, vectors = torch.linalg.eigh(across @ second_moment @ across)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    before = torch.cumsum(values, 0) - values  # what the directions before each have of it
    return torch.cat([held, vectors.T[(before < lacking) & (values > 1e-6 * second_moment.trace())]])


GPM = Strategy(
    name="gpm",
    does="At a stage's end, finds for each linear layer the directions that hold `energy` of the squared length of its "
    "inputs. Later stages remove them from the gradient of the layer's matrix: G ← G (1 − M Mᵀ).",
    helps="A step of plain gradient descent does not change what a layer makes of the inputs that it had. AdamW "
    "rescales the gradient, so with it this holds only in part. Layers fill up: with many stages, little is left to "
    "learn with.",
    costs="A forward pass over each of `rows` rows at a stage's end, one by one; up to inputs × inputs numbers a "
    "layer, in memory and in each checkpoint. No rows are kept. For training of all weights.",
    example="strategy: [{gpm: {energy: 0.95}}]",
    references=("Saha et al. 2021, Gradient Projection Memory for Continual Learning (arXiv 2103.09762)",),
    settings=GPMSettings,
    hooks=_hooks,
)
"""Layers that keep what they make of earlier inputs."""

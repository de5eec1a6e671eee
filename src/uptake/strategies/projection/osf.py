"""OSF: each matrix learns only in the directions in which it was weak; its strong ones stay as they were."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import linear, trained
from uptake.strategies.strategy import Strategy


class OSFSettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.5
    """Share of each matrix's singular directions held, the strongest first, never all; 0 is plain fine-tuning."""


def _hooks(settings: OSFSettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        state: State = {}
        for name, weight in linear(model).items():
            left, _, right = torch.linalg.svd(weight.detach().float(), full_matrices=False)
            held = min(round(settings.share * min(weight.shape)), min(weight.shape) - 1)  # else it could not learn
            state |= {
                f"at.{name}": weight.detach().clone(),
                f"left.{name}": left[:, :held].contiguous(),
                f"right.{name}": right[:held].contiguous(),
            }
        return state

    def after_step(model: Any, step: int, state: State) -> None:
        for name, weight in trained(model).items():
            if f"at.{name}" in state:
                start = state[f"at.{name}"]
                moved = outside((weight - start).float(), state[f"left.{name}"], state[f"right.{name}"])
                weight.copy_(start + moved.to(start.dtype))

    return Hooks(Needs(weights=True, whole=True), begin=begin, after_step=after_step)


def outside(moved: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The part of a matrix that neither reads the right directions nor writes into the left ones."""
    moved = moved - left @ (left.T @ moved)
    return moved - (moved @ right.T) @ right


OSF = Strategy(
    name="osf",
    does="Before a stage, takes each linear layer's matrix apart into singular directions. After each step, what moved "
    "the matrix within its strongest ones is undone: ΔW ← (1 − U Uᵀ) ΔW (1 − Vᵀ V). Embeddings, the output layer and "
    "norms are trained as ever.",
    helps="What a matrix does most, it did for all that was learned before; new rows fit into what it does least. The "
    "weights themselves are held, not only gradients, so it holds under AdamW too.",
    costs="A singular value decomposition of each matrix before a stage; up to three copies of the matrices, in memory "
    "and in each checkpoint; four products of matrices at each step. For training of all weights.",
    example="strategy: [{osf: {share: 0.5}}]",
    references=(
        "catalogue 22: Nayak et al., Sculpting Subspaces: Constrained Full Fine-Tuning in LLMs for Continual Learning "
        "(arXiv 2504.07097); one share for all layers",
    ),
    settings=OSFSettings,
    hooks=_hooks,
    revision=2,
)
"""Learning where a matrix is weak."""

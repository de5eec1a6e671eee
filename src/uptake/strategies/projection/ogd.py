"""OGD: steps go at a right angle to the directions that would change earlier answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Int, Section
from uptake.models.training.batch import Batch
from uptake.models.training.gradients import row_gradients
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import trained
from uptake.strategies.replay.replay import sample
from uptake.strategies.strategy import Strategy


class OGDSettings(Section):
    """What can be set."""

    directions: Annotated[Int, Field(ge=0)] = 20
    """Directions kept of each stage at most; 0 is plain fine-tuning."""
    rows: Annotated[Int, Field(ge=1)] = 100
    """Rows of a stage whose gradients span them, drawn at random."""


def _hooks(settings: OGDSettings) -> Hooks:
    if settings.directions == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        return memory.tensors("directions") or {}

    def gradient(batch: Batch, state: State) -> None:
        found = {name: one.grad for name, one in batch.trainable.items() if one.grad is not None and name in state}
        with torch.no_grad():
            along = sum((state[name] @ one.float().flatten() for name, one in found.items()), batch.zero())
            for name, one in found.items():
                one.sub_((along @ state[name]).view(one.shape).to(one.dtype))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        names = list(trained(model))
        sizes = [one.numel() for one in trained(model).values()]
        rows = (_flat(one) for one in row_gradients(model, sample(stage, settings.rows), answer))
        former = torch.cat([state[name] for name in names], dim=1).cpu() if state else torch.empty(0, sum(sizes))
        whole = widened(former, rows, settings.directions)
        memory.keep("directions", dict(zip(names, whole.split(sizes, dim=1), strict=True)))

    needs = Needs(weights=True, gradients=True, memory=True, lasting=True)
    return Hooks(needs, begin=begin, gradient=gradient, after_stage=after_stage)


def answer(logits: Tensor, tokens: Tensor) -> Tensor:
    """The mean logit of the learned tokens: unlike the loss it has a gradient where the model is sure."""
    return logits.gather(1, tokens[:, None]).mean()


def widened(former: Tensor, rows: Iterator[Tensor], most: int) -> Tensor:
    """Orthonormal directions, and with them the principal ones of what vectors have beside them.

    Args:
        former: Directions times weights.
        rows: Vectors of as many weights.
        most: How many directions are added at most.
    """
    given = torch.stack(list(rows))
    beside = given - (given @ former.T) @ former
    _, values, more = torch.linalg.svd(beside, full_matrices=False)
    least = 1e-4 * torch.linalg.matrix_norm(given)  # less is what rounding leaves of vectors that lie in the span
    return torch.cat([former, more[:most][values[:most] > least]])


def _flat(gradient: dict[str, Tensor]) -> Tensor:
    return torch.cat([one.float().flatten().cpu() for one in gradient.values()])


OGD = Strategy(
    name="ogd",
    does="At a stage's end, takes for each of `rows` rows the gradient of the mean logit of its answer, and keeps the "
    "principal `directions` of them. Later stages remove from each gradient what lies in the span of all that is kept.",
    helps="A step of plain gradient descent does not change, to first order, what the model answers to earlier rows. "
    "AdamW rescales the gradient, so with it this holds only in part. No rows are kept.",
    costs="`directions` copies of the trained weights for each stage, in memory and in each checkpoint, and `rows` of "
    "them at a stage's end: meant for adapters.",
    example="strategy: [{ogd: {directions: 20}}]     # with peft: {r: 8, target_modules: all-linear}",
    references=(
        "catalogue 40: Doan et al., A Theoretical Analysis of Catastrophic Forgetting through the NTK Overlap Matrix "
        "(arXiv 2010.04003)",
        "Farajtabar et al. 2020, Orthogonal Gradient Descent for Continual Learning (arXiv 1910.07104)",
    ),
    settings=OGDSettings,
    hooks=_hooks,
)
"""Gradients at a right angle to earlier answers."""

"""EWC: weights that earlier stages depend on are held near where these stages left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.models.training.batch import Batch
from uptake.models.training.gradients import row_gradients
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import copied
from uptake.strategies.penalties.l2 import pull
from uptake.strategies.replay.replay import sample
from uptake.strategies.strategy import Strategy


class EWCSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 3000.0
    """Factor λ on half the weighted squared distance from the former weights; 0 is plain fine-tuning."""
    rows: Annotated[Int, Field(ge=1)] = 256
    """Rows of a stage of whose gradients its Fisher information is estimated, drawn at random."""
    decay: Annotated[Float, Field(ge=0, le=1)] = 1.0
    """What is left of the information of earlier stages when a stage's own is added; 1 sums them up."""


def _hooks(settings: EWCSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def fisher(model: Any, rows: Any) -> Iterator[dict[str, Tensor]]:
        for found in row_gradients(model, rows):
            yield {name: one.float().square() for name, one in found.items()}

    return held("fisher", settings.strength, settings.rows, fisher, decay=settings.decay)


def held(
    kept: str,
    strength: float,
    rows: int,
    of_rows: Callable[[Any, Any], Iterator[Mapping[str, Tensor]]],
    *,
    decay: float = 1.0,
) -> Hooks:
    """Hooks of a penalty by an importance that is read off rows at a stage's end.

    They add the gradient of strength/2 · Σ importance · (θ − θ*)², θ* the weights at the stage's begin.

    Args:
        kept: Under which name the importance is kept between stages.
        strength: The factor; above 0.
        rows: Of how many rows of a stage the importance is a mean.
        of_rows: From a model and rows to the importance of its weights for each of them.
        decay: What is left of the importance of earlier stages when a stage's own is added.
    """

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        importance = memory.tensors(kept)
        if importance is None:
            return {}
        parts = {kept: importance, "at": copied(model)}
        return {f"{key}.{name}": one for key, of in parts.items() for name, one in of.items()}

    def gradient(batch: Batch, state: State) -> None:
        pull(batch, strength, part(state, "at"), part(state, kept))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        some = sample(stage, rows)
        importance = {name: torch.zeros_like(one, dtype=torch.float32) for name, one in copied(model).items()}
        for found in of_rows(model, some):
            for name, one in found.items():
                importance[name].add_(one, alpha=1 / len(some))
        for name, one in part(state, kept).items():
            importance[name].add_(one, alpha=decay)
        memory.keep(kept, importance)

    needs = Needs(weights=True, gradients=True, memory=True, lasting=True)
    return Hooks(needs, begin=begin, gradient=gradient, after_stage=after_stage)


def part(state: State, name: str) -> State:
    """The tensors of a state whose names begin so, without that."""
    return {key.removeprefix(f"{name}."): one for key, one in state.items() if key.startswith(f"{name}.")}


EWC = Strategy(
    name="ewc",
    does="At a stage's end, estimates the diagonal F of the Fisher information: the mean over rows of the squared "
    "gradient of a row's log-likelihood. Later stages add the gradient of λ/2 · Σ F (θ − θ*)², where θ* are the "
    "former stage's weights.",
    helps="Weights that earlier answers depend on are held, all others are free. No rows of earlier stages are needed. "
    "Tuned replay is mostly better.",
    costs="A forward and a backward pass for each of `rows` rows at a stage's end, one by one; two copies of the "
    "trained weights in memory and in each checkpoint.",
    example="strategy: [{ewc: {strength: 3000}}]",
    references=(
        "Kirkpatrick et al. 2017, Overcoming catastrophic forgetting in neural networks (arXiv 1612.00796)",
        "Schwarz et al. 2018, Progress and Compress (arXiv 1805.06370): the running sum",
        "catalogue 142: Weyssow et al., On the Usage of Continual Learning for Out-of-Distribution Generalization in "
        "Pre-trained Language Models of Code (arXiv 2305.04106)",
    ),
    settings=EWCSettings,
    hooks=_hooks,
)
"""Weights held by what earlier stages need of them."""

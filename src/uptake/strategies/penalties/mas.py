"""MAS: weights that the model's outputs depend on are held, whatever the labels say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from jaxtyping import Float as Of
from jaxtyping import Int as IntOf
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.models.training.gradients import row_gradients
from uptake.models.training.hooks import Hooks
from uptake.strategies.penalties.ewc import held
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

    def omega(model: Any, rows: Any) -> Iterator[dict[str, Tensor]]:
        for found in row_gradients(model, rows, squared_norm):
            yield {name: one.float().abs() for name, one in found.items()}

    return held("omega", settings.strength, settings.rows, omega)


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

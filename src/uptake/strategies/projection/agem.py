"""A-GEM: a gradient that would raise the loss on rows of earlier stages loses the part that does."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from uptake.config.schema import Int, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.rows import padded
from uptake.strategies.replay.replay import sample
from uptake.strategies.strategy import Strategy


class AGEMSettings(Section):
    """What can be set."""

    rows: Annotated[Int, Field(ge=0)] = 16
    """Rows of earlier stages that are drawn at each step; 0 is plain fine-tuning."""
    keep: Annotated[Int, Field(ge=1)] = 256
    """Rows kept of each stage at most, drawn at random."""


def _hooks(settings: AGEMSettings) -> Hooks:
    if settings.rows == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        tables = [one for number in range(stage.number) if (one := memory.table(str(number))) is not None]
        return padded(joined(tables)) if tables else {}

    def gradient(batch: Batch, state: State) -> None:
        if not state:
            return
        n = len(state["input_ids"])
        drawn = torch.randperm(n, generator=batch.generator)[: settings.rows].to(state["input_ids"].device)
        project(batch, batch.gradient_of({name: tensor[drawn] for name, tensor in state.items()}))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep(str(stage.number), sample(stage, settings.keep))

    return Hooks(Needs(gradients=True, memory=True), begin=begin, gradient=gradient, after_stage=after_stage)


def project(batch: Batch, memory: dict[str, torch.Tensor]) -> None:
    """G ← g − (g·ḡ / ḡ·ḡ) ḡ where g·ḡ < 0: g is the gradient of the step, ḡ that on rows of the memory."""
    pairs = [(one.grad, memory[name]) for name, one in batch.trainable.items() if one.grad is not None]
    along = sum(float((own.float() * other.float()).sum()) for own, other in pairs)
    length = sum(float(other.float().square().sum()) for _, other in pairs)
    if along < 0 < length:
        with torch.no_grad():
            for own, other in pairs:
                own.sub_(other.to(own.dtype), alpha=along / length)


AGEM = Strategy(
    name="agem",
    does="At each step, draws rows of earlier stages and computes their gradient ḡ. If the step's own gradient g "
    "points against ḡ, that part of g is removed: g ← g − (g·ḡ / ḡ·ḡ) ḡ.",
    helps="A step of plain gradient descent does not raise, to first order, the loss on the rows that were drawn. "
    "AdamW rescales the gradient and adds those of earlier steps, so with it this holds only in part.",
    costs="A forward and a backward pass over `rows` rows at each step; up to `keep` rows of each stage are kept.",
    example="strategy: [{agem: {rows: 16}}]",
    references=(
        "Chaudhry et al. 2019, Efficient Lifelong Learning with A-GEM (arXiv 1812.00420)",
        "catalogue 93: Lopez-Paz and Ranzato, Gradient Episodic Memory for Continual Learning (arXiv 1706.08840)",
    ),
    settings=AGEMSettings,
    hooks=_hooks,
    revision=2,
)
"""Gradients without what would undo earlier stages."""

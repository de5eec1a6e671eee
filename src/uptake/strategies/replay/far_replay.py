"""Replay by farthest points: earlier rows whose prompts differ most from each other come again."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from jaxtyping import Float as FloatOf
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.prompts import prompt_states
from uptake.strategies.replay.replay import earlier, sample, with_replay
from uptake.strategies.strategy import Strategy


class FarReplaySettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Share of the stage's tokens that come from earlier stages; 0 is plain fine-tuning."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, the farthest from each other."""


def _hooks(settings: FarReplaySettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        return with_replay(stage, earlier(stage, memory), settings.share, first=True)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        own = sample(stage, len(stage.rows))
        memory.keep(str(stage.number), own.take(farthest(prompt_states(model, own), settings.keep)))

    return Hooks(Needs(memory=True, order=True, weights=True), data=data, after_stage=after_stage)


def farthest(points: FloatOf[Tensor, "n dims"], most: int) -> list[int]:
    """Numbers of points: the nearest to the mean, then each time the one farthest from all that were taken.

    Each beginning of the order is a choice of far points too (Gonzalez 1985: the covering radius is at most twice the
    best one).
    """
    order: list[int] = []
    nearest = torch.full((len(points),), torch.inf)
    one = int((points - points.mean(0)).norm(dim=1).argmin()) if len(points) else 0
    while len(order) < min(most, len(points)):
        order.append(one)
        nearest = torch.minimum(nearest, (points - points[one]).norm(dim=1))
        nearest[one] = -1.0
        one = int(nearest.argmax())
    return order


FAR_REPLAY = Strategy(
    name="far_replay",
    does="As `replay`, but of each stage those rows are kept and replayed first whose prompts lie farthest from each "
    "other: by the mean of the model's last hidden states over the prompt. They come in each epoch; where there is "
    "room for fewer rows than stages, the stages take turns.",
    helps="A few rows stand for all kinds of prompts of a stage; a random draw takes most of the commonest kind.",
    costs="As `replay`; a forward pass over each row at a stage's end, one by one; `keep` times rows distances.",
    example="strategy: [{far_replay: {share: 0.05}}]",
    references=(
        "catalogue 6: Yin et al., Dynosaur: A Dynamic Growth Paradigm for Instruction-Tuning Data Curation "
        "(arXiv 2305.14327)",
        "catalogue 133: Wu et al., Self-Evolved Diverse Data Sampling (arXiv 2311.08182): the model's own embeddings",
    ),
    settings=FarReplaySettings,
    hooks=_hooks,
    revision=3,
)
"""Earlier rows that are far from each other."""

"""Continual-T0: a fixed small part of each stage is kept, and trained in every later one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from uptake.config.schema import Float, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.pools import whole
from uptake.strategies.replay.replay import earlier, sample
from uptake.strategies.strategy import Strategy


class ContinualT0Settings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, le=1)] = 0.01
    """Share of each stage's rows that later stages train again, one row at least; 0 is plain fine-tuning."""


def _hooks(settings: ContinualT0Settings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, pools=(*stage.pools, *map(whole, earlier(stage, memory))))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        own = len(sample(stage, len(stage.rows)))
        memory.keep(str(stage.number), sample(stage, math.ceil(settings.share * own)))

    return Hooks(Needs(memory=True, order=True), data=data, after_stage=after_stage)


CONTINUAL_T0 = Strategy(
    name="continual_t0",
    does="Keeps `share` of the rows of each stage, drawn once. Every later stage trains them all in each epoch, "
    "however long the stage is.",
    helps="Instruction-tuned models keep a task of which they see 1 % again. Unlike `replay`, the cost does not depend "
    "on the length of the later stage, and the same few rows come each time.",
    costs="`share` of the tokens of all earlier stages, in each epoch; that many rows are kept.",
    example="strategy: [{continual_t0: {share: 0.01}}]",
    references=("catalogue 53: Scialom et al., Fine-tuned Language Models are Continual Learners (arXiv 2205.12393)",),
    settings=ContinualT0Settings,
    hooks=_hooks,
)
"""One row in a hundred of each stage."""

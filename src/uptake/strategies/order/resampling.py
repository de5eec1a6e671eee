"""Resampling: sources that fall behind what the model could do before are drawn more often."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from uptake.config.schema import Float, Int, Section
from uptake.models.training.hooks import Hooks, Needs, StageView
from uptake.models.training.memory import Memory
from uptake.schedule import Resampling, Schedule
from uptake.strategies.strategy import Strategy


class ResamplingSettings(Section):
    """What can be set."""

    fall: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """A source whose accuracy fell by more than this, relatively, is drawn more often."""
    against: Literal["best", "last"] = "best"
    """What it fell from: its best accuracy so far, or its last one."""
    boost: Annotated[Float, Field(ge=1)] = 2.0
    """Factor on the weight of a fallen source at each reading; 1 is plain fine-tuning."""
    ceiling: Annotated[Float, Field(ge=1)] = 4.0
    """Largest weight of a source."""
    floor: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Least share of the draws that a source keeps, as a part of its share of the rows."""
    every: Annotated[Int, Field(ge=1)] | None = None
    """Optimiser steps between two readings; null is 500, or a tenth of a shorter stage."""


def _hooks(settings: ResamplingSettings) -> Hooks:
    if settings.boost == 1 or settings.ceiling == 1:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        ids, sources = stage.rows["id"].to_pylist(), stage.rows["source"].to_pylist()
        rule = Resampling(settings.fall, settings.against, settings.boost, settings.ceiling, settings.floor)
        schedule = replace(
            stage.schedule or Schedule(seed=stage.seed),
            sources={name: source or "" for name, source in zip(ids, sources, strict=True)},
            resampling=rule,
            every=settings.every,
        )
        return replace(stage, schedule=schedule)

    return Hooks(Needs(order=True, readings=True), data=data)


RESAMPLING = Strategy(
    name="resampling",
    does="Every so many steps the accuracy on each source of the stage is measured, and a source that fell is drawn "
    "more often until it has recovered.",
    helps="What a stage loses is trained again before the stage ends.",
    costs="A scoring pass over up to 200 examples of each source at each reading; no more trained tokens.",
    example="strategy: [resampling]",
    references=("ILP, §5, cause IV (arXiv 2604.10079)",),
    settings=ResamplingSettings,
    hooks=_hooks,
)
"""Sources that fall behind are drawn more often."""

"""Soup: a stage ends with the mean of the weights along its way."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from uptake.config.schema import Int, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import copied, put, trained
from uptake.strategies.strategy import Strategy


class SoupSettings(Section):
    """What can be set."""

    every: Annotated[Int, Field(ge=1)] = 10
    """Optimiser steps from one set of weights that is averaged to the next."""


def _hooks(settings: SoupSettings) -> Hooks:
    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        return {
            "taken": torch.ones((), dtype=torch.int64),
            **{f"mean.{name}": one.float() for name, one in copied(model).items()},
        }

    def after_step(model: Any, step: int, state: State) -> None:
        if step % settings.every == 0:
            state["taken"].add_(1)
            for name, weight in trained(model).items():
                state[f"mean.{name}"].lerp_(weight.detach().float(), 1 / int(state["taken"]))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        if int(state["taken"]) > 1:  # a stage shorter than `every` would give back what it began with
            put(model, {name.removeprefix("mean."): one for name, one in state.items()})

    needs = Needs(weights=True)
    return Hooks(needs, begin=begin, after_step=after_step, after_stage=after_stage, moves=True, replaces=True)


SOUP = Strategy(
    name="soup",
    does="The stage ends with the plain mean of its first weights and of those after every `every`-th step. A stage "
    "with fewer steps keeps its last weights.",
    helps="Weights along one training lie in one valley. Their mean is flatter than its end, and nearer to the stage's "
    "beginning.",
    costs="A copy of the trained weights, in float32, in memory and in each checkpoint. With an "
    "adapter, its factors A and B are averaged each by itself, and not their product.",
    example="strategy: [{soup: {every: 10}}]",
    references=(
        "catalogue 163: Zheng et al., Preventing Zero-Shot Transfer Degradation (arXiv 2303.06628); weight ensemble",
        "Izmailov et al. 2018, Averaging Weights Leads to Wider Optima (arXiv 1803.05407)",
    ),
    settings=SoupSettings,
    hooks=_hooks,
    revision=2,
)
"""The mean of the weights along the way."""

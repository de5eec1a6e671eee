"""Joint: each stage trains the rows of all stages so far, from the first stage's beginning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from uptake.config.schema import Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.pools import whole
from uptake.models.training.weights import copied, put
from uptake.strategies.replay.replay import earlier, sample
from uptake.strategies.strategy import Strategy


class JointSettings(Section):
    """What can be set."""

    start: Literal["base", "former"] = "base"
    """What each stage starts from: the weights before the first stage with this strategy, or the former stage's."""


def _hooks(settings: JointSettings) -> Hooks:
    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, pools=(*stage.pools, *map(whole, earlier(stage, memory))))

    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        put(model, memory.tensors("base") or {})
        return model

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        return copied(model) if memory.tensors("base") is None else {}

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep(str(stage.number), sample(stage, len(stage.rows)))
        if state:
            memory.keep("base", dict(state))

    if settings.start == "former":
        return Hooks(Needs(memory=True, order=True), data=data, after_stage=after_stage)
    needs = Needs(memory=True, order=True, weights=True, every=True)
    return Hooks(needs, data=data, adapt=adapt, begin=begin, after_stage=after_stage)


JOINT = Strategy(
    name="joint",
    does="Each stage trains its own rows and all rows of the earlier stages, once in each epoch. It starts again from "
    "the weights before the first stage.",
    helps="This is the upper line: what a model learns that sees all rows at once. It tells how much of a loss is due "
    "to the order of the stages, and how much to the model.",
    costs="The last of T equal stages trains T times as many tokens. All rows are kept, and a copy of the first "
    "weights.",
    example="strategy: [joint]",
    references=("Caruana 1997, Multitask Learning; the upper line of the tables of continual learning",),
    settings=JointSettings,
    hooks=_hooks,
)
"""All rows so far, from the beginning."""

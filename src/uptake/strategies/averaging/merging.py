"""Merging: what each stage adds to the base is merged into one model, by methods of PEFT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.weights import copied, put
from uptake.strategies.strategy import Strategy


class MergingSettings(Section):
    """What can be set."""

    method: Literal["average", "sum", "ties", "dare"] = "ties"
    """How the stages' differences from the base are merged: mean, task arithmetic, TIES, or DARE before a sum."""
    density: Annotated[Float, Field(gt=0, lt=1)] = 0.5
    """Share of entries that stay: with ties the largest, with dare random ones, which are divided by it."""
    scale: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on what is merged; 1 / the number of stages makes a mean of a sum."""


def _hooks(settings: MergingSettings) -> Hooks:
    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        put(model, memory.tensors("base") or {})
        return model

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        return copied(model)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        own = {name: (one - state[name]).float().cpu() for name, one in copied(model).items()}
        earlier = [one for number in range(stage.number) if (one := memory.tensors(str(number))) is not None]
        memory.keep(str(stage.number), own)
        if memory.tensors("base") is None:
            memory.keep("base", dict(state))
        if earlier:
            with torch.random.fork_rng(devices=[]):  # PEFT draws from the common numbers
                torch.manual_seed(stage.seed + stage.number)
                more = {name: merged([*(one[name] for one in earlier), own[name]], settings) for name in own}
            put(model, {name: state[name] + more[name].to(state[name]) for name in own})

    needs = Needs(weights=True, memory=True, lasting=True, every=True)
    return Hooks(needs, adapt=adapt, begin=begin, after_stage=after_stage, moves=True)


def merged(differences: Sequence[Tensor], settings: MergingSettings) -> Tensor:
    """One difference from the base in place of several."""
    from peft.utils import merge_utils

    several = list(differences)
    each = torch.full((len(several),), settings.scale)
    if settings.method == "ties":
        found: Tensor = merge_utils.ties(several, each, settings.density)
    elif settings.method == "dare":
        found = merge_utils.dare_linear(several, each, settings.density)
    else:
        found = merge_utils.task_arithmetic(several, each / len(several) if settings.method == "average" else each)
    return found


MERGING = Strategy(
    name="merging",
    does="Each stage starts again from the weights before the first one. At its end the differences of all stages so "
    "far are merged and added to these weights: by mean, sum, TIES (largest entries, one sign for each weight) or DARE "
    "(entries dropped at random).",
    helps="Stages cannot overwrite each other while they train, and the order of the stages does not matter. TIES "
    "keeps small entries of one stage from cancelling large ones of another.",
    costs="A copy of the trained weights for each stage and one of the base, kept from stage to stage. With an "
    "adapter, its factors A and B are merged each by itself, as PEFT does.",
    example="strategy: [{merging: {method: ties, density: 0.5}}]",
    references=(
        "Yadav et al. 2023, TIES-Merging (arXiv 2306.01708); Yu et al. 2024, DARE (arXiv 2311.03099); Ilharco et al. "
        "2023, Editing Models with Task Arithmetic (arXiv 2212.04089)",
        "catalogue 38: Jindal et al., Balancing Continuous Pre-Training and Instruction Fine-Tuning (arXiv 2410.10739)",
        "catalogue 141: Hirano and Imajo, The Construction of Instruction-tuned LLMs for Finance without Instruction "
        "Data Using Continual Pretraining and Model Merging (arXiv 2409.19854)",
    ),
    settings=MergingSettings,
    hooks=_hooks,
)
"""The stages' differences from the base, merged."""

"""RegLoRA: the largest entries that earlier stages wrote into the weights are held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.models.places.gates import ADAPTER, layers
from uptake.models.training.adapters import require_plain
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.strategies.strategy import Strategy


class RegLoRASettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on the squared changes of held entries; 0 is plain fine-tuning."""
    share: Annotated[Float, Field(gt=0, le=1)] = 0.02
    """Share of a layer's entries that each stage adds to those that are held."""


def _hooks(settings: RegLoRASettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        require_plain("reglora", stage.peft or {})
        held = memory.tensors("held") or {}
        now = {name: _product(layer).detach() for name, layer in layers(model).items() if name in held}
        state = {f"held.{name}": one for name, one in held.items()}
        for name, layer in layers(model).items():
            state |= {f"{factor}.{name}": one.detach().clone() for factor, one in _factors(layer).items()}
        return state | {f"at.{name}": now[name].flatten()[held[name].to(now[name].device)] for name in held}

    def loss(batch: Batch, state: State) -> Tensor:
        total = batch.zero()
        for name, layer in layers(batch.model).items():
            if f"held.{name}" in state:
                now = _product(layer).flatten()[state[f"held.{name}"]]
                total = total + (now - state[f"at.{name}"]).square().sum()
        return settings.strength * total

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        held = {}
        for name, layer in layers(model).items():
            first = _product(layer, {factor: state[f"{factor}.{name}"] for factor in "AB"})
            size = (_product(layer) - first).abs().flatten().cpu()
            held[name] = size.topk(max(1, round(settings.share * len(size)))).indices
            if f"held.{name}" in state:
                held[name] = torch.cat([held[name], state[f"held.{name}"].cpu()]).unique()
        memory.keep("held", held)

    needs = Needs(weights=True, adapter=True, memory=True, lasting=True)
    return Hooks(needs, begin=begin, loss=loss, after_stage=after_stage)


def _factors(layer: Any) -> dict[str, Tensor]:
    return {"A": layer.lora_A[ADAPTER].weight, "B": layer.lora_B[ADAPTER].weight}


def _product(layer: Any, factors: Mapping[str, Tensor] | None = None) -> Tensor:
    """What a layer's adapter adds to its matrix; with other factors than its own, what it would add."""
    of = factors or _factors(layer)
    product: Tensor = of["B"] @ of["A"] * layer.scaling[ADAPTER]
    return product


REGLORA = Strategy(
    name="reglora",
    does="At a stage's end, notes the `share` of a layer's entries that the stage changed most: by its BA, less the BA "
    "that it began with. They stand beside those of earlier stages. Later stages add "
    "strength · Σ (change of these entries)² to the loss.",
    helps="What a stage taught lies in few large entries. They are held; the rank and all other entries are free.",
    costs="The product BA of each layer in each batch, with its gradient; a copy of the adapter in memory and in each "
    "checkpoint; the places of the held entries are kept.",
    example="strategy: [{reglora: {strength: 1.0}}]     # with peft: {r: 8, target_modules: all-linear}",
    references=(
        "catalogue 15: Chen et al., SEFE: Superficial and Essential Forgetting Eliminator for Multimodal Continual "
        "Instruction Tuning (arXiv 2505.02486); without its rewritten answers",
    ),
    settings=RegLoRASettings,
    hooks=_hooks,
    revision=2,
)
"""The largest entries of an adapter held."""

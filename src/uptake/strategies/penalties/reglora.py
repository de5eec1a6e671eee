"""RegLoRA: the largest entries that earlier stages wrote into the weights are held."""

from __future__ import annotations

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
            size = _product(layer).abs().flatten().cpu()
            held[name] = size.topk(max(1, round(settings.share * len(size)))).indices
            if f"held.{name}" in state:
                held[name] = torch.cat([held[name], state[f"held.{name}"].cpu()]).unique()
        memory.keep("held", held)

    needs = Needs(weights=True, adapter=True, memory=True, lasting=True)
    return Hooks(needs, begin=begin, loss=loss, after_stage=after_stage)


def _product(layer: Any) -> Tensor:
    """What a layer's adapter adds to its matrix."""
    product: Tensor = layer.lora_B[ADAPTER].weight @ layer.lora_A[ADAPTER].weight * layer.scaling[ADAPTER]
    return product


REGLORA = Strategy(
    name="reglora",
    does="At a stage's end, notes the `share` of largest entries of each layer's BA, beside those of earlier stages. "
    "Later stages add strength · Σ (change of these entries)² to the loss.",
    helps="What a stage taught lies in few large entries. They are held; the rank and all other entries are free.",
    costs="The product BA of each layer in each batch, with its gradient; the places of the held entries are kept.",
    example="strategy: [{reglora: {strength: 1.0}}]     # with peft: {r: 8, target_modules: all-linear}",
    references=(
        "catalogue 15: Chen et al., SEFE: Superficial and Essential Forgetting Eliminator for Multimodal Continual "
        "Instruction Tuning (arXiv 2505.02486); without its rewritten answers",
    ),
    settings=RegLoRASettings,
    hooks=_hooks,
)
"""The largest entries of an adapter held."""

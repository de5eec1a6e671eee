"""O-LoRA: each stage learns a LoRA adapter of its own, whose directions are kept apart from those of earlier stages.

Not to be mixed up with PEFT's `init_lora_weights: olora`, which begins an adapter from a QR decomposition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.errors import UptakeError
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.start import lora
from uptake.strategies.strategy import Strategy

ADAPTER = "default"
"""PEFT's name of the adapter that is trained and saved."""

JOINED = (
    "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform",
    "lora_alpha", "lora_dropout", "peft_type", "r", "target_modules", "task_type", "use_rslora",
)  # fmt: skip
"""Settings of `LoraConfig` with which two adapters side by side are one of the same kind."""


class Settings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.5
    """Factor on the overlap with earlier stages' directions; 0 only keeps the adapters apart."""


def _hooks(settings: Settings) -> Hooks:
    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        _require_plain(stage.peft or {})
        return model if stage.former is None else beside(model, lora(stage.peft or {}))

    def loss(batch: Batch, state: State) -> Tensor:
        total = batch.zero()
        for layer in layers(batch.model).values():
            if (earlier := getattr(layer, "earlier_A", None)) is not None:
                own = layer.lora_A[ADAPTER].weight
                total = total + (earlier.to(own.dtype) @ own.T).square().sum()
        return settings.strength * total

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        join(model)

    penalty = loss if settings.strength > 0 else None
    return Hooks(Needs(weights=True, adapter=True), adapt=adapt, loss=penalty, after_stage=after_stage)


def layers(model: Any) -> dict[str, Any]:
    """The layers that the adapter changes, by name."""
    return {name: one for name, one in model.named_modules() if ADAPTER in getattr(one, "lora_A", {})}


def beside(model: Any, config: Any) -> Any:
    """The model with its adapter frozen in the weights, which are never saved, and a new adapter to be trained.

    Each layer keeps the frozen one as buffers: its directions `earlier_A`, ranks times inputs, and what they add,
    `earlier_B`, outputs times ranks.
    """
    import peft

    old = {name: (layer.lora_A[ADAPTER].weight, added(layer)) for name, layer in layers(model).items()}
    model = peft.get_peft_model(model.merge_and_unload(), config)
    for name, layer in layers(model).items():
        for key, part in zip(("earlier_A", "earlier_B"), old[name], strict=True):
            layer.register_buffer(key, part.detach().clone(), persistent=False)
    return model


def added(layer: Any) -> Tensor:
    """What a layer's directions add: B with its scale, outputs times ranks."""
    weight: Tensor = layer.lora_B[ADAPTER].weight * layer.scaling[ADAPTER]
    return weight


def join(model: Any) -> None:
    """Put the earlier adapter beside the new one, as a single adapter of all their ranks, which is what is saved."""
    whole: dict[str, tuple[Tensor, Tensor]] = {}
    for name, layer in layers(model).items():
        if (earlier := getattr(layer, "earlier_A", None)) is not None:
            a = torch.cat([earlier, layer.lora_A[ADAPTER].weight])
            whole[name] = a, torch.cat([layer.earlier_B, added(layer)], dim=1)
    if not whole:
        return
    rank = next(iter(whole.values()))[0].shape[0]
    config = dataclasses.replace(model.peft_config[ADAPTER], r=rank, lora_alpha=rank, use_rslora=False)
    model.delete_adapter(ADAPTER)
    model.add_adapter(ADAPTER, config)
    model.set_adapter(ADAPTER)
    for name, layer in layers(model).items():  # of scale 1
        layer.lora_A[ADAPTER].weight.copy_(whole[name][0])
        layer.lora_B[ADAPTER].weight.copy_(whole[name][1])


def _require_plain(peft: Mapping[str, Any]) -> None:
    other = [name for name, value in peft.items() if name not in JOINED and value not in (None, False, "none", [], {})]
    if not isinstance(peft.get("init_lora_weights", True), bool) and peft["init_lora_weights"] != "gaussian":
        other.append("init_lora_weights")  # of the others some change the base's weights
    if other:
        raise UptakeError(
            f"the strategy olora cannot join adapters that have {', '.join(other)}",
            expected="plain LoRA of one rank",
            fix="leave it out of peft, or train without olora",
        )


OLORA = Strategy(
    name="olora",
    does="Each stage trains a new LoRA adapter while those of earlier stages are frozen, and λ Σ ‖A_s Aᵀ‖² is added to "
    "the loss, over all earlier stages s. The stage gives one adapter that holds all of them side by side.",
    helps="What a stage learns lies in directions that earlier stages do not use, so it does not write over them.",
    costs="The rank of what is saved grows with each stage: r after the first, 2 r after the second. No rows are kept.",
    example="strategy: [{olora: {strength: 0.5}}]     # with peft: {r: 8, target_modules: all-linear}",
    references=(
        "Wang et al. 2023, Orthogonal Subspace Learning for Language Model Continual Learning (arXiv 2310.14152)",
    ),
    settings=Settings,
    hooks=_hooks,
)
"""An adapter a stage, in directions of its own."""

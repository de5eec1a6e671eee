"""LoRA adapters of several stages: earlier ones frozen beside the one in training, and all of them joined in one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from uptake.errors import UptakeError
from uptake.models.places.gates import ADAPTER, gated, layers, routes_of
from uptake.models.training.start import with_new_adapter

JOINED = (
    "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform",
    "lora_alpha", "lora_dropout", "peft_type", "r", "target_modules", "task_type", "use_rslora",
)  # fmt: skip
"""Settings of `LoraConfig` with which two adapters side by side are one of the same kind."""


def require_plain(strategy: str, peft: Mapping[str, Any]) -> None:
    """Refuse adapters that cannot be joined.

    Args:
        strategy: Which one would join them.
        peft: Fields of `LoraConfig`.

    Raises:
        UptakeError: They are more than plain LoRA of one rank.
    """
    other = [name for name, value in peft.items() if name not in JOINED and value not in (None, False, "none", [], {})]
    if peft.get("init_lora_weights", True) not in (True, False, "gaussian"):
        other.append("init_lora_weights")  # some of the others change the base's weights
    if other:
        raise UptakeError(
            f"the strategy {strategy} cannot join adapters that have {', '.join(other)}",
            expected="plain LoRA of one rank",
            fix=f"leave it out of peft, or train without {strategy}",
        )


def beside(model: Any, peft: Mapping[str, Any], *, apart: bool = False) -> Any:
    """The model with its adapter frozen in the weights, which are never saved, and a new adapter to be trained.

    Each layer keeps the frozen one as buffers: its directions `earlier_A`, ranks times inputs, and what they add,
    `earlier_B`, outputs times ranks.

    Args:
        model: A model with an adapter.
        peft: Fields of `LoraConfig` for the new one.
        apart: The frozen one adds nothing while the new one is trained.

    Raises:
        UptakeError: What the adapter adds depends on a gate.
    """
    if gated(model) or (routes_of(model) is not None and not apart):
        raise UptakeError(
            "the former stage's adapter has gates, and cannot be frozen in the weights",
            expected="plain LoRA",
            fix="use one strategy of adapters in all stages",
        )
    old = {name: (layer.lora_A[ADAPTER].weight, _added(layer)) for name, layer in layers(model).items()}
    model = with_new_adapter(model.unload() if apart else model.merge_and_unload(), peft)
    for name, layer in layers(model).items():
        for key, part in zip(("earlier_A", "earlier_B"), old[name], strict=True):
            layer.register_buffer(key, part.detach().clone(), persistent=False)
    return model


def join(model: Any) -> None:
    """Put the earlier adapter beside the new one, as a single adapter of all their ranks, which is what is saved.

    On the base's own weights it says what the model in training said: B₁A₁ + B₂A₂ = [B₁ B₂] [A₁; A₂].
    """
    whole: dict[str, tuple[Tensor, Tensor]] = {}
    for name, layer in layers(model).items():
        if (earlier := getattr(layer, "earlier_A", None)) is not None:
            directions = torch.cat([earlier, layer.lora_A[ADAPTER].weight])
            whole[name] = directions, torch.cat([layer.earlier_B, _added(layer)], dim=1)
    if not whole:
        return
    rank = next(iter(whole.values()))[0].shape[0]
    config = dataclasses.replace(model.peft_config[ADAPTER], r=rank, lora_alpha=rank, use_rslora=False)
    model.delete_adapter(ADAPTER)
    model.add_adapter(ADAPTER, config)
    model.set_adapter(ADAPTER)
    with torch.no_grad():
        for name, layer in layers(model).items():  # their scale is 1
            layer.lora_A[ADAPTER].weight.copy_(whole[name][0])
            layer.lora_B[ADAPTER].weight.copy_(whole[name][1])


def _added(layer: Any) -> Float[Tensor, "outputs ranks"]:
    """What a layer's directions add: B with its scale."""
    weight: Tensor = layer.lora_B[ADAPTER].weight * layer.scaling[ADAPTER]
    return weight

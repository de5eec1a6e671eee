"""O-LoRA: each stage learns a LoRA adapter of its own, whose directions are kept apart from those of earlier stages.

Not to be mixed up with PEFT's `init_lora_weights: olora`, which begins an adapter from a QR decomposition.
"""

from __future__ import annotations

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


class OLoRASettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.5
    """Factor on the overlap with earlier stages' directions; 0 only keeps the adapters apart."""


def _hooks(settings: OLoRASettings) -> Hooks:
    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        if stage.former is None:
            return model
        # what earlier stages learned is frozen in the weights; they are never saved
        import peft

        return peft.get_peft_model(model.merge_and_unload(), lora(stage.peft or {}))

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        kept = memory.tensors("adapter") or {}
        return {name: tensor for name, tensor in kept.items() if name.endswith(".A")}

    def loss(batch: Batch, state: State) -> Tensor:
        """λ Σ over layers and earlier stages s of ‖A_s Aᵀ‖²: how far the new directions lie in the old ones."""
        total = batch.zero()
        for name, layer in layers(batch.model).items():
            if (earlier := state.get(f"{name}.A")) is not None:
                own = layer.lora_A[ADAPTER].weight
                total = total + (earlier.to(own.dtype) @ own.T).square().sum()
        return settings.strength * total

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep("adapter", joined_adapter(model, memory.tensors("adapter") or {}))

    penalty = loss if settings.strength > 0 else None
    return Hooks(Needs(weights=True, adapter=True), adapt=adapt, begin=begin, loss=penalty, after_stage=after_stage)


def layers(model: Any) -> dict[str, Any]:
    """The layers that the adapter changes, by name."""
    return {name: one for name, one in model.named_modules() if ADAPTER in getattr(one, "lora_A", {})}


def joined_adapter(model: Any, earlier: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put the earlier adapters beside the new one, as a single adapter of all their ranks, into the model.

    Returns:
        By layer, all directions (`A`, ranks times inputs) and what they add (`B`, outputs times ranks, scaled).
    """
    whole: dict[str, Tensor] = {}
    scales, ranks = set(), set()
    for name, layer in layers(model).items():
        scales.add(float(layer.scaling[ADAPTER]))
        own = {"A": layer.lora_A[ADAPTER].weight, "B": layer.lora_B[ADAPTER].weight * layer.scaling[ADAPTER]}
        for part, axis in (("A", 0), ("B", 1)):
            parts = [one for one in (earlier.get(f"{name}.{part}"),) if one is not None]
            whole[f"{name}.{part}"] = torch.cat([*(one.to(own[part]) for one in parts), own[part]], dim=axis)
        ranks.add(whole[f"{name}.A"].shape[0])
    if len(scales) != 1 or len(ranks) != 1:
        raise UptakeError(
            f"olora joins adapters of one rank and one scale; these layers have {sorted(ranks)} and {sorted(scales)}",
            fix="leave rank_pattern and alpha_pattern out of peft",
        )
    [scale], [rank] = scales, ranks
    if earlier:
        _replace(model, whole, rank, scale)
    return whole


def _replace(model: Any, whole: dict[str, Tensor], rank: int, scale: float) -> None:
    import dataclasses

    alpha = rank * scale
    alpha = int(alpha) if float(alpha).is_integer() else alpha
    config = dataclasses.replace(model.peft_config[ADAPTER], r=rank, lora_alpha=alpha, use_rslora=False)
    model.delete_adapter(ADAPTER)
    model.add_adapter(ADAPTER, config)
    model.set_adapter(ADAPTER)
    for name, layer in layers(model).items():
        layer.lora_A[ADAPTER].weight.copy_(whole[f"{name}.A"])
        layer.lora_B[ADAPTER].weight.copy_(whole[f"{name}.B"] / scale)


OLORA = Strategy(
    name="olora",
    does="Each stage trains a new LoRA adapter while those of earlier stages are frozen, and λ Σ ‖A_s Aᵀ‖² is added to "
    "the loss, over all earlier stages s. The stage gives one adapter that holds all of them side by side.",
    helps="What a stage learns lies in directions that earlier stages do not use, so it does not write over them.",
    costs="The rank grows with each stage: r after the first, 2 r after the second. No rows are kept.",
    example="strategy: [{olora: {strength: 0.5}}]     # with peft: {r: 8, target_modules: all-linear}",
    references=(
        "Wang et al. 2023, Orthogonal Subspace Learning for Language Model Continual Learning (arXiv 2310.14152)",
    ),
    settings=OLoRASettings,
    hooks=_hooks,
)
"""An adapter a stage, in directions of its own."""

"""O-LoRA: each stage learns a LoRA adapter of its own, whose directions are kept apart from those of earlier stages.

Not to be mixed up with PEFT's `init_lora_weights: olora`, which begins an adapter from a QR decomposition.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.models.places.gates import ADAPTER, layers
from uptake.models.training.adapters import beside, join, require_plain
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.strategies.strategy import Strategy


class OLoRASettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.5
    """Factor on the overlap with earlier stages' directions; 0 only keeps the adapters apart."""


def _hooks(settings: OLoRASettings) -> Hooks:
    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        require_plain("olora", stage.peft or {})
        return model if stage.former is None else beside(model, stage.peft or {})

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


OLORA = Strategy(
    name="olora",
    does="Each stage trains a new LoRA adapter; the adapters of earlier stages s are frozen. λ Σ ‖A_s Aᵀ‖² is added to "
    "the loss, with λ = `strength`. The stage writes one adapter that holds all of them side by side.",
    helps="A stage learns in directions that earlier stages do not use, so it does not overwrite them. This helps if "
    "the inputs of the stages differ. If two stages ask the same kinds of questions, nothing was gained.",
    costs="The rank of what is saved grows with each stage: r after the first, 2 r after the second. No rows are kept.",
    example="strategy: [{olora: {strength: 0.5}}]     # with peft: {r: 8, target_modules: all-linear}",
    references=(
        "Wang et al. 2023, Orthogonal Subspace Learning for Language Model Continual Learning (arXiv 2310.14152)",
    ),
    settings=OLoRASettings,
    hooks=_hooks,
)
"""An adapter a stage, in directions of its own."""

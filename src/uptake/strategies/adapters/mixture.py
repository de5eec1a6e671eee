"""A mixture of LoRAs: a gate in each layer says, token by token, how much each of several experts adds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from uptake.config.schema import Int, Section
from uptake.errors import UptakeError
from uptake.models.places.gates import ADAPTER, gated, layers, weigh
from uptake.models.training.adapters import require_plain
from uptake.models.training.hooks import Hooks, Needs, StageView
from uptake.models.training.memory import Memory
from uptake.strategies.strategy import Strategy


class MixtureSettings(Section):
    """What can be set."""

    ranks: Annotated[Int, Field(ge=1)] = 2
    """Ranks of each expert; the adapter's `r` is the sum over all of them."""


def _hooks(settings: MixtureSettings) -> Hooks:
    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        require_plain("mixture", stage.peft or {})
        if not gated(model):
            for layer in layers(model).values():
                weigh(layer, experts(len(layer.lora_A[ADAPTER].weight), settings.ranks))
        return model

    return Hooks(Needs(adapter=True), adapt=adapt)


def experts(rank: int, ranks: int) -> int:
    """How many experts an adapter holds: one where it has fewer ranks than an expert.

    Args:
        rank: Of the adapter.
        ranks: Of each expert.

    Raises:
        UptakeError: They do not fill it.
    """
    if rank > ranks and rank % ranks:
        raise UptakeError(
            f"the adapter has rank {rank}, and strategy.mixture.ranks is {ranks}",
            expected="a rank that is a multiple of each expert's",
            fix=f"set peft.r to {rank - rank % ranks}, or mixture.ranks to another number",
        )
    return max(1, rank // ranks)


MIXTURE = Strategy(
    name="mixture",
    does="The adapter is split into experts of `ranks` ranks. In each layer a gate G, which starts at zero and is "
    "trained with them, weighs what they add by the layer's input x: Σ E · softmax(G x)_e B_e A_e x, with E experts. "
    "The same experts and gates are trained on in each stage.",
    helps="Tokens of one stage can use other experts than those of another one, so that a stage need not overwrite all "
    "that earlier ones learned. Nothing keeps it from doing so.",
    costs="A product with E rows more in each layer. The gates are saved in the adapter's file; uptake reads them, and "
    "a loader that does not know them gives all experts the same weight.",
    example="strategy: [{mixture: {ranks: 2}}]     # with peft: {r: 8, target_modules: all-linear}: 4 experts",
    references=(
        "catalogue 8: Chen et al., CoIN: A Benchmark of Continual Instruction tuNing for Multimodel Large Language "
        "Model (arXiv 2403.08350)",
        "catalogue 149, with `ranks: 1` but for its own gates: Little By Little: Continual Learning via Self-Activated "
        "Sparse Mixture-of-Rank Adaptive Learning",
    ),
    settings=MixtureSettings,
    hooks=_hooks,
)
"""Several LoRAs with a gate."""

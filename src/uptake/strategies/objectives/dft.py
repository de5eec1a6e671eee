"""Dynamic fine-tuning: a token counts as much as the model finds it probable already."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, State
from uptake.strategies.strategy import Strategy


class DFTSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0, le=1)] = 1.0
    """1 weighs each token by its probability; 0 is plain fine-tuning; in between the two are mixed."""


def _hooks(settings: DFTSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def weigh(batch: Batch, state: State) -> Tensor:
        probable = torch.exp(-batch.token_nll().detach())
        return 1 - settings.strength * (1 - probable)

    return Hooks(Needs(per_row=True, logits=True), weigh=weigh)


DFT = Strategy(
    name="dft",
    does="The loss of each token, −log p, is multiplied by its probability p, through which no gradient flows: the "
    "loss is the mean of −sg(p) log p.",
    helps="In plain fine-tuning a token of probability p has a gradient as large as 1/p times its reward: tokens that "
    "the model finds improbable move it most. Here they move it least. Nothing is rewritten. What is new to the model "
    "is learned slowly: use it where the data teach a form or a skill, and `uptake rewrite` where they teach facts.",
    costs="A second forward pass in each step. TRL's own `training: {loss_type: dft}` needs none; it does not go "
    "together with strategies that weigh rows.",
    example="strategy: [{dft: {strength: 1.0}}]",
    references=(
        "Wu et al. 2025, On the Generalization of SFT: A Reinforcement Learning Perspective with Reward Rectification "
        "(arXiv 2508.05629)",
    ),
    settings=DFTSettings,
    hooks=_hooks,
    revision=2,
)
"""What is improbable moves the model less, and not more."""

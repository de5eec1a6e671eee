"""Dynamic fine-tuning: a token counts as much as the model finds it probable already."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from uptake.config.schema import Float, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, State
from uptake.models.training.rows import NOT_TRAINED
from uptake.strategies.strategy import Strategy


class DFTSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0, le=1)] = 1.0
    """1 weighs each token by its probability; 0 is plain fine-tuning; in between the two are mixed."""


def _hooks(settings: DFTSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def loss(batch: Batch, state: State) -> Tensor:
        nll = cross_entropy(
            batch.logits().float().flatten(0, 1),
            batch.labels.flatten(),
            ignore_index=NOT_TRAINED,
            reduction="none",
        ).view(batch.labels.shape)
        # what has to be added to the mean of −log p to make it the mean of −sg(p) log p
        term = torch.expm1(-nll.detach()) * nll * _weights(batch, nll)
        return settings.strength * batch.average(term.sum())

    return Hooks(Needs(per_row=True, logits=True), loss=loss)


def _weights(batch: Batch, nll: Tensor) -> Tensor | float:
    """What each row counts in the loss that the term is added to; 1 without a note."""
    if "weight" not in batch.rows.schema.names:
        return 1.0
    known = [1.0 if one is None else one for one in batch.rows["weight"].to_pylist()]
    return torch.tensor(known, dtype=nll.dtype, device=nll.device)[:, None]


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
)
"""What is improbable moves the model less, and not more."""

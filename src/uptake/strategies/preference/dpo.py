"""DPO: a row is preferred to what the model believed before."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from uptake.config.schema import Float
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks
from uptake.models.training.pairs import OldAnswers
from uptake.strategies.preference.npo import ASKS, OldAnswerSettings, pushed
from uptake.strategies.strategy import Strategy


class DPOSettings(OldAnswerSettings):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.1
    """Factor on the term of an old answer; 0 is plain fine-tuning."""
    beta: Annotated[Float, Field(gt=0)] = 0.1
    """How far the preference may move the model from the former one: less lets it move further."""


def _hooks(settings: DPOSettings) -> Hooks:
    def push(batch: Batch, old: OldAnswers) -> Tensor:
        learned = batch.rows["reference"].to_pylist()
        reference = torch.tensor([sum(learned[number]) for number in old.of.tolist()], device=old.now.device)
        gained = -batch.nll()[old.of] - reference
        return -2 / settings.beta * logsigmoid(settings.beta * (gained - (old.now - old.before)))

    return pushed(settings, settings.strength, push)


DPO = Strategy(
    name="dpo",
    does=ASKS
    + "strength · −(2/β) log σ(β ((log p(new) − log p_former(new)) − (log p(old) − log p_former(old)))) is added to "
    "the loss, as a mean over rows. The factor 2/β is that of `npo`: one strength pushes both alike, whatever β is.",
    helps="The new answer has to gain on the old one, and not only to become probable. The loss of the labels stays, "
    "so the new answer does not become rare together with the old one.",
    costs="An answer to each prompt and a scoring pass, before the stage; a forward and a backward pass over the old "
    "answers beside each batch, and another one over the batch.",
    example="strategy: [{dpo: {strength: 0.1}}]",
    references=("Rafailov et al. 2023, Direct Preference Optimization (arXiv 2305.18290)",),
    settings=DPOSettings,
    hooks=_hooks,
    revision=5,
)
"""New answers preferred to old beliefs."""

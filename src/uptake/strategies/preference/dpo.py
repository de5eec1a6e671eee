"""DPO: a row is preferred to what the model believed before."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from uptake.config.schema import Float, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.pairs import old_answers, with_old_answers
from uptake.strategies.strategy import Strategy


class DPOSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on the term of an old answer; 0 is plain fine-tuning."""
    beta: Annotated[Float, Field(gt=0)] = 0.1
    """How far the preference may move the model from the former one: less lets it move further."""
    least: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Least probability with which the model before the stage gave an old answer; a rarer one is no belief."""


def _hooks(settings: DPOSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, rows=with_old_answers(stage, settings.least))

    def loss(batch: Batch, state: State) -> Tensor:
        if (old := old_answers(batch)) is None:
            return batch.zero()
        learned = batch.rows["reference"].to_pylist()
        reference = torch.tensor([sum(learned[number]) for number in old.of.tolist()], device=old.now.device)
        gained = -batch.nll()[old.of] - reference
        each = -logsigmoid(settings.beta * (gained - (old.now - old.before)))
        return settings.strength * each.sum() / len(batch.rows)

    return Hooks(Needs(per_row=True, logits=True, former=True), data=data, loss=loss)


DPO = Strategy(
    name="dpo",
    does="Before the stage, asks the former model each prompt. Where it answers something else than the row with "
    "probability `least` or more, that is the row's old answer. "
    "strength · −log σ(β ((log p(new) − log p_former(new)) − (log p(old) − log p_former(old)))) is added to the loss, "
    "as a mean over rows.",
    helps="The new answer has to gain on the old one, and not only to become probable. The loss of the labels stays, "
    "so the new answer does not become rare together with the old one.",
    costs="An answer to each prompt and a scoring pass, before the stage; a forward and a backward pass over the old "
    "answers beside each batch, and another one over the batch.",
    example="strategy: [{dpo: {strength: 1.0}}]",
    references=("Rafailov et al. 2023, Direct Preference Optimization (arXiv 2305.18290)",),
    settings=DPOSettings,
    hooks=_hooks,
)
"""New answers preferred to old beliefs."""

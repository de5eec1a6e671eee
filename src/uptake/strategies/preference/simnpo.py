"""SimNPO: as NPO, by the mean log-probability of a token and without a reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from uptake.config.schema import Float, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.pairs import old_answers, with_old_answers
from uptake.strategies.strategy import Strategy


class SimNPOSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.1
    """Factor on the term of an old answer; 0 is plain fine-tuning."""
    beta: Annotated[Float, Field(gt=0)] = 2.5
    """Steepness of the push in the mean log-probability of a token."""
    margin: Annotated[Float, Field(ge=0)] = 0.0
    """How far below even odds an old answer is pushed."""
    least: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Least probability with which the model before the stage gave an old answer; a rarer one is no belief."""


def _hooks(settings: SimNPOSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, rows=with_old_answers(stage, settings.least))

    def loss(batch: Batch, state: State) -> Tensor:
        if (old := old_answers(batch)) is None:
            return batch.zero()
        each = -2 / settings.beta * logsigmoid(-settings.beta * old.now / old.tokens - settings.margin)
        return settings.strength * each.sum() / len(batch.rows)

    return Hooks(Needs(per_row=True, logits=True, former=True), data=data, loss=loss)


SIMNPO = Strategy(
    name="simnpo",
    does="Before the stage, asks the former model each prompt. Where it answers something else than the row with "
    "probability `least` or more, that is the row's old answer. "
    "strength · −(2/β) log σ(−(β/|old|) log p(old) − margin) is added to the loss, as a mean over rows.",
    helps="As `npo`, but long old answers are not pushed more than short ones, and one that is rare already is left "
    "alone, however probable it was before.",
    costs="An answer to each prompt and a scoring pass, before the stage; a forward and a backward pass over the old "
    "answers beside each batch.",
    example="strategy: [{simnpo: {strength: 0.1}}]",
    references=(
        "Fan et al. 2024, Simplicity Prevails: Rethinking Negative Preference Optimization (arXiv 2410.07163)",
    ),
    settings=SimNPOSettings,
    hooks=_hooks,
)
"""Old beliefs pushed down, whatever they were."""

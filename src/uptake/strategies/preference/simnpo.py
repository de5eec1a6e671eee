"""SimNPO: as NPO, by the mean log-probability of a token and without a reference."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from uptake.config.schema import Float
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks
from uptake.models.training.pairs import OldAnswers
from uptake.strategies.preference.npo import ASKS, OldAnswerSettings, pushed
from uptake.strategies.strategy import Strategy


class SimNPOSettings(OldAnswerSettings):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.1
    """Factor on the term of an old answer; 0 is plain fine-tuning."""
    beta: Annotated[Float, Field(gt=0)] = 2.5
    """Steepness of the push in the mean log-probability of a token."""
    margin: Annotated[Float, Field(ge=0)] = 0.0
    """How far below even odds an old answer is pushed."""


def _hooks(settings: SimNPOSettings) -> Hooks:
    def push(batch: Batch, old: OldAnswers) -> Tensor:
        return -2 / settings.beta * logsigmoid(-settings.beta * old.now / old.tokens - settings.margin)

    return pushed(settings, settings.strength, push)


SIMNPO = Strategy(
    name="simnpo",
    does=ASKS + "strength · −(2/β) log σ(−(β/|old|) log p(old) − margin) is added to the loss, as a mean over rows.",
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
    revision=5,
)
"""Old beliefs pushed down, whatever they were."""

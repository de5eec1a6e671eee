"""NPO: what the model believed before is made less probable, the less so the further it has come down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from uptake.config.schema import Float, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.pairs import OldAnswers, old_answers, with_old_answers
from uptake.strategies.strategy import Strategy

ASKS = (
    "Before the stage, asks the former model each prompt. Where it answers something else than the row with "
    "probability `least` or more, that is the row's old answer. "
)
"""What all of them do first."""


class OldAnswerSettings(Section):
    """What can be set of all of them."""

    least: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Least probability with which the model before the stage gave an old answer; a rarer one is no belief."""


class NPOSettings(OldAnswerSettings):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.1
    """Factor on the term of an old answer; 0 is plain fine-tuning."""
    beta: Annotated[Float, Field(gt=0)] = 0.1
    """How soon the push ends: it fades when the old answer has become exp(1 / beta) times as rare."""


def _hooks(settings: NPOSettings) -> Hooks:
    def push(batch: Batch, old: OldAnswers) -> Tensor:
        return -2 / settings.beta * logsigmoid(-settings.beta * (old.now - old.before))

    return pushed(settings.strength, settings.least, push)


def pushed(strength: float, least: float, push: Callable[[Batch, OldAnswers], Tensor]) -> Hooks:
    """Hooks that add strength times the sum of a term over the old answers in a batch, as a mean over its rows.

    Args:
        strength: The factor; 0 is plain fine-tuning.
        least: Least probability of an old answer.
        push: From a batch and its old answers to the term of each.
    """
    if strength == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, rows=with_old_answers(stage, least))

    def loss(batch: Batch, state: State) -> Tensor:
        if (old := old_answers(batch)) is None:
            return batch.zero()
        return strength * push(batch, old).sum() / len(batch.rows)

    return Hooks(Needs(per_row=True, logits=True, former=True), data=data, loss=loss)


NPO = Strategy(
    name="npo",
    does=ASKS
    + "strength · −(2/β) log σ(−β (log p(old) − log p_former(old))) is added to the loss, as a mean over rows.",
    helps="Where new facts contradict old ones, the label alone leaves the old answer as the second best. The push "
    "ends by itself, unlike gradient ascent. What must not move is held by another strategy beside it: `lwf`, `ser` or "
    "`zscl`.",
    costs="An answer to each prompt and a scoring pass, before the stage; a forward and a backward pass over the old "
    "answers beside each batch.",
    example="strategy: [{npo: {strength: 0.1}}]",
    references=("Zhang et al. 2024, Negative Preference Optimization (arXiv 2404.05868)",),
    settings=NPOSettings,
    hooks=_hooks,
)
"""Old beliefs pushed down, to a point."""

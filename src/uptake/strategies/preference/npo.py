"""NPO: what the model believed before is made less probable, the less so the further it has come down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import pyarrow as pa
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from uptake.config.schema import Float, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.pairs import OldAnswers, old_answers, with_old_answers
from uptake.strategies.distillation.lwf import kept, told
from uptake.strategies.strategy import Strategy

TOLD_APART = 20
"""Most probable tokens of the former model that the anchor tells apart; all others count as one."""

ASKS = (
    "Before the stage, asks the former model each prompt. Where it answers something else than the row with "
    "probability `least` or more, that is the row's old answer. "
)
"""What all of them do first."""


class OldAnswerSettings(Section):
    """What can be set of all of them."""

    least: Annotated[Float, Field(ge=0, le=1)] = 0.1
    """Least probability with which the model before the stage gave an old answer; a rarer one is not said at all."""
    new: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on the loss of the stage's own rows; 1 leaves it as the trainer has it, 0 trains old answers alone."""
    anchor: Annotated[Float, Field(ge=0)] = 0.0
    """Factor on the divergence from the former model on rows that it answers as they say: what must not move."""


class NPOSettings(OldAnswerSettings):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 0.1
    """Factor on the term of an old answer; 0 is plain fine-tuning."""
    beta: Annotated[Float, Field(gt=0)] = 0.1
    """How soon the push ends: it fades when the old answer has become exp(1 / beta) times as rare."""


def _hooks(settings: NPOSettings) -> Hooks:
    def push(batch: Batch, old: OldAnswers) -> Tensor:
        return -2 / settings.beta * logsigmoid(-settings.beta * (old.now - old.before))

    return pushed(settings, settings.strength, push)


def pushed(settings: OldAnswerSettings, strength: float, push: Callable[[Batch, OldAnswers], Tensor]) -> Hooks:
    """Hooks that add strength times the sum of a term over the old answers in a batch, as a mean over its rows.

    Args:
        settings: What all of them have.
        strength: The factor; 0 is plain fine-tuning.
        push: From a batch and its old answers to the term of each.
    """
    if strength == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        rows = with_old_answers(stage, settings.least)
        return replace(stage, rows=anchored(stage, rows, TOLD_APART) if settings.anchor else rows)

    def loss(batch: Batch, state: State) -> Tensor:
        term = batch.zero()
        if (old := old_answers(batch)) is not None:
            term = term + strength * push(batch, old).sum() / len(batch.rows)
        if settings.anchor:
            term = term + settings.anchor * kept(batch, note="held")
        return term

    def weigh(batch: Batch, state: State) -> Tensor:
        kinds = batch.rows["kind"].to_pylist() if "kind" in batch.rows.schema.names else [None] * len(batch.rows)
        factors = [1.0 if kind == "replayed" else settings.new for kind in kinds]
        return torch.tensor(factors, device=batch.model.device)[:, None]

    own = None if settings.new == 1 else weigh
    return Hooks(Needs(per_row=True, logits=True, former=True), data=data, weigh=own, loss=loss)


def anchored(stage: StageView, rows: pa.Table, k: int) -> pa.Table:
    """Rows of which those of kind `retain` have the former model's k most probable tokens noted; see `kept`."""
    if not (places := [place for place, kind in enumerate(rows["kind"].to_pylist()) if kind == "retain"]):
        return rows
    found = told(stage, rows.take(places), k)
    notes: dict[str, list[Any]] = {name: [None] * len(rows) for name in ("held_ids", "held_logprobs")}
    for name, column in notes.items():
        for place, value in zip(places, found[name.replace("held", "top")].to_pylist(), strict=True):
            column[place] = value
    return noted(rows, **notes)


NPO = Strategy(
    name="npo",
    does=ASKS
    + "strength · −(2/β) log σ(−β (log p(old) − log p_former(old))) is added to the loss, as a mean over rows.",
    helps="Where new facts contradict old ones, the label alone leaves the old answer as the second best. The push "
    "ends by itself, unlike gradient ascent. What must not move is held by `anchor`, on rows that the model gives "
    "already, and by another strategy beside it: `zscl` on general text, `ser` on earlier rows.",
    costs="An answer to each prompt and a scoring pass, before the stage; a forward and a backward pass over the old "
    "answers beside each batch.",
    example="strategy: [{npo: {strength: 0.1}}]",
    references=("Zhang et al. 2024, Negative Preference Optimization (arXiv 2404.05868)",),
    settings=NPOSettings,
    hooks=_hooks,
    revision=5,
)
"""Old beliefs pushed down, to a point."""

"""Learning without forgetting: on the stage's own rows, the model stays close to what it said before the stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import pyarrow as pa
import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.errors import UptakeError
from uptake.models.scoring.top import top
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.rows import scored
from uptake.strategies.strategy import Strategy


class LwFSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on the divergence from the former model; 0 is plain fine-tuning."""
    k: Annotated[Int, Field(ge=1)] = 20
    """Most probable tokens of the former model that are told apart; all others count as one."""


def _hooks(settings: LwFSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, rows=told(stage, stage.rows, settings.k))

    def loss(batch: Batch, state: State) -> Tensor:
        return settings.strength * kept(batch, replayed=False)

    return Hooks(Needs(per_row=True, logits=True, former=True), data=data, loss=loss)


def told(stage: StageView, rows: pa.Table, k: int) -> pa.Table:
    """Rows with the k most probable tokens that the model before the stage says at each learned one."""
    if stage.model is None:
        raise UptakeError(f"the stage {stage.name!r} has no model that it starts from")
    ids, logprobs = (
        [part.ravel() for part in column] for column in zip(*top(stage.model(), scored(rows)[1], k), strict=True)
    )
    return noted(rows, top_ids=ids, top_logprobs=logprobs)


def kept(batch: Batch, *, replayed: bool | None = None, note: Literal["top", "held"] = "top") -> Tensor:
    """The divergence of a batch from what its rows have noted; see `Batch.top` and `Batch.average`."""
    where, ids, former = batch.top(replayed=replayed, note=note)
    if len(ids) == 0:
        return batch.zero()
    return batch.average(divergence(former, ids, batch.logits()[where].float()).sum())


def divergence(former: Tensor, ids: Tensor, logits: Tensor) -> Tensor:
    """KL(former || now) in nats at each position, over k tokens and all the others taken together.

    Args:
        former: Log-probabilities of the k tokens, positions times k.
        ids: Which tokens they are.
        logits: Of the model in training, positions times vocabulary.
    """
    now = torch.log_softmax(logits, dim=-1)
    total = (former.exp() * (former - now.gather(1, ids))).sum(-1)
    if ids.shape[1] == logits.shape[1]:
        return total
    others = now.scatter(1, ids, -torch.inf).logsumexp(-1)  # 1 - sum would be noise where the k tokens have it all
    rest = (-torch.expm1(former.logsumexp(-1))).clamp(min=torch.finfo(former.dtype).tiny)
    return total + rest * (rest.log() - others)


LWF = Strategy(
    name="lwf",
    does="Before the stage, records the `k` most probable tokens of the former model at each learned token of the "
    "stage's rows. During the stage, the divergence from that record is added to the loss: strength · KL(former ‖ "
    "now), an average over the learned tokens.",
    helps="The model learns the new rows with as little change as they allow. No rows of earlier stages are needed.",
    costs="A scoring pass over the stage's rows; a second forward pass in each step; k numbers a learned token.",
    example="strategy: [{lwf: {strength: 1.0}}]",
    references=("Li and Hoiem 2016, Learning without Forgetting (arXiv 1606.09282)",),
    settings=LwFSettings,
    hooks=_hooks,
)
"""The stage's rows as the former model would have answered them."""

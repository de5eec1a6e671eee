"""Dark experience replay: replayed rows keep what the model said of them when it had just learned them."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.strategies.distillation.lwf import kept, told
from uptake.strategies.replay.replay import earlier, sample, with_replay
from uptake.strategies.strategy import Strategy


class DERSettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Share of the stage's tokens that come from earlier stages; 0 is plain fine-tuning."""
    strength: Annotated[Float, Field(ge=0)] = 0.5
    """Factor α on the divergence of replayed rows from what was said of them."""
    labels: Annotated[Float, Field(ge=0)] = 1.0
    """Factor β on the loss of replayed rows: 0 is DER, more is DER++."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, drawn at random."""
    k: Annotated[Int, Field(ge=1)] = 20
    """Most probable tokens that are told apart; all others count as one."""


def _hooks(settings: DERSettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        tables = [one if _is_told(one) else told(stage, one, settings.k) for one in earlier(stage, memory) if len(one)]
        if settings.labels != 1:
            tables = [noted(one, weight=[settings.labels] * len(one)) for one in tables]
        return with_replay(stage, tables, settings.share)

    def loss(batch: Batch, state: State) -> Tensor:
        return settings.strength * kept(batch, replayed=True)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep(str(stage.number), sample(stage, settings.keep))
        for number, table in enumerate(memory.table(str(number)) for number in range(stage.number)):
            if table is not None and not _is_told(table) and (found := _said(stage.rows, table)) is not None:
                memory.keep(str(number), found)

    needs = Needs(per_row=True, logits=True, former=True, memory=True, order=True)
    return Hooks(needs, data=data, loss=loss, after_stage=after_stage)


def _is_told(rows: pa.Table) -> bool:
    return "top_ids" in rows.schema.names


def _said(trained: pa.Table, kept_before: pa.Table) -> pa.Table | None:
    """Kept rows with what was said of them before this stage; None if they were not drawn.

    Another strategy may replay and record the same rows: the first record of a row is taken, once.
    """
    if not {"kind", "top_ids"} <= set(trained.schema.names):
        return None
    found = trained.filter(pc.and_(trained["top_ids"].is_valid(), pc.equal(trained["kind"], "replayed")))
    place = {one: number for number, one in reversed([*enumerate(_names(found))])}
    places = [place[one] for one in _names(kept_before) if one in place]
    return found.take(places).select([*kept_before.schema.names, "top_ids", "top_logprobs"]) if places else None


def _names(rows: pa.Table) -> list[tuple[str, tuple[int, ...]]]:
    return [*zip(rows["id"].to_pylist(), map(tuple, rows["input_ids"].to_pylist()), strict=True)]


DER = Strategy(
    name="der",
    does="As `replay`; and each replayed row keeps the `k` most probable tokens, at each learned token, of the model "
    "that had just learned it. α · KL(then ‖ now) on replayed rows is added to the loss, and β weighs their labels. "
    "Both count each token of the step alike: against means over the replayed rows, as in the paper, α and β are "
    "multiplied by the share of the step's learned tokens that is replayed (0.025 of 0.5 with the defaults).",
    helps="A row says more than its label: which other answers were near. What is kept is not replaced by what later, "
    "more forgetful models say.",
    costs="As `replay`; a scoring pass over the kept rows of each stage, once; a second forward pass in each step; k "
    "numbers for each learned token of a kept row.",
    example="strategy: [{der: {share: 0.05, strength: 0.5}}]",
    references=(
        "Buzzega et al. 2020, Dark Experience for General Continual Learning (arXiv 2004.07211); there by the squared "
        "distance of logits, here by the divergence of what they say",
        "catalogue 1: Kim et al., Online Continual Learning For Interactive Instruction Following Agents "
        "(arXiv 2403.07548); without the moving average of what is kept",
    ),
    settings=DERSettings,
    hooks=_hooks,
    revision=4,
)
"""Replayed rows with what was said of them."""

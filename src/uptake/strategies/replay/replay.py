"""Replay: rows of earlier stages are mixed into each later one, other ones in each epoch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from uptake.config.schema import Float, Int, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import NOTES, joined, noted
from uptake.models.training.pools import Pool
from uptake.models.training.rows import counts
from uptake.schedule import in_passes
from uptake.strategies.strategy import Strategy


class ReplaySettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Share of the stage's tokens (prompts and responses) that come from earlier stages; 0 is plain fine-tuning."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, drawn at random."""


def _hooks(settings: ReplaySettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, pools=(*stage.pools, *pools(earlier(stage, memory), stage, settings.share)))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep(str(stage.number), sample(stage, settings.keep))

    return Hooks(Needs(memory=True, order=True), data=data, after_stage=after_stage)


def sample(stage: StageView, most: int) -> pa.Table:
    """The stage's own rows, or as many of them as are to be kept, drawn without replacement and in their order.

    What a model of this stage said of them is not kept: in a later one it would be out of date.
    """
    kinds = stage.rows["kind"].to_pylist() if "kind" in stage.rows.schema.names else [None] * len(stage.rows)
    own = [number for number, kind in enumerate(kinds) if kind != "replayed"]
    if len(own) > most:
        chosen = np.random.default_rng([stage.seed, stage.number, 0]).choice(len(own), most, replace=False)
        own = [own[place] for place in np.sort(chosen)]
    said = {*NOTES} - {"source", "weight"}
    return stage.rows.select([name for name in stage.rows.schema.names if name not in said]).take(own)


def earlier(stage: StageView, memory: Memory) -> list[pa.Table]:
    """What `after_stage` kept of each earlier stage under its number, as rows that are trained again."""
    tables = [one for number in range(stage.number) if (one := memory.table(str(number))) is not None]
    return [noted(one, kind=["replayed"] * len(one)) for one in tables]


def pools(tables: list[pa.Table], stage: StageView, share: float, *, first: bool = False) -> list[Pool]:
    """A pool of all tables together, none where there are no rows; its epochs draw in shuffled passes.

    Args:
        tables: Rows of earlier stages.
        stage: The stage that trains them again.
        share: Their share of its tokens.
        first: Each epoch has the first rows of every table, and not other ones than the epoch before; where there are
            fewer than tables, the first rows of these take turns.
    """
    turns = sorted((turn, number) for number, table in enumerate(tables) for turn in range(len(table)))
    if not turns:
        return []
    rows, starts = joined(tables), np.cumsum([0, *map(len, tables)])
    n = min(len(rows), math.ceil(share / (1 - share) * counts(stage.rows)[0] / (counts(rows)[0] / len(rows)) - 1e-9))
    if not first:
        return [Pool(rows, in_passes(len(rows), n, [stage.seed, stage.number, 0]))]
    some = [int(starts[number]) + turn for turn, number in turns[: max(n, sum(turn == 0 for turn, _ in turns))]]
    return [Pool(rows.take(pa.array(some)), lambda epoch: [(epoch * n + k) % len(some) for k in range(n)])]


REPLAY = Strategy(
    name="replay",
    does="Each stage but the first also trains rows of the stages before it, so that they make up `share` of its "
    "tokens. The rows are drawn again in each epoch; no row is drawn twice before each kept row was drawn once.",
    helps="A model keeps what it sees again. How large a share that takes differs: of the two streams of a small model "
    "that were measured, one kept little at 0.05, and the other more at 0.5 than at 0.2. So try several; tuned replay "
    "is the baseline that other methods have to beat.",
    costs="`share / (1 - share)` more trained tokens; up to `keep` rows of each stage are kept.",
    example="strategy: [{replay: {share: 0.05}}]",
    references=(
        "catalogue 53: Scialom et al., Fine-tuned Language Models are Continual Learners (arXiv 2205.12393)",
        "Robins 1995, Catastrophic forgetting, rehearsal and pseudorehearsal",
    ),
    settings=ReplaySettings,
    hooks=_hooks,
    revision=3,
)
"""Rows of earlier stages mixed into the later ones."""

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
from uptake.models.training.recall import answers, superseded
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
        return with_replay(stage, earlier(stage, memory), settings.share)

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


def with_replay(stage: StageView, tables: list[pa.Table], share: float, *, first: bool = False) -> StageView:
    """The stage with a pool of all tables together, if there are rows; its epochs draw in shuffled passes.

    Args:
        stage: The stage that trains them again.
        tables: Rows of earlier stages.
        share: Their share of its tokens.
        first: Each epoch has the first rows of every table, and not other ones than the epoch before; where there are
            fewer than tables, the first rows of these take turns.
    """
    turns = sorted((turn, number) for number, table in enumerate(tables) for turn in range(len(table)))
    if not turns:
        return stage
    rows, starts = joined(tables), np.cumsum([0, *map(len, tables)])
    n = math.ceil(share / (1 - share) * counts(stage.rows)[0] / (counts(rows)[0] / len(rows)) - 1e-9)
    pool = Pool(rows, in_passes(len(rows), n, [stage.seed, stage.number, 0]))
    if first:
        some = [int(starts[number]) + turn for turn, number in turns[: max(n, sum(turn == 0 for turn, _ in turns))]]
        pool = Pool(rows.take(pa.array(some)), lambda epoch: [(epoch * n + k) % len(some) for k in range(n)])
    old, told = int(superseded(rows, np.zeros(len(rows), np.int64), {1: answers(stage.rows)}).sum()), list(stage.told)
    if old:
        told.append(
            f"{old} of {len(rows)} rows to be replayed have another response to a prompt of this stage; "
            "conflict_aware beside it leaves such rows out"
        )
    return with_pool(replace(stage, told=(*told,)), pool)


def with_pool(stage: StageView, pool: Pool) -> StageView:
    """The stage with a pool more; that its rows come more than once an epoch is told."""
    n, rows, told = len(pool.draw(0)), len(pool.rows), list(stage.told)
    if n > rows:
        told.append(
            f"an epoch replays {n} rows, and there are {rows}: each comes {n / rows:.1f} times in it; more rows that "
            "are kept, or a smaller share, make that less"
        )
    return replace(stage, pools=(*stage.pools, pool), told=(*told,))


REPLAY = Strategy(
    name="replay",
    does="Each stage but the first also trains rows of the stages before it, so that they make up `share` of its "
    "tokens. The rows are drawn again in each epoch; no row is drawn twice before each kept row was drawn once. Where "
    "fewer are kept than an epoch draws, they come more than once in it, in different steps as far as that goes.",
    helps="A model keeps what it sees again. Try several shares: of three streams of a small model, two chose "
    "0.5 rather than 0.2. Tuned replay is the baseline that other methods have to beat.",
    costs="`share / (1 - share)` more trained tokens; up to `keep` rows of each stage are kept.",
    example="strategy: [{replay: {share: 0.05}}]",
    references=(
        "catalogue 53: Scialom et al., Fine-tuned Language Models are Continual Learners (arXiv 2205.12393)",
        "Robins 1995, Catastrophic forgetting, rehearsal and pseudorehearsal",
    ),
    settings=ReplaySettings,
    hooks=_hooks,
    revision=4,
)
"""Rows of earlier stages mixed into the later ones."""

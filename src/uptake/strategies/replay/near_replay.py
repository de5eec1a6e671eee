"""Replay by nearness: earlier rows come again whose prompts look like those that the stage is about to train."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float as FloatOf
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.errors import UptakeError
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.pools import Pool
from uptake.models.training.prompts import prompt_states
from uptake.models.training.rows import counts
from uptake.strategies.replaced import holding, keep_sample
from uptake.strategies.replay.lost_replay import drawn
from uptake.strategies.replay.replay import earlier, with_pool
from uptake.strategies.strategy import Strategy


class NearReplaySettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Share of the stage's tokens that come from earlier stages; 0 is plain fine-tuning."""
    near: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Share of the replayed rows that is drawn by nearness; the others are drawn alike from all."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, drawn at random."""
    asked: Annotated[Int, Field(ge=1)] = 500
    """Kept rows whose nearness is found, and rows of the stage that they are held against, at most."""


def _hooks(settings: NearReplaySettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        if not len(left := holding(stage, memory)):
            return stage
        if stage.model is None:
            raise UptakeError(f"the stage {stage.name!r} has no model that it starts from")
        kept, model = joined(earlier(stage, memory)).take(pa.array(left)), stage.model().model
        rng = np.random.default_rng([stage.seed, stage.number, 2])
        some, own = (rng.permutation(len(rows))[: settings.asked] for rows in (kept, stage.rows))
        near = np.zeros(len(kept))
        states = [prompt_states(model, rows.take(pa.array(which))) for rows, which in ((kept, some), (stage.rows, own))]
        near[some] = nearness(*states)
        wanted = settings.share / (1 - settings.share) * counts(stage.rows)[0]
        n = max(1, round(wanted * len(kept) / counts(kept)[0]))
        draw = drawn(near, n, round(settings.near * n), (stage.seed, stage.number))
        return with_pool(stage, Pool(kept, draw))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        keep_sample(stage, memory, settings.keep)

    return Hooks(Needs(memory=True, order=True, former=True), data=data, after_stage=after_stage)


def nearness(kept: FloatOf[Tensor, "kept dims"], own: FloatOf[Tensor, "own dims"]) -> FloatOf[np.ndarray, " kept"]:
    """How near each kept prompt is to the nearest of the stage's own: by rank, the nearest 1, the farthest 1 / n.

    Args:
        kept: Unit vectors of the kept prompts.
        own: Those of the stage's prompts.
    """
    cosines = (kept @ own.T).amax(1).double().cpu().numpy()
    ranks = np.empty(len(cosines))
    ranks[np.argsort(cosines, kind="stable")] = np.arange(1, len(cosines) + 1)
    return ranks / len(cosines)


NEAR_REPLAY = Strategy(
    name="near_replay",
    does="As `replay`, but half of the replayed rows are drawn by how near their prompts are to the nearest prompt of "
    "the stage, by the mean of the last hidden states of the model that the stage starts from. Nearer ones are more "
    "likely to come. Rows that a later stage, or this one, contradicts do not come again.",
    helps="A stage overwrites first what looks like its own rows and has another answer. The other half, drawn alike "
    "from all, keeps the rest.",
    costs="As `replay`; a forward pass over `asked` kept rows and as many of the stage's before it, one by one.",
    example="strategy: [{near_replay: {share: 0.05}}]",
    references=("of uptake; see the notes on experiments for what it does and does not gain",),
    settings=NearReplaySettings,
    hooks=_hooks,
    revision=3,
)
"""Earlier rows that look like the stage's."""

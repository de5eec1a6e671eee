"""Mending: after each stage what it lost and what it did not learn is trained again, beside what is still recalled."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int as IntOf
from pydantic import Field

from uptake.config.schema import Float, Int, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.recall import Recalled
from uptake.models.training.rows import counts
from uptake.strategies.replay.lost_replay import keep_recalled, recalled
from uptake.strategies.strategy import Chosen, Second, Strategy


class MendSettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.1
    """Share of the stage's tokens, all its epochs together, that mends; 0 is plain fine-tuning."""
    anchors: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Share of the mending rows that are recalled still, so that mending does not lose them."""
    rate: Annotated[Float, Field(gt=0)] = 0.5
    """The learning rate of mending, against the stage's."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, drawn at random."""
    asked: Annotated[Int, Field(ge=1)] = 500
    """Kept rows that the model is asked about each time, at most, drawn at random from all stages."""


class MendingSettings(MendSettings):
    """The same for the part that mends."""

    epochs: Annotated[Float, Field(gt=0)] = 1.0
    """Epochs of the part before it."""


def _hooks(settings: MendSettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        keep_recalled(model, stage, memory, settings.keep)

    return Hooks(Needs(memory=True, weights=True), after_stage=after_stage)


def _mending(settings: MendingSettings) -> Hooks:
    def data(stage: StageView, memory: Memory) -> StageView:
        if (found := recalled(stage, memory, settings.asked)) is None:  # in a rehearsal: the part before keeps its rows
            return stage
        wanted = settings.epochs * settings.share / (1 - settings.share) * counts(stage.rows)[0]
        n = max(1, round(wanted * len(found.rows) / counts(found.rows)[0]))
        rng = np.random.default_rng([stage.seed, stage.number])
        return replace(stage, rows=found.rows.take(pa.array(mended(found, n, settings.anchors, rng))))

    return Hooks(Needs(memory=True, order=True, former=True), data=data)


def mended(found: Recalled, n: int, anchors: float, rng: np.random.Generator) -> IntOf[np.ndarray, " chosen"]:
    """Which rows mend, each once or more: the lost ones, those that were never learned, and some that are recalled.

    Lost ones come by how much less probable they are, then those of the last stage that it did not learn. Where there
    are fewer than their part of `n`, the anchors fill it up; where all rows are fewer than `n`, they come again.

    Args:
        found: What is kept, and what became of it.
        n: How many.
        anchors: The share of them that are recalled.
        rng: Draws.
    """
    places = np.arange(len(found.now))
    lost = places[found.lost][np.argsort(-found.rise[found.lost], kind="stable")]
    last = found.stage == found.stage.max()
    missed = rng.permutation(places[found.asked & ~found.then & ~found.now & last])
    repaired = np.concatenate([lost, missed])[: n - round(anchors * n)]
    kept = rng.permutation(places[found.now])
    others = kept if len(kept) else rng.permutation(np.setdiff1d(places, repaired))
    chosen = np.concatenate([repaired, others])[:n]
    return np.resize(chosen, n)


def _second(settings: MendSettings, epochs: float) -> Second | None:
    if settings.share == 0:
        return None
    return Second(Chosen(MENDING, MendingSettings(**settings.model_dump(), epochs=epochs)), settings.rate)


MEND = Strategy(
    name="mend",
    does="After each stage asks the model about its rows and about kept rows of all stages, and trains a part of them "
    "again, `share` of the stage's tokens: rows that it lost, rows that it did not learn, and beside them rows that it "
    "recalls still. Rows that a later stage contradicts are left out. These are the remedies of `uptake prescribe` "
    "for forgetting, undertraining and a data conflict, as far as their causes can be observed without a question.",
    helps="What a stage will lose is known only after it. Rows are spent on that, and not on what would have stayed.",
    costs="`share / (1 - share)` more trained tokens; a scoring pass over `asked` kept rows after each stage, and one "
    "over the stage's own; a start of the trainer more for each stage.",
    example="strategy: [{mend: {share: 0.1}}]     # or beside replay: [{replay: {share: 0.05}}, {mend: {share: 0.05}}]",
    references=("of uptake; see docs/remedies.md",),
    settings=MendSettings,
    hooks=_hooks,
    second=_second,
    revision=4,
)
"""Diagnose, mend, go on."""

MENDING = Strategy(
    name="mend",
    does="The part of `mend` that mends.",
    helps=MEND.helps,
    costs=MEND.costs,
    example=MEND.example,
    references=MEND.references,
    settings=MendingSettings,
    hooks=_mending,
)
"""What follows each stage."""

"""Replay by perplexity: of earlier rows those come again that the model now finds hardest."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from uptake.config.schema import Float, Int, Section
from uptake.errors import UptakeError
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.rows import scored
from uptake.strategies.replay.replay import earlier, sample, with_replay
from uptake.strategies.strategy import Strategy


class HardReplaySettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Share of the stage's tokens that come from earlier stages; 0 is plain fine-tuning."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, drawn at random; the hardest are chosen among them."""


def _hooks(settings: HardReplaySettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        if not (tables := [one for one in earlier(stage, memory) if len(one)]):
            return stage
        if stage.model is None:
            raise UptakeError(f"the stage {stage.name!r} has no model that it starts from")
        rows = joined(tables)
        found = stage.model().score([[one] for one in scored(rows)[1]])
        hardness = [-float(one[0][0].mean()) for one in found]  # nats a token: the logarithm of the perplexity
        hardest = rows.take(np.argsort(-np.array(hardness), kind="stable"))
        return with_replay(stage, [hardest], settings.share, first=True)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep(str(stage.number), sample(stage, settings.keep))

    return Hooks(Needs(memory=True, order=True, former=True), data=data, after_stage=after_stage)


HARD_REPLAY = Strategy(
    name="hard_replay",
    does="As `replay`, but each stage replays the kept rows with the highest perplexity under the model that the stage "
    "starts from, whichever stages they are of. They come in each epoch.",
    helps="What was forgotten already, or never learned, comes again; what is still known does not. Rows with wrong "
    "labels are hard too: they are replayed first.",
    costs="As `replay`; a scoring pass over all kept rows before each stage.",
    example="strategy: [{hard_replay: {share: 0.05}}]",
    references=("catalogue 3: Jeong et al., Continual Vision-and-Language Navigation (arXiv 2403.15049): PerpR",),
    settings=HardReplaySettings,
    hooks=_hooks,
    revision=2,
)
"""The hardest of the earlier rows."""

"""General replay: a fixed sample of general text is trained in every stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from uptake.config.schema import Float, Int, Section
from uptake.errors import UptakeError
from uptake.models.training.hooks import Hooks, Needs, StageView
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.strategies.replay.replay import with_replay
from uptake.strategies.strategy import Strategy


class GeneralReplaySettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.1
    """Share of each stage's tokens that is general text; 0 is plain fine-tuning."""
    rows: Annotated[Int, Field(ge=1)] = 1000
    """Texts that are drawn, once for the whole run."""


def _hooks(settings: GeneralReplaySettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        if stage.general is None:
            raise UptakeError("general_replay needs general text")
        texts = stage.general(settings.rows)
        texts = noted(texts, kind=["replayed"] * len(texts))  # else they would count as examples of the stage
        return with_replay(stage, [texts], settings.share)

    return Hooks(Needs(order=True, general=True), data=data)


GENERAL_REPLAY = Strategy(
    name="general_replay",
    does="Mixes general text into every stage, also the first, so that it makes up `share` of the stage's tokens. The "
    "texts are a fixed sample of `general`; each epoch draws others of them.",
    helps="Keeps what the base model could do before all stages, and part of what the stages taught, without any "
    "of their rows.",
    costs="`share / (1 - share)` more trained tokens. Nothing is kept.",
    example="strategy: [{general_replay: {share: 0.1}}]     # with general: texts.jsonl",
    references=(
        "catalogue 105: Zhang et al., GeRe: Towards Efficient Anti-Forgetting in Continual Learning of LLM via General "
        "Samples Replay (arXiv 2508.04676); by labels alone, without its margin loss",
    ),
    settings=GeneralReplaySettings,
    hooks=_hooks,
    revision=2,
)
"""General text in every stage."""

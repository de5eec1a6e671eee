"""Strong experience replay: the model before the stage is imitated on replayed rows and on the stage's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.strategies.distillation.lwf import kept, told
from uptake.strategies.replay.replay import earlier, sample, with_replay
from uptake.strategies.strategy import Strategy


class SERSettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Share of the stage's tokens that come from earlier stages; 0 is plain fine-tuning."""
    replayed: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on the divergence from the former model on replayed rows."""
    own: Annotated[Float, Field(ge=0)] = 0.3
    """Factor on the divergence from the former model on the stage's own rows."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, drawn at random."""
    k: Annotated[Int, Field(ge=1)] = 20
    """Most probable tokens that are told apart; all others count as one."""


def _hooks(settings: SERSettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        if not (tables := [one for one in earlier(stage, memory) if len(one)]):
            return stage
        view = with_replay(stage, [told(stage, one, settings.k) for one in tables], settings.share)
        return replace(view, rows=told(stage, stage.rows, settings.k)) if settings.own else view

    def loss(batch: Batch, state: State) -> Tensor:
        return settings.replayed * kept(batch, replayed=True) + settings.own * kept(batch, replayed=False)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep(str(stage.number), sample(stage, settings.keep))

    needs = Needs(per_row=True, logits=True, former=True, memory=True, order=True)
    return Hooks(needs, data=data, loss=loss, after_stage=after_stage)


SER = Strategy(
    name="ser",
    does="As `replay`; and before the stage, records the `k` most probable tokens of the former model at each learned "
    "token, of replayed rows and of the stage's own. The divergences from both records are added to the loss, each "
    "token of the step alike: `replayed` shrinks with `share`.",
    helps="Labels of a few replayed rows are learned by heart sooner than what lies around them is kept. The former "
    "model's answers on the new rows keep it consistent where there is no row to replay.",
    costs="As `replay`; a scoring pass over both kinds of rows; a second forward pass in each step; k numbers for each "
    "learned token.",
    example="strategy: [{ser: {share: 0.05}}]",
    references=(
        "catalogue 97: Zhuo et al., Continual Learning with Strong Experience Replay (arXiv 2305.13622)",
        "catalogue 122: Cappellazzo et al., An Investigation of the Combination of Rehearsal and Knowledge "
        "Distillation in Continual Learning for Spoken Language Understanding (arXiv 2211.08161); of logits alone",
    ),
    settings=SERSettings,
    hooks=_hooks,
    revision=3,
)
"""Replay, and the former model on all rows."""

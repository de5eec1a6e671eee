"""Replay of what is lost: earlier rows come again that were recalled once and are not now, or hardly."""

from __future__ import annotations

from itertools import chain, count
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float as FloatOf
from pydantic import Field

from uptake.config.schema import Float, Int, Section
from uptake.errors import UptakeError
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.pools import Pool
from uptake.models.training.recall import Recalled, ask_again, in_training
from uptake.models.training.rows import counts
from uptake.schedule import in_passes
from uptake.strategies.replaced import holding, keep_sample
from uptake.strategies.replay.replay import earlier, with_pool
from uptake.strategies.strategy import Strategy


class LostReplaySettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Share of the stage's tokens that come from earlier stages; 0 is plain fine-tuning."""
    lost: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Share of the replayed rows that is drawn by how much is lost; the others are drawn alike from all."""
    keep: Annotated[Int, Field(ge=1)] = 1000
    """Rows kept of each stage at most, drawn at random."""
    asked: Annotated[Int, Field(ge=1)] = 500
    """Kept rows that the model is asked about each time, at most, drawn at random from all stages."""


def _hooks(settings: LostReplaySettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        if (found := recalled(stage, memory, settings.asked)) is None:
            return stage
        wanted = settings.share / (1 - settings.share) * counts(stage.rows)[0]
        n = max(1, round(wanted * len(found.rows) / counts(found.rows)[0]))
        draw = drawn(found.urgency, n, round(settings.lost * n), (stage.seed, stage.number))
        return with_pool(stage, Pool(found.rows, draw))

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        keep_recalled(model, stage, memory, settings.keep)

    return Hooks(Needs(memory=True, order=True, former=True, weights=True), data=data, after_stage=after_stage)


def keep_recalled(model: Any, stage: StageView, memory: Memory, most: int) -> None:
    """At a stage's end: keep some of its rows, what the model recalls of them, and what all of them answer."""
    memory.keep(f"then.{stage.number}", in_training(model, keep_sample(stage, memory, most)))


def recalled(stage: StageView, memory: Memory, most: int) -> Recalled | None:
    """Before a stage: what the model recalls of what is kept and still holds; None where nothing does.

    Args:
        stage: The stage.
        memory: What `keep_recalled` kept in.
        most: How many rows it is asked about.
    """
    if not len(left := holding(stage, memory)):
        return None
    if stage.model is None:
        raise UptakeError(f"the stage {stage.name!r} has no model that it starts from")
    then = [(number, one) for number in range(stage.number) if (one := memory.table(f"then.{number}")) is not None]
    numbers = np.repeat([number for number, _ in then], [len(one) for _, one in then])[left]
    rows, before = (joined(some).take(pa.array(left)) for some in (earlier(stage, memory), [one for _, one in then]))
    return ask_again(stage.model(), rows, numbers, before, [stage.seed, stage.number, 2], most)


def drawn(urgency: FloatOf[np.ndarray, " rows"], n: int, by_urgency: int, seed: tuple[int, int]) -> Any:
    """From an epoch to the numbers of its rows: some by urgency, without repetition until all had their turn.

    The order of those is drawn with the urgencies for weights (Efraimidis and Spirakis 2006: the largest u^(1/w)). In
    an epoch of more rows than there are all come as often as that goes, and what is left of it is drawn so.

    Args:
        urgency: Of each row; 0 leaves it to chance.
        n: Rows of an epoch, 1 or more.
        by_urgency: How many of them are drawn by it.
        seed: Of the draws.
    """
    times, n = (n - 1) // len(urgency), (n - 1) % len(urgency) + 1
    urgent = np.flatnonzero(urgency > 0)
    keys = np.log(np.random.default_rng([*seed, 1]).random(len(urgent))) / urgency[urgent]
    ordered = urgent[np.argsort(-keys, kind="stable")].tolist()
    alike, first = in_passes(len(urgency), n, [*seed, 0]), min(by_urgency, len(ordered), n)

    def draw(epoch: int) -> list[int]:
        found = dict.fromkeys(ordered[(epoch * first + place) % len(ordered)] for place in range(first))
        more = chain.from_iterable(alike(later) for later in count(epoch))
        while len(found) < n:
            found.setdefault(next(more))
        return [*found, *list(range(len(urgency))) * times]

    return draw


LOST_REPLAY = Strategy(
    name="lost_replay",
    does="As `replay`, but half of the replayed rows are drawn by what the diagnosis says of them: a row that was "
    "recalled when its own stage ended and is not now comes first, then one that has become less probable. Rows that "
    "a later stage, or this one, contradicts do not come again.",
    helps="Tokens are spent on what is being lost, and not on what was never learned, as wrong labels are, nor on what "
    "is out of date. The other half, drawn alike from all, keeps what is not lost yet.",
    costs="As `replay`; a scoring pass over `asked` kept rows before each stage, and over the stage's rows at its end.",
    example="strategy: [{lost_replay: {share: 0.05}}]",
    references=(
        "of uptake; after Toneva et al. 2019, An Empirical Study of Example Forgetting during Deep Neural Network "
        "Learning (arXiv 1812.05159), and Aljundi et al. 2019, Online Continual Learning with Maximally Interfered "
        "Retrieval (arXiv 1908.04742), which foresees a loss that is measured here",
    ),
    settings=LostReplaySettings,
    hooks=_hooks,
    revision=4,
)
"""What was recalled and is not now, first."""

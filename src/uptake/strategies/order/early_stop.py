"""Early stop: a stage ends when the loss on rows that are set aside says so, with the weights that were best there."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from uptake.config.schema import Float, Int, Section
from uptake.errors import UptakeError
from uptake.models.training.hooks import Hooks, Needs, StageView
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.schedule import Schedule, Stopping
from uptake.strategies.strategy import Strategy


class EarlyStopSettings(Section):
    """What can be set."""

    share: Annotated[Float, Field(ge=0, lt=1)] = 0.1
    """Share of the stage's rows that are set aside and not trained; 0 is plain fine-tuning."""
    rule: Literal["rise", "gl", "pq", "up"] = "rise"
    """rise: the loss exceeds the last one by `delta`. gl, pq, up: Prechelt's rules."""
    delta: Annotated[Float, Field(ge=0)] = 0.01
    """Of rise: nats a token."""
    alpha: Annotated[Float, Field(ge=0)] = 2.0
    """Of gl in per cent above the lowest loss, of pq a quotient."""
    successive: Annotated[Int, Field(ge=1)] = 2
    """Of up: rises one after the other."""
    strip: Annotated[Int, Field(ge=1)] = 1
    """Of pq and up: epochs that are compared with the ones before."""


def _hooks(settings: EarlyStopSettings) -> Hooks:
    if settings.share == 0:
        return Hooks()

    def data(stage: StageView, memory: Memory) -> StageView:
        n = len(stage.rows)
        aside = min(n - 1, max(1, round(n * settings.share)))  # one row at least is trained
        if n < 2:
            raise UptakeError(
                f"early_stop sets rows of the stage {stage.name!r} aside, and it has {n}", expected="2 rows or more"
            )
        order = np.random.default_rng([stage.seed, stage.number]).permutation(n)
        held, trained = (stage.rows.take(np.sort(part)) for part in (order[:aside], order[aside:]))
        rule = Stopping(settings.rule, settings.delta, settings.alpha, settings.successive, settings.strip)
        schedule = replace(stage.schedule or Schedule(seed=stage.seed), stop=rule)
        validation = held if stage.validation is None else joined([stage.validation, held])
        return replace(stage, rows=trained, validation=validation, schedule=schedule)

    return Hooks(Needs(order=True, readings=True), data=data, stops=True)


EARLY_STOP = Strategy(
    name="early_stop",
    does="A share of the stage's rows is set aside. After each epoch their loss is measured; when it rises, training "
    "ends and the weights of the best epoch are kept.",
    helps="More epochs that teach nothing new make the model forget what it knew before.",
    costs="The rows that are set aside are not trained; they are scored once an epoch. A checkpoint at each best one.",
    example="strategy: [{early_stop: {rule: gl, alpha: 5}}]",
    references=(
        "ILP, §5, cause V: progressive epochs (arXiv 2604.10079)",
        "Prechelt 1998, Early Stopping - but when?, section 2.2",
    ),
    settings=EarlyStopSettings,
    hooks=_hooks,
)
"""A stage ends when its rows that are set aside get worse."""

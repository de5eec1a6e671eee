"""A stage in two parts, where a strategy trains a second one: its own rows first, then what the strategy arranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from uptake.errors import UptakeError
from uptake.pipeline.train.training_run import StageSpec

FIRST = ".first"
"""What is added to the name of a stage's first part; the model that the second one gives has the stage's own."""


def parts_of(spec: StageSpec) -> Iterator[StageSpec]:
    """The parts of a stage: itself alone, where no strategy has a second part.

    Args:
        spec: The stage.

    Raises:
        UptakeError: Two strategies have one, another strategy cannot be interrupted by one, or the stage's length is
            given in steps, of which the second part would have no share.
    """
    epochs = float(spec.settings.get("num_train_epochs", 3.0))
    second = {one: made for one in spec.strategies if (made := one.strategy.second(one.settings, epochs)) is not None}
    if not second:
        yield spec
        return
    from uptake.models.training.settings import TRL_DEFAULTS  # imports torch, as what has a second part does

    if len(second) > 1:
        names = " and ".join(one.strategy.name for one in second)
        raise UptakeError(f"{names} both train a second part of the stage {spec.name}", fix="take one of them")
    ((own, follows),) = second.items()
    if (spec.settings.get("max_steps") or -1) > 0:
        raise UptakeError(
            f"max_steps is {spec.settings['max_steps']}, and {own.strategy.name} trains a share of the epochs of the "
            f"stage {spec.name}",
            expected="a stage whose length is given in epochs",
            fix=f"set num_train_epochs instead of max_steps, or leave {own.strategy.name} out",
        )
    for other in spec.strategies:
        hooks = other.hooks()
        if other is not own and (hooks.adapt is not None or hooks.needs.lasting):
            raise UptakeError(
                f"{own.strategy.name} trains on after {other.strategy.name} has ended the stage {spec.name}, which "
                f"{other.strategy.name} would not see",
                expected="strategies beside it that change rows alone, as replay does",
                fix=f"leave {other.strategy.name} out",
            )
    rate = spec.settings.get("learning_rate", TRL_DEFAULTS["learning_rate"]) * follows.rate
    yield replace(spec, name=f"{spec.name}{FIRST}", part_of=spec.name)
    settings = {**spec.settings, "num_train_epochs": 1.0, "learning_rate": rate}
    yield replace(spec, settings=settings, strategies=(follows.chosen,))

"""What of a run's training its plans do not keep."""

from __future__ import annotations

from uptake.config import RunConfig
from uptake.pipeline.train.run import stage_settings, training_run


def not_kept(config: RunConfig) -> tuple[str, ...]:
    """Settings of a run that neither a plan nor the plain fine-tuning beside a cure is trained with, as notes.

    Args:
        config: The run.

    Raises:
        UptakeError: Settings contradict each other, or there is no such strategy.
    """
    told = []
    if any(one.get("packing") for one in stage_settings(config).values()):
        told.append(
            "the run packs its rows, and a plan says which rows share a step: in the cure and in plain fine-tuning "
            "beside it they are not packed, and a step has as many rows as a packed one had on average"
        )
    if config.strategy or any(stage.strategy for stage in config.stages):
        names = dict.fromkeys(one.strategy.name for spec in training_run(config).stages for one in spec.strategies)
        told.append(
            f"the run's strategies ({', '.join(names)}) are no part of a plan: neither the cure nor plain fine-tuning "
            "beside it is trained with them"
        )
    return tuple(told)

"""What of a run's training its plans do not keep."""

from __future__ import annotations

from uptake.pipeline.train.training_run import TrainingRun


def not_kept(run: TrainingRun) -> tuple[str, ...]:
    """Settings of a run that neither a plan nor the plain fine-tuning beside a cure is trained with, as notes.

    Args:
        run: The run.
    """
    told = []
    if any(spec.settings.get("packing") for spec in run.stages):
        told.append(
            "the run packs its rows, and a plan says which rows share a step: in the cure and in plain fine-tuning "
            "beside it they are not packed, and a step has as many rows as a packed one had on average"
        )
    if names := dict.fromkeys(one.strategy.name for spec in run.stages for one in spec.strategies):
        told.append(
            f"the run's strategies ({', '.join(names)}) are no part of a plan: neither the cure nor plain fine-tuning "
            "beside it is trained with them"
        )
    return tuple(told)

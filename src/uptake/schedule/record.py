"""What a schedule says: which rows may not meet, which come oftener, what follows the sources, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from uptake.errors import UptakeError
from uptake.schedule.resampling import Resampling
from uptake.schedule.stopping import Stopping

EVERY = 500
"""Optimiser steps from reading to reading: ILP's K [P] for resampling, and for conflicts [R]."""

READINGS = 10
"""So many readings a run has at least, where it is long enough for any: short runs are read every tenth of them."""


@dataclass(frozen=True)
class Schedule:
    """How a stage's rows come, and when it ends. Examples are named by their ids.

    Attributes:
        shuffle: Shuffle anew in each epoch; else rows come as they stand in the data, in each epoch alike.
        conflicts: Pairs of examples that never share an optimiser step.
        extra: How many copies more of which examples an epoch trains, spread evenly.
        sources: The source of each example, for `resampling`.
        resampling: Draw sources by how they stand; None trains each row once an epoch.
        stop: End before all epochs; None trains all.
        every: Optimiser steps between two readings; None for the rule of `interval`.
        seed: Of all draws.
    """

    shuffle: bool = True
    conflicts: tuple[tuple[str, str], ...] = ()
    extra: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    resampling: Resampling | None = None
    stop: Stopping | None = None
    every: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resampling is not None and (not self.shuffle or self.extra):
            other = "extra copies" if self.extra else "rows in the order of the data (shuffle: false)"
            raise UptakeError(f"a schedule with resampling and {other}", expected="one of the two")
        if self.every is not None and self.every < 1:
            raise UptakeError(f"readings every {self.every} steps", expected="1 or more")

    def as_data(self) -> dict[str, Any]:
        """The schedule as JSON has it."""
        return asdict(self)


def interval(every: int | None, steps: int, ahead: int) -> int:
    """Optimiser steps between two readings: what is set, else `EVERY`, or a tenth of a run shorter than ten of them.

    Args:
        every: What is set.
        steps: Steps of the whole training.
        ahead: Steps that the data loader is ahead of training, which a reading must precede what it decides.

    Raises:
        UptakeError: What is set is no more than `ahead`.
    """
    if every is None:
        return max(ahead + 1, min(EVERY, steps // READINGS))
    if every <= ahead:
        raise UptakeError(
            f"readings every {every} steps, and the data loader is {ahead} steps ahead of training",
            expected=f"{ahead + 1} steps or more",
            fix="raise `every`, or lower dataloader_num_workers and dataloader_prefetch_factor",
        )
    return every

"""What is to be trained: the record between the run file and the trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uptake.data import LoadOptions
from uptake.pipeline.examples.held_share import HeldShare
from uptake.processes import ALONE, Processes
from uptake.schedule import Schedule
from uptake.types import Example

if TYPE_CHECKING:
    from uptake.models.training.start import Start
    from uptake.strategies import Chosen


@dataclass(frozen=True)
class StageSpec:
    """One stage to be trained.

    Attributes:
        name: Its name, and that of its folder.
        dataset: Where its examples come from: a file, a folder or a hub id; where `examples` are given, what they are
            called.
        settings: The trainer's settings: fields of TRL's `SFTConfig`, with `max_length`, `seed` and `num_train_epochs`.
        examples: What it trains, in this order; an example may come several times. None reads `dataset`.
        schedule: How its rows come and when it ends; None takes them as the settings say.
        validation: What `schedule.stop` measures the loss on; none of it is trained.
        strategies: The continual-learning methods that train it, in the order of their hooks.
        columns: Which column of its data is which; None for what the run says of all data.
        held: What of `dataset` is not trained, because it tests the stage; None trains it all.
        part_of: The stage that this is the first part of, where a second one follows under the stage's name; else None.
    """

    name: str
    dataset: str
    settings: Mapping[str, Any]
    examples: Sequence[Example] | None = None
    schedule: Schedule | None = None
    validation: Sequence[Example] = ()
    strategies: tuple[Chosen, ...] = ()
    columns: Mapping[str, str] | None = None
    held: HeldShare | None = None
    part_of: str | None = None


@dataclass(frozen=True)
class TrainingRun:
    """Stages to be trained one after the other.

    Attributes:
        start: What the first stage starts from, and how models are loaded.
        stages: The stages, in their order.
        folder: Where models and ledger go: `train/` and `ledger/` below it.
        seed: Of all draws.
        ledger: What is recorded of each example: nothing, its loss in each step, or also a pass an epoch.
        processes: Those that train together.
        options: How data sets are read.
        general: General text, for strategies that read it: a file, a folder or a hub id; None for none.
        skip_bad_rows: Go on without rows that cannot be used; else they are an error.
    """

    start: Start
    stages: tuple[StageSpec, ...]
    folder: Path
    seed: int = 0
    ledger: Literal["off", "training", "epochs"] = "epochs"
    processes: Processes = ALONE
    options: LoadOptions = LoadOptions()
    general: str | None = None
    skip_bad_rows: bool = False

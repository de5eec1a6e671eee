"""A stage to be trained, and what became of it: the records that pass between the plan and the trainer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from uptake.errors import UptakeError
from uptake.models.training.checkpoints import damaged, last_whole
from uptake.models.training.hooks import Method
from uptake.models.training.settings import arguments
from uptake.models.training.start import Start

DEFAULTS: Mapping[str, Any] = {"save_strategy": "epoch", "save_total_limit": 2, "disable_tqdm": True}
"""Unless the user says otherwise: a checkpoint an epoch, of which two are kept, and no bar but our own."""


@dataclass(frozen=True)
class Job:
    """A stage to be trained.

    Attributes:
        start: What it starts from.
        tokenizer: The run's tokenizer; it is saved beside the weights.
        rows: The training set, a table of `ROWS`, cut to its longest length.
        settings: Fields of `SFTConfig`; what is left out has uptake's defaults, else TRL's.
        work: Folder of the checkpoints (`checkpoints`) and of the finished model (`model`).
        method: What trains it beside the trainer; None is plain fine-tuning.
    """

    start: Start
    tokenizer: Any
    rows: pa.Table
    settings: Mapping[str, Any]
    work: Path
    method: Method | None = None

    def arguments(self) -> Any:
        """The trainer's arguments; raises as `uptake.models.training.settings.arguments`."""
        return arguments({**DEFAULTS, **self.settings}, self.work / "checkpoints")

    def checkpoint(self, processes: int) -> Path | None:
        """The checkpoint that a killed run goes on from."""
        return last_whole(self.work / "checkpoints", processes, self.method is not None)

    def damaged(self, processes: int) -> str | None:
        """What is wrong with the last checkpoint that was once written to its end; None when there is none such."""
        return damaged(self.work / "checkpoints", processes, self.method is not None)


def wait_for_everyone(settings: Mapping[str, Any], folder: Path) -> None:
    """Wait until all processes of a training have come here.

    Args:
        settings: Fields of `SFTConfig`: they say by what the processes talk.
        folder: Where the training's checkpoints would go; nothing is written.

    Raises:
        UptakeError: A setting is refused.
    """
    arguments({**DEFAULTS, **settings}, folder).distributed_state.wait_for_everyone()


@dataclass(frozen=True)
class Done:
    """What became of a stage.

    Attributes:
        model: The folder of the finished model.
        steps: Optimisation steps.
        losses: Each step's mean loss, nats a token as the trainer counts it.
        kept: The step whose weights the model has: the last one, or where training looked for it the best one.
        spent: Tokens that its methods computed beside, one number for each of `uptake.models.training.tally.KINDS`.
    """

    model: Path
    steps: int
    losses: tuple[float, ...]
    kept: int
    spent: tuple[int, ...] = (0, 0, 0, 0)


def n_steps(args: Any, rows: int) -> tuple[int, float]:
    """Optimisation steps of a training, and passes over its rows; both as transformers' `Trainer` counts them.

    Args:
        args: The trainer's arguments.
        rows: Rows of the training set, not packed.

    Raises:
        UptakeError: There is no full batch, and others are dropped.
    """
    size = args.per_device_train_batch_size
    batches = rows // size if args.dataloader_drop_last else math.ceil(rows / size)
    batches = batches // args.world_size if args.dataloader_drop_last else math.ceil(batches / args.world_size)
    if batches == 0:
        raise UptakeError(
            f"dataloader_drop_last leaves nothing of {rows} rows: a batch takes {size} in each of {args.world_size} "
            "processes",
            expected="at least one full batch",
            fix="leave dataloader_drop_last out, or lower per_device_train_batch_size",
        )
    an_epoch = max(1, math.ceil(batches / args.gradient_accumulation_steps))
    steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * an_epoch)
    return steps, steps / an_epoch  # no step is taken in part: a training may be longer than its epochs say

"""What the model in training makes of examples that are not in its batch: scored by all processes, known to each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import pyarrow as pa
import torch

from uptake.artifacts import chunks
from uptake.artifacts.ledger_files import Reading
from uptake.errors import UptakeError
from uptake.models import Model
from uptake.models.scoring.live import around
from uptake.models.training.rows import scored

Read = Callable[[Model, int, int], Iterable[Reading]]
"""Scores examples with a model, one process's part of them: `uptake.ledger.rescoring(examples)`, or `reading(rows)`."""

_WINDOW = 1024
_NOT, _RECALLED = 1, 2


def reading(rows: pa.Table) -> Read:
    """Score rows just as they are trained.

    Args:
        rows: A table of `uptake.models.training.rows.ROWS`.
    """

    def run(model: Model, rank: int, world: int) -> Iterator[Reading]:
        for some in chunks(range(rank, len(rows), world), _WINDOW):
            names, sequences = scored(rows.take(some))
            for name, (numbers,) in zip(names, model.score([[one] for one in sequences]), strict=True):
                yield Reading(name, -float(numbers[0].sum(dtype="float64")), numbers.shape[1], bool(numbers[1].all()))

    return run


def recalled(trainer: Any, read: Read, names: Sequence[str]) -> list[bool | None]:
    """Whether each example is recalled now; None for one that was not read. The same in each process.

    Args:
        trainer: The trainer, in the middle of its training.
        read: Scores examples.
        names: The examples that matter; others may be read as well.

    Raises:
        UptakeError: None of them was read.
    """
    number = {name: k for k, name in enumerate(names)}
    flags = torch.zeros(len(names), dtype=torch.int32)
    for one in _readings(trainer, read):
        if one.id in number:
            flags[number[one.id]] = _RECALLED if one.recalled else _NOT
    if (together := _reduced(trainer, flags, "MAX")).max() == 0:
        raise UptakeError(
            "a reading holds none of the examples that the schedule names", fix="let `read` score these examples"
        )
    return [None if flag == 0 else flag == _RECALLED for flag in together.tolist()]


def mean_loss(trainer: Any, read: Read) -> float:
    """The mean loss of examples in nats a token. The same in each process.

    Raises:
        UptakeError: Nothing was read, or the loss is no finite number.
    """
    found = [(one.nll, float(one.tokens)) for one in _readings(trainer, read)]
    sums = torch.tensor([sum(column) for column in zip(*found, strict=True)] or [0.0, 0.0], dtype=torch.float64)
    nll, tokens = _reduced(trainer, sums, "SUM").tolist()
    if tokens == 0 or not torch.isfinite(torch.tensor(nll)):
        what = "holds no tokens" if tokens == 0 else f"has a loss of {nll}"
        raise UptakeError(f"the validation set {what}", expected="examples with a finite loss")
    return float(nll / tokens)


def _readings(trainer: Any, read: Read) -> list[Reading]:
    model, args = trainer.model, trainer.args
    training = model.training
    model.eval()
    try:
        language_model = around("the model in training", model, trainer.processing_class)
        method = getattr(trainer, "method", None)  # a trainer of the user's has none
        with nullcontext() if method is None else method.tally.of("steps"):
            return list(read(language_model, args.process_index, args.world_size))
    finally:
        model.train(training)


def _reduced(trainer: Any, values: torch.Tensor, how: str) -> torch.Tensor:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        values = values.to(trainer.args.device)
        torch.distributed.all_reduce(values, getattr(torch.distributed.ReduceOp, how))
    return values.cpu()

"""A trainer takes its rows in the order of a schedule: transformers' or TRL's, uptake's own or the user's."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from uptake.errors import UptakeError
from uptake.models.ledger.carried import refuse_packing
from uptake.models.training.readings import Read, recalled
from uptake.models.training.stop import ProgressiveStop
from uptake.schedule import (
    Decision,
    EpochRows,
    Layout,
    Order,
    Schedule,
    Standing,
    arranged,
    interval,
    reweighted,
)

log = logging.getLogger(__name__)

NOTED = "train_order"
"""What the schedule's readings are called in the trainer's log, which each checkpoint keeps."""


def follow(
    trainer: Any,
    schedule: Schedule,
    *,
    ids: Sequence[str],
    drawn: EpochRows | None = None,
    read: Read | None = None,
    validate: Read | None = None,
) -> None:
    """Let a trainer follow a schedule, before it trains.

        trainer = hooked(SFTTrainer)(model=model, args=args, train_dataset=rows)
        follow(trainer, Schedule(conflicts=pairs), ids=trainer.train_dataset["id"])
        trainer.train()

    The rows come from a sampler of row numbers, which accelerate deals out to the processes: `step` consecutive ones
    make an optimiser step, whatever they are split into. What is read while it trains goes into the trainer's log, and
    so into each checkpoint's `trainer_state.json`, whole or not at all: training that goes on from one takes the rows
    that it would have taken.

    Args:
        trainer: A trainer made by `hooked`, not yet training.
        schedule: What it is to follow.
        ids: The id of each row of `trainer.train_dataset`, in its order.
        drawn: Which of them each epoch has; None for all of them.
        read: Scores the examples that resampling asks about, or (optional) those that conflict;
            `uptake.ledger.rescoring(examples)` does it.
        validate: Scores the validation set of `schedule.stop`.

    Raises:
        UptakeError: The schedule does not fit the rows or the trainer, or needs something that is not given.
    """
    _refuse(trainer, schedule, ids, read, validate)
    order = arranged(schedule, [str(one) for one in ids], layout_of(trainer), drawn)
    sampler = OrderSampler(order)
    trainer.sampler = sampler
    trainer.add_callback(FollowOrder(trainer, sampler, read))
    if schedule.stop is not None and validate is not None:
        trainer.add_callback(ProgressiveStop(trainer, schedule.stop, validate))


def layout_of(trainer: Any) -> Layout:
    """How a trainer takes rows: what one batch of all processes and one optimiser step are made of."""
    args, accelerator = trainer.args, trainer.accelerator
    size, accumulation = args.train_batch_size, args.gradient_accumulation_steps
    total = getattr(trainer, "get_total_train_batch_size", None)  # knows of processes that share rows
    processes: int = args.world_size if total is None else total(args) // (size * accumulation)
    even = processes > 1 and getattr(accelerator, "even_batches", True) and not args.dataloader_drop_last
    batch = size if getattr(accelerator, "split_batches", False) else size * processes
    return Layout(batch, accumulation, args.dataloader_drop_last, even)


def require_steps_of_one_size(args: Any) -> None:
    """Refuse settings with which an optimiser step is not made of just the rows that a sampler gives for it.

    Args:
        args: The trainer's arguments.

    Raises:
        UptakeError: Rows are packed, grouped by length, or as many as turn out to fit.
    """
    refuse_packing(args)
    if getattr(args, "auto_find_batch_size", False):
        raise UptakeError(
            "auto_find_batch_size changes how many rows a step has, and a schedule is made for steps of one size",
            fix="leave it out, and lower per_device_train_batch_size if memory is short",
        )
    strategy = getattr(args, "train_sampling_strategy", "random")
    if strategy not in ("random", "sequential") or getattr(args, "group_by_length", False):
        raise UptakeError("rows cannot be grouped by length and follow a schedule", fix="leave the grouping out")


def steps_ahead(args: Any) -> int:
    """Optimiser steps that the loader asks for rows before they are trained: one batch, and what workers prefetch."""
    batches: int = 1 + (args.dataloader_prefetch_factor or 2) * args.dataloader_num_workers
    return -(-batches // int(args.gradient_accumulation_steps))


class OrderSampler(torch.utils.data.Sampler[int]):
    """Row numbers in the order of a schedule.

    Attributes:
        order: The schedule, put to the rows.
        epoch: Which epoch the next iteration is of.
        every: Optimiser steps from reading to reading; None when nothing is read.
        decisions: What each reading said, by its number.
    """

    def __init__(self, order: Order) -> None:
        self.order, self.epoch = order, 0
        self.every: int | None = None
        self.decisions: dict[int, Decision] = {0: Decision()}

    def __len__(self) -> int:
        return self.order.length

    def __iter__(self) -> Iterator[int]:
        return self.order.epoch(self.epoch, self.every, self._decided)

    def _decided(self, number: int) -> Decision:
        if number not in self.decisions:
            raise UptakeError(
                f"rows are asked for of which reading {number} decides, before it was made",
                expected="a data loader that is no further ahead of training than its settings say",
                fix="lower dataloader_num_workers and dataloader_prefetch_factor",
            )
        return self.decisions[number]


class FollowOrder(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Tells the sampler its epoch and what is read, and keeps what was read in the trainer's log.

    A reading is made as many steps before the stretch that it decides as the loader is ahead of training, so that no
    row is drawn with an older one, and none that was prefetched is thrown away.

    Args:
        trainer: The trainer that follows the order.
        sampler: What it takes its rows from.
        read: Scores examples; None when nothing is read.
    """

    def __init__(self, trainer: Any, sampler: OrderSampler, read: Read | None) -> None:
        self.trainer, self.sampler, self.read = trainer, sampler, read
        order = sampler.order
        self._asked = list(dict.fromkeys([*order.ids, *order.schedule.sources]))
        self._troubled = sorted({row for pair in order.conflicts for row in pair})

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up what was read before the checkpoint, if training goes on from one.

        Raises:
            UptakeError: That was trained without this schedule, with other steps, or the loader is further ahead now.
        """
        step, ahead = self.sampler.order.layout.step, steps_ahead(args)
        noted = [entry[NOTED] for entry in state.log_history if NOTED in entry]
        self.sampler.decisions = {0: Decision()}
        self._standing = {name: Standing() for name in self.sampler.order.names}
        if state.global_step == 0:
            every = None if self.read is None else interval(self.sampler.order.schedule.every, state.max_steps, ahead)
            noted = [{"rows_of_a_step": step, "every": every, "ahead": ahead}]
            state.log_history.append({"step": 0, NOTED: noted[0]})
        if not noted or noted[0]["rows_of_a_step"] != step or noted[0]["ahead"] < ahead:
            _refuse_other(noted, step, ahead)
        self.sampler.every, self._ahead = noted[0]["every"], noted[0]["ahead"]
        self._warn()
        for entry in noted[1:]:
            self._standing = self._after(entry["accuracy"])
            self._decide(entry["reading"], _rows(entry["recalled"], self._troubled))

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the sampler which epoch it is; accelerate does not in all cases."""
        self.sampler.epoch = int((state.epoch or 0.0) + 1e-6)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read, if the loader is about to ask for the rows that this decides."""
        every, next_ = self.sampler.every, state.global_step + (self._ahead if self.read is not None else 0)
        if self.read is None or every is None or next_ % every or next_ >= state.max_steps:
            return
        known = dict(zip(self._asked, recalled(self.trainer, self.read, self._asked), strict=True))
        accuracy = self._accuracy(known)
        rows = frozenset(row for row in self._troubled if known[self.sampler.order.ids[row]])
        self._standing = self._after(accuracy)
        self._decide(next_ // every, rows)
        weights = {name: one.weight for name, one in self._standing.items()}
        note = {"reading": next_ // every, "accuracy": accuracy, "weights": weights}
        note["recalled"] = _bits(rows, self._troubled)
        state.log_history.append({"step": state.global_step, NOTED: note})

    def _warn(self) -> None:
        """Say what cannot be kept apart, as far as it is known before anything is read."""
        order = self.sampler.order
        first = range(len(order.ids)) if order.drawn is None else order.drawn.rows(0)
        apart = bool(order.conflicts) or len({order.example[row] for row in first}) < len(first)
        if order.schedule.resampling is None and apart:
            if left := order.left(list(order.epoch(0, None, lambda number: Decision())), Decision()):
                log.warning("%d pairs of conflicting rows share one of %d optimiser steps", left, order.steps)

    def _accuracy(self, known: dict[str, bool | None]) -> dict[str, float | None]:
        """The share of each source's examples that is recalled, of those that were read."""
        sources = self.sampler.order.schedule.sources
        if self.sampler.order.schedule.resampling is None:
            return {}
        of: dict[str, list[bool]] = {name: [] for name in self.sampler.order.names}
        for name, source in sources.items():
            if source in of and (flag := known[name]) is not None:
                of[source].append(flag)
        return {name: sum(flags) / len(flags) if flags else None for name, flags in of.items()}

    def _after(self, accuracy: dict[str, float | None]) -> dict[str, Standing]:
        settings = self.sampler.order.schedule.resampling
        return self._standing if settings is None else reweighted(self._standing, accuracy, settings)

    def _decide(self, number: int, rows: frozenset[int]) -> None:
        weights = {name: one.weight for name, one in self._standing.items()}
        self.sampler.decisions[number] = Decision(rows, weights)


def _bits(rows: frozenset[int], of: Sequence[int]) -> str:
    """Which of some rows are meant, four of them a digit."""
    return np.packbits(np.array([row in rows for row in of], dtype=bool)).tobytes().hex()


def _rows(bits: str, of: Sequence[int]) -> frozenset[int]:
    flags = np.unpackbits(np.frombuffer(bytes.fromhex(bits), dtype=np.uint8), count=len(of))
    return frozenset(row for row, flag in zip(of, flags, strict=True) if flag)


def _refuse(trainer: Any, schedule: Schedule, ids: Sequence[str], read: Read | None, validate: Read | None) -> None:
    args = trainer.args
    if not hasattr(trainer, "sampler"):
        name = type(trainer).__name__
        raise UptakeError(
            f"{name} cannot follow a schedule",
            expected="a trainer that takes its rows in an order from outside",
            fix=f"make it with uptake.models.training.hooked: hooked({name})(model=..., args=..., ...)",
        )
    require_steps_of_one_size(args)
    if len(ids) != len(trainer.train_dataset):
        raise UptakeError(
            f"there are {len(ids)} ids, and the training set has {len(trainer.train_dataset)} rows",
            expected="an id for each row, in its order",
            fix='give ids=trainer.train_dataset["id"], taken after the trainer was made',
        )
    for given, wanted, what in (
        (schedule.resampling, read, "resampling, and no `read` that measures the sources"),
        (schedule.stop, validate, "a rule when to stop, and no `validate` that measures the loss"),
    ):
        if given is not None and wanted is None:
            raise UptakeError(f"the schedule has {what}", fix="uptake.ledger.rescoring(examples) makes one")
    sharded = getattr(args, "fsdp", None) or getattr(args, "deepspeed", None)
    if (read is not None or validate is not None) and sharded and args.world_size > 1:
        raise UptakeError(
            "examples cannot be scored while a model that is sharded over processes trains",
            fix="use a schedule that reads nothing: neither resampling nor stop",
        )


def _refuse_other(noted: Sequence[Any], step: int, ahead: int) -> None:
    if not noted:
        problem, fix = "the checkpoint was trained without a schedule", "begin again, or go on without one"
    elif noted[0]["rows_of_a_step"] != step:
        problem = f"the checkpoint's optimiser steps have {noted[0]['rows_of_a_step']} rows, and now they have {step}"
        fix = "go on with the same batch, accumulation and number of processes"
    else:
        problem = f"the loader is {ahead} steps ahead of training; the checkpoint was made for {noted[0]['ahead']}"
        fix = "go on with the same dataloader_num_workers and dataloader_prefetch_factor, or fewer"
    raise UptakeError(problem, expected="training that goes on as it began", fix=fix)

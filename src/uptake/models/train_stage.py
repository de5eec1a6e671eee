"""One stage of training: rows in, a model folder out, and checkpoints on the way that a killed run goes on from."""

from __future__ import annotations

import errno
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from safetensors import SafetensorError
from transformers.trainer_callback import PrinterCallback

from uptake.errors import UptakeError
from uptake.models.place import first_line
from uptake.models.quiet import progress_bars
from uptake.models.train_checkpoints import last_whole, remove, remove_others, remove_pickle, steps_of
from uptake.models.train_rows import Padding, Rows, as_collated
from uptake.models.train_settings import arguments, has_trl
from uptake.models.train_start import Start, load_start
from uptake.models.train_watch import AlreadyDone, Watch

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
    """

    start: Start
    tokenizer: Any
    rows: pa.Table
    settings: Mapping[str, Any]
    work: Path

    def arguments(self) -> Any:
        """The trainer's arguments; raises as `uptake.models.train_settings.arguments`."""
        return arguments({**DEFAULTS, **self.settings}, self.work / "checkpoints")

    def checkpoint(self, processes: int) -> Path | None:
        """The checkpoint that a killed run goes on from."""
        return last_whole(self.work / "checkpoints", processes)


@dataclass(frozen=True)
class Done:
    """What became of a stage.

    Attributes:
        model: The folder of the finished model.
        steps: Optimisation steps.
        losses: Logged losses, nats a token, in the order of training.
    """

    model: Path
    steps: int
    losses: tuple[float, ...]


def n_steps(args: Any, rows: int) -> tuple[int, float]:
    """Optimisation steps of a training, and passes over its rows; both as transformers' `Trainer` counts them.

    Args:
        args: The trainer's arguments.
        rows: Rows of the training set, not packed.
    """
    size = args.per_device_train_batch_size
    batches = rows // size if args.dataloader_drop_last else math.ceil(rows / size)
    batches = batches // args.world_size if args.dataloader_drop_last else math.ceil(batches / args.world_size)
    an_epoch = max(1, math.ceil(batches / args.gradient_accumulation_steps))
    if args.max_steps > 0:
        return args.max_steps, args.max_steps / an_epoch
    return math.ceil(args.num_train_epochs * an_epoch), float(args.num_train_epochs)


def train(
    job: Job,
    callbacks: Callable[[Any], Sequence[transformers.TrainerCallback]] = lambda trainer: (),
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Done:
    """Train a stage, from its last whole checkpoint if there is one.

    A run that was killed at any moment and goes on ends with the weights of one that was not: those of the checkpoint
    are those of the trainer, its optimizer's state, its random numbers and its place in the data go with them. All
    processes call this; the first of them writes.

    Args:
        job: The stage.
        callbacks: Given the trainer, what else is to listen to it.
        tell: Told of steps done and their total.

    Raises:
        UptakeError: A setting is refused, the model cannot be loaded, the loss is no number, memory or disk is full.
        KeyboardInterrupt: With what is left to go on from, as text.
    """
    args = job.arguments()
    if args.process_index == 0:
        remove_others(job.work / "checkpoints", job.checkpoint(args.world_size))
        remove(job.work / "model")
    args.distributed_state.wait_for_everyone()
    checkpoint = job.checkpoint(args.world_size)
    with progress_bars(shown=False), _hushed(), _told(job, args):
        with _refusals():
            trainer = _trainer(job, args)
        watch = Watch(job.rows, tell if args.process_index == 0 else lambda done, total: None)
        for callback in (*callbacks(trainer), watch, _NoPickle()):
            trainer.add_callback(callback)
        trainer.training_step = watch.around(trainer.training_step)
        try:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        except AlreadyDone:
            trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
        watch.require_finite(trainer.model)
        trainer.save_model(str(job.work / "model"))
        if args.process_index == 0:
            remove_pickle(job.work / "model")
        args.distributed_state.wait_for_everyone()
    losses = tuple(float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry)
    return Done(job.work / "model", trainer.state.global_step, losses)


class _NoPickle(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Removes the pickled arguments from each checkpoint."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            remove_pickle(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def _trainer(job: Job, args: Any) -> Any:
    """TRL's trainer, or without TRL that of transformers; either takes the rows as they are."""
    transformers.set_seed(args.seed)  # new adapters are drawn
    model = load_start(job.start, getattr(args, "model_init_kwargs", None) or {})
    common = {"model": model, "args": args, "processing_class": job.tokenizer}
    if has_trl():
        import datasets
        from trl import SFTTrainer

        args.model_init_kwargs = None  # they are in the model now
        ready, rows = not args.packing, job.rows
        if ready:
            args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
            args.max_length = None  # the rows are cut already, and padding-free batches refuse a limit
            if getattr(args, "shuffle_dataset", False):
                rows = rows.take(np.random.default_rng(args.seed).permutation(len(rows)))  # as `datasets` shuffles
        trainer = SFTTrainer(train_dataset=datasets.Dataset(rows), **common)
        if ready:
            trainer.train_dataset = as_collated(rows, trainer.data_collator)  # the same rows, sooner in a batch
    else:
        if job.start.peft is not None and args.gradient_checkpointing:
            model.enable_input_require_grads()
        padding = Padding(job.tokenizer.pad_token_id)
        trainer = transformers.Trainer(train_dataset=Rows(job.rows), data_collator=padding, **common)
    trainer.remove_callback(PrinterCallback)
    return trainer


@contextmanager
def _hushed() -> Iterator[None]:
    """Without transformers' warning that checkpoints of the same second are told apart by their numbers."""
    logger = logging.getLogger("transformers.trainer_utils")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _refusals() -> Iterator[None]:
    """Say of what a trainer refuses when it is made that it is the settings."""
    try:
        yield
    except (ValueError, ImportError) as error:
        raise UptakeError(f"the trainer refuses the settings: {first_line(error)}") from error


@contextmanager
def _told(job: Job, args: Any) -> Iterator[None]:
    """Say of what ends a training why, what is left of it, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_left(job, args.world_size)) from None
    except UptakeError as error:
        fix = f"{error.fix}; " if error.fix else ""
        raise UptakeError(error.problem, expected=error.expected, fix=fix + _left(job, args.world_size)) from error
    except (MemoryError, OSError, RuntimeError, SafetensorError) as error:
        told = _reason(error, job.work)
        if told is None:
            raise
        problem, fix = told
        raise UptakeError(problem, fix=f"{fix}; {_left(job, args.world_size)}") from error


def _left(job: Job, processes: int) -> str:
    step = steps_of(job.checkpoint(processes))
    return f"the same command goes on from step {step}" if step else "the same command begins the stage again"


def _reason(error: Exception, work: Path) -> tuple[str, str] | None:
    """What a foreign error means to the user, and what to do; None for one that is nobody's fault but ours."""
    text = first_line(error)
    low = text.lower()
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in low:
        smaller = "lower per_device_train_batch_size and raise gradient_accumulation_steps by as much, or max_length"
        return f"out of memory in training: {text}", smaller
    full = (
        getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "no space left" in low or "os error 28" in low
    )
    if full or "file write failed" in low or "failed writing file" in low or "unexpected pos" in low:
        return f"cannot write a checkpoint in {work}: the disk is full ({text})", "free some space"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot write in {work}: {error.strerror or text}", "choose another --output_dir"
    return None

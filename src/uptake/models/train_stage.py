"""One stage of training: rows in, a model folder out, and checkpoints on the way that a killed run goes on from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import transformers
from transformers.trainer_callback import PrinterCallback

from uptake.errors import UptakeError
from uptake.models.quiet import progress_bars
from uptake.models.train_checkpoints import last_whole, remove, remove_others, remove_pickle, remove_pickles
from uptake.models.train_failures import hushed, refusals, told
from uptake.models.train_rows import Padding, Rows, as_collated
from uptake.models.train_settings import arguments, has_trl
from uptake.models.train_start import Start, load_start
from uptake.models.train_watch import STEP_LOSS, AlreadyDone, Watch

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
    """

    model: Path
    steps: int
    losses: tuple[float, ...]
    kept: int


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
        remove_pickles(job.work / "checkpoints")  # left by a run that was killed in writing one
        remove_others(job.work / "checkpoints", job.checkpoint(args.world_size))
        remove(job.work / "model")
    args.distributed_state.wait_for_everyone()
    checkpoint = job.checkpoint(args.world_size)
    with progress_bars(shown=False), hushed(), told(job, args):
        transformers.set_seed(args.seed)  # new adapters are drawn
        model = load_start(job.start, getattr(args, "model_init_kwargs", None) or {})
        with refusals():
            trainer = trainer_of(model, job, args)
        watch = Watch(job.rows, tell if args.process_index == 0 else lambda done, total: None)
        for callback in (watch, *callbacks(trainer), _NoPickle()):  # weights that are none are not scored
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
    losses = tuple(float(entry[STEP_LOSS]) for entry in trainer.state.log_history if STEP_LOSS in entry)
    kept = trainer.state.best_global_step or trainer.state.global_step
    return Done(job.work / "model", trainer.state.global_step, losses, kept)


class _NoPickle(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Removes the pickled arguments from each checkpoint."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            remove_pickle(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def trainer_of(model: Any, job: Job, args: Any) -> Any:
    """TRL's trainer, or without TRL that of transformers; either takes the rows as they are.

    Args:
        model: The model, with its adapter if it has one.
        job: The stage.
        args: Its arguments; some are changed.
    """
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
        if job.start.adapts and args.gradient_checkpointing:
            model.enable_input_require_grads()
        padding = Padding(job.tokenizer.pad_token_id)
        trainer = transformers.Trainer(train_dataset=Rows(job.rows), data_collator=padding, **common)
    trainer.remove_callback(PrinterCallback)
    return trainer

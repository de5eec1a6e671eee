"""One stage of training: rows in, a model folder out, and checkpoints on the way that a killed run goes on from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import transformers
from transformers.trainer_callback import PrinterCallback

from uptake.errors import UptakeError
from uptake.models.places.quiet import progress_bars
from uptake.models.training.checkpoints import remove, remove_others, remove_pickle, remove_pickles
from uptake.models.training.digests import write_digest_of_state
from uptake.models.training.failures import hushed, refusals, resuming, told
from uptake.models.training.harness import Harness
from uptake.models.training.hooked import hooked
from uptake.models.training.job import Done, Job
from uptake.models.training.memory import MEMORY
from uptake.models.training.rows import ROWS, Numbering, Padding, Rows, as_collated
from uptake.models.training.settings import has_trl
from uptake.models.training.start import load_start
from uptake.models.training.watch import STEP_LOSS, AlreadyDone, Watch


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
    if job.method is not None and job.method.stage.drawn is not None:
        args.shuffle_dataset = False  # epochs name their rows by number, and come shuffled
    if args.process_index == 0:
        remove_pickles(job.work / "checkpoints")  # left by a run that was killed in writing one
        remove_others(job.work / "checkpoints", job.checkpoint(args.world_size))
        remove(job.work / "model")
    args.distributed_state.wait_for_everyone()
    checkpoint = job.checkpoint(args.world_size)
    with progress_bars(shown=False), hushed(), told(job, args):
        transformers.set_seed(args.seed)  # new adapters are drawn
        model = load_start(job.start, getattr(args, "model_init_kwargs", None) or {})
        if (method := job.method) is not None and method.hooks.adapt is not None:
            model = method.hooks.adapt(model, method.stage, method.memory.closed())
        with refusals():
            trainer = trainer_of(model, job, args)
        trainer.watch = watch = Watch(job.rows, tell if args.process_index == 0 else lambda done, total: None)
        harness = None if method is None else Harness(method, in_order(job.rows, args), checkpoint)
        trainer.method = harness
        own = [watch] if harness is None else [watch, harness]
        for callback in (*own, *callbacks(trainer), _Written()):  # weights that are none are not scored
            trainer.add_callback(callback)
        try:
            with resuming(checkpoint, watch):
                trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        except AlreadyDone:
            trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
        watch.require_finite(trainer.model)
        if harness is not None:
            harness.finish(trainer)
            watch.require_finite(trainer.model)
        trainer.save_model(str(job.work / "model"))
        if args.process_index == 0:
            remove_pickle(job.work / "model")
            if harness is not None:
                harness.memory.write(job.work / "model" / MEMORY)
        args.distributed_state.wait_for_everyone()
    losses = tuple(float(entry[STEP_LOSS]) for entry in trainer.state.log_history if STEP_LOSS in entry)
    kept = trainer.state.best_global_step or trainer.state.global_step
    spent = (0, 0, 0, 0) if harness is None else tuple(harness.tally.counts.tolist())
    return Done(job.work / "model", trainer.state.global_step, losses, kept, spent)


def in_order(rows: pa.Table, args: Any) -> pa.Table:
    """The training set in the order of the trainer's dataset, which TRL's `shuffle_dataset` shuffles once."""
    if not getattr(args, "shuffle_dataset", False) or args.packing:
        return rows
    return rows.take(np.random.default_rng(args.seed).permutation(len(rows)))  # as `datasets` shuffles


class _Written(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Removes the pickled arguments from each checkpoint, and writes the digest of its state."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and checkpoint.exists():
            remove_pickle(checkpoint)
            write_digest_of_state(checkpoint)


def trainer_of(model: Any, job: Job, args: Any) -> Any:
    """TRL's trainer, or without TRL that of transformers, `hooked`; either takes the rows as they are.

    Args:
        model: The model, with its adapter if it has one.
        job: The stage.
        args: Its arguments; some are changed.
    """
    if job.method is not None and job.method.weighted:
        require_plain_loss(args)
    common = {"model": model, "args": args, "processing_class": job.tokenizer}
    numbered = job.method is not None and job.method.numbered
    if numbered:
        args.remove_unused_columns = False  # the rows' numbers would be one
    if has_trl():
        import datasets
        from trl import SFTTrainer

        args.model_init_kwargs = None  # they are in the model now
        ready = not args.packing
        if ready:
            args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
            args.max_length = None  # the rows are cut already, and padding-free batches refuse a limit
        rows = in_order(job.rows, args).select(ROWS.names)
        trainer = hooked(SFTTrainer)(train_dataset=datasets.Dataset(rows), **common)
        if ready:  # the same rows, sooner in a batch
            trainer.train_dataset = as_collated(rows, trainer.data_collator, numbered=numbered)
    else:
        if job.start.adapts and args.gradient_checkpointing:
            model.enable_input_require_grads()
        padding, rows = Padding(job.tokenizer.pad_token_id), Rows(job.rows, numbered=numbered)
        trainer = hooked(transformers.Trainer)(train_dataset=rows, data_collator=padding, **common)
    if numbered:
        trainer.data_collator = Numbering(trainer.data_collator)
    trainer.remove_callback(PrinterCallback)
    return trainer


def require_plain_loss(args: Any) -> None:
    """Refuse a loss that is no sum over rows of their negative log-likelihood: the weights of rows would not be right.

    Args:
        args: The trainer's arguments.

    Raises:
        UptakeError: It is smoothed, or weighs tokens.
    """
    smoothed, kind = getattr(args, "label_smoothing_factor", 0.0), getattr(args, "loss_type", "nll")
    if smoothed or kind != "nll":
        name, value = ("label_smoothing_factor", smoothed) if smoothed else ("loss_type", kind)
        raise UptakeError(
            f"the training setting {name} is {value}, and a strategy gives rows weights",
            expected="the plain negative log-likelihood, of which a row's part is known",
            fix=f"leave {name} out, or train without the strategy",
        )

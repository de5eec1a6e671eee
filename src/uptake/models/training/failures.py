"""What ends a training, in words: why it ended, what is left of it, and how to go on."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from uptake.errors import UptakeError, first_line
from uptake.models.training.checkpoints import remove_pickles, steps_of
from uptake.models.training.watch import AlreadyDone, AnotherEnded, Watch

if TYPE_CHECKING:
    from uptake.models.training.job import Job

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def hushed() -> Iterator[None]:
    """Without two warnings of transformers that have no news in them.

    Checkpoints of the same second are told apart by their numbers, and weights that are tied to others are not in a
    checkpoint. (That all others are is looked at when it is chosen.)
    """
    utils, trainer = (logging.getLogger(f"transformers.{name}") for name in ("trainer_utils", "trainer"))
    level = utils.level

    def news(record: logging.LogRecord) -> bool:
        return "missing keys in the checkpoint model loaded: ['lm_head.weight']" not in record.getMessage()

    utils.setLevel(logging.ERROR)
    trainer.addFilter(news)
    try:
        yield
    finally:
        utils.setLevel(level)
        trainer.removeFilter(news)


@contextmanager
def refusals() -> Iterator[None]:
    """Say of what a trainer refuses when it is made that it is the settings.

    Raises:
        UptakeError: It refuses.
    """
    try:
        yield
    except (UptakeError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # what it asks of other packages is refused in their own ways
        raise UptakeError(f"the trainer refuses the settings: {first_line(error)}") from error


@contextmanager
def told(job: Job, args: Any) -> Iterator[None]:
    """Say of what ends a training why, what is left of it, and how to go on.

    Args:
        job: The stage.
        args: The trainer's arguments.

    Raises:
        UptakeError: It ended by an error.
        KeyboardInterrupt: It was interrupted.
        SystemExit: Another process ended it, and says why.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_left(job, args.world_size)) from None
    except AnotherEnded:
        raise SystemExit(1) from None
    except CheckpointFault:
        raise
    except UptakeError as error:
        problem = f"{error.problem}\n{_left(job, args.world_size)}"
        raise UptakeError(problem, expected=error.expected, fix=error.fix) from error
    except Exception as error:  # a training runs the code of many packages, which raise what they like
        problem, fix = _reason(error, job.work)
        raise UptakeError(f"{problem}\n{_left(job, args.world_size)}", fix=fix) from error
    finally:
        if args.process_index == 0:
            with suppress(OSError):
                remove_pickles(job.work / "checkpoints")


class CheckpointFault(UptakeError):
    """Training cannot be resumed from a checkpoint, so that the same command would fail again."""


@contextmanager
def resuming(checkpoint: Path | None, watch: Watch) -> Iterator[None]:
    """Say of what fails between a checkpoint and the first step that it is the checkpoint.

    Args:
        checkpoint: What training is resumed from; None for one that begins.
        watch: Knows whether a step has begun.

    Raises:
        CheckpointFault: The checkpoint cannot be loaded.
    """
    try:
        yield
    except (UptakeError, AlreadyDone, AnotherEnded, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # whatever is wrong in a file
        if checkpoint is None or watch.begun or _of_the_machine(error):
            raise
        raise CheckpointFault(
            f"training cannot be resumed from {checkpoint}: {_why(error)}",
            expected="the files that training wrote",
            fix=f"delete {checkpoint}: running the command again resumes from the checkpoint before it, "
            "or restarts the stage",
        ) from error


def _of_the_machine(error: Exception) -> bool:
    """Whether memory or disk are to blame, which may be larger the next time."""
    low = str(error).lower()
    full = isinstance(error, OSError) and error.errno in (*_FULL, errno.ENOMEM)
    return full or "out of memory" in low or "allocate memory" in low


_UNSAFE = ("weights only", "weights_only", "safe_globals", "allow_pickle", "unpickl", "pickle")
"""In errors of those who would not load code from a file, and say how to do it all the same."""


def _why(error: Exception) -> str:
    text = str(error).lower()
    if any(words in text for words in _UNSAFE):
        return "a file of it holds more than numbers, and might run code; it was not loaded"
    return f"{type(error).__name__}: {first_line(error)}"


def _left(job: Job, processes: int) -> str:
    step = steps_of(job.checkpoint(processes))
    if not step:
        return "no checkpoint to resume from; running the command again restarts the stage"
    return f"running the command again resumes from step {step}; to start over with other settings, delete {job.work}"


def _reason(error: Exception, work: Path) -> tuple[str, str]:
    """What a foreign error means to the user, and what to do."""
    text = first_line(error)
    low = text.lower()
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in low:
        smaller = "lower per_device_train_batch_size and raise gradient_accumulation_steps by as much, or max_length"
        return f"out of memory in training: {text}", smaller
    number = getattr(error, "errno", None) or next((n for n in _FULL if f"os error {n})" in low), None)
    said = ("no space left", "file write failed", "failed writing file", "unexpected pos")
    if number in _FULL or any(words in low for words in said):
        too_large = number == errno.EFBIG
        why = "files may not be larger" if too_large else "the disk is full"
        fix = "raise the limit (ulimit -f)" if too_large else "free some space"
        return f"cannot write a checkpoint in {work}: {why} ({text})", f"{fix}, or choose another --output_dir"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"cannot write in {work}: {error.strerror}", "choose another --output_dir"
    if any(words in low for words in ("connection closed by peer", "connection reset by peer", "broken pipe")):
        return f"another process of this training ended ({text})", "see its message: it says why"
    return (
        f"the trainer failed: {_why(error)}",
        "check the training settings; --debug shows where it failed",
    )

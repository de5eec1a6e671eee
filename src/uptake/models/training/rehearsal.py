"""A trainer is made for a model of a few numbers, so that what it refuses is told before anything is trained."""

from __future__ import annotations

import dataclasses
import os
import reprlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import is_liger_kernel_available

from uptake.errors import UptakeError
from uptake.models.places.quiet import progress_bars
from uptake.models.training.failures import refusals
from uptake.models.training.job import Job
from uptake.models.training.stage import trainer_of

ROWS = 8
"""Rows that the rehearsal's trainer is given."""


def rehearse(job: Job) -> None:
    """Make what training needs but the model itself: trainer, optimizer and schedule.

    Nothing is trained, reported, or written beside a temporary folder.

    Raises:
        UptakeError: A setting is refused, or something that it needs is not installed.
    """
    with progress_bars(shown=False), _unnoticed():
        try:
            _make(job)
        except UptakeError as error:
            raise _named(job, error) from error


def _make(job: Job) -> None:
    with tempfile.TemporaryDirectory() as folder, refusals():
        some = dataclasses.replace(job, rows=job.rows.slice(0, ROWS), work=Path(folder))
        args = some.arguments()
        trainer = trainer_of(_stand_in(), some, args)
        if args.use_liger_kernel and not is_liger_kernel_available():
            raise UptakeError("liger-kernel is not installed", fix="pip install liger-kernel")
        if not (args.deepspeed or args.fsdp or os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"):
            trainer.create_optimizer_and_scheduler(num_training_steps=1)


def _named(job: Job, error: UptakeError) -> UptakeError:
    """The refusal with the setting's name: that of the first one without which nothing is refused."""
    for name, value in job.settings.items():
        try:
            _make(dataclasses.replace(job, settings={k: v for k, v in job.settings.items() if k != name}))
        except UptakeError:
            continue
        shown = reprlib.repr(value)
        return UptakeError(
            f"the training setting {name} is {shown}: {error.problem}", expected=error.expected, fix=error.fix
        )
    return error


def _stand_in() -> Any:
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    with torch.random.fork_rng(devices=[]):
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=8, **shape))


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Without TRL's count of its uses, which is not one yet."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = before

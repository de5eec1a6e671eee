"""A short further training of a finished model, watched from pass to pass; nothing of it is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import transformers

from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.lazy import Lazy
from uptake.models.scoring.live import around
from uptake.models.training.checkpoints import remove
from uptake.models.training.job import Job
from uptake.models.training.stage import train
from uptake.models.training.start import Start


def trial(
    tuned: Lazy,
    rows: pa.Table,
    settings: Mapping[str, Any],
    work: Path,
    after_pass: Callable[[LanguageModel], None],
    tell: Callable[[int, int], None],
) -> None:
    """Go on training a finished model, or its adapter, and look at it after each pass; its own files stay as they are.

    Args:
        tuned: The model; what is in memory of it is not used.
        rows: What is trained, a table of `ROWS`.
        settings: Fields of `SFTConfig`.
        work: Folder to work in; emptied before and removed after.
        after_pass: Given the model, in evaluation mode, at the end of each pass over the rows.
        tell: Told of steps done and their total.

    Raises:
        UptakeError: As `uptake.models.training.stage.train`.
    """
    remove(work)
    tokenizer = _padding(tuned.tokenizer)
    try:
        watch = _AfterPass(after_pass, tokenizer)
        train(Job(start_of(tuned), tokenizer, rows, settings, work), lambda trainer: [watch], tell)
    finally:
        remove(work)


def start_of(tuned: Lazy) -> Start:
    """Where such a training starts: the full weights, or the adapter on its base, both from where they lie now."""
    place, settings = tuned.place, replace(tuned.settings, revision=None)
    adapter = None if place.base is None else place.folder
    return Start(str(place.weights), settings, adapter=adapter)


def _padding(tokenizer: Any) -> Any:
    """The tokenizer with a token to fill up batches; the model's own keeps what it has."""
    if tokenizer.pad_token is not None:
        return tokenizer
    padded = copy.deepcopy(tokenizer)
    padded.pad_token = padded.eos_token
    return padded


class _AfterPass(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    def __init__(self, look: Callable[[LanguageModel], None], tokenizer: Any) -> None:
        self._look, self._tokenizer = look, tokenizer

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Look at the model, and let it train on as before."""
        training = model.training
        model.eval()
        try:
            self._look(around("the model in training", model, self._tokenizer))
        finally:
            model.train(training)


def checked(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The settings without some, which the trainer is asked to take.

    Raises:
        UptakeError: It refuses one.
    """
    from uptake.models.training.settings import arguments

    kept = {name: value for name, value in settings.items() if not name.startswith(tuple(names))}
    arguments(kept, Path("."))
    return kept

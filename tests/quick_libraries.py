"""What libraries find out or keep again and again, found out once: a quarter of the time of tests that train.

Nothing here is what uptake looks at: which packages there are does not change while tests run; the stacks that torch
keeps for a device that is not there are never shown; fingerprints of datasets in memory name no file. What a crash of
the machine would lose is not lost either: files need not reach the disk.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
from collections.abc import Callable
from functools import cache, wraps
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary


def before_imports() -> None:
    """What modules take from where it is when they are imported."""
    importlib.metadata.version = cache(importlib.metadata.version)
    importlib.metadata.metadata = cache(importlib.metadata.metadata)
    os.fsync = _reaches_the_disk


def _reaches_the_disk(file: Any) -> None:
    pass


def after_imports() -> None:
    """Once torch and its family are imported."""
    import accelerate.utils.imports
    import datasets.arrow_dataset
    import datasets.fingerprint
    import jinja2
    import torch
    import typer.main

    accelerate.utils.imports._is_package_available = cache(accelerate.utils.imports._is_package_available)
    for device, place in ((torch.cuda, torch.cuda.random), (torch.xpu, torch.xpu.random), (torch.mtia, torch.mtia)):
        if not device.is_available():
            place._lazy_call = _never
    for name, logger in logging.root.manager.loggerDict.items():
        # pytest hands its handlers to each logger that is apart, for each test four times: torch has fifty
        if name.startswith("torch.") and isinstance(logger, logging.Logger) and not logger.propagate:
            logger.propagate, logger.handlers = True, []
    typer.main.get_command = cache(typer.main.get_command)  # with the options of all verbs, whichever is called
    jinja2.Environment.compile = _compiled_once(jinja2.Environment.compile)
    number = count()

    def fingerprint(*_: Any) -> str:
        return f"{next(number):016x}"

    for module in (datasets.fingerprint, datasets.arrow_dataset):
        module.generate_fingerprint = module.update_fingerprint = fingerprint


def _compiled_once(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Templates of the environment that is shared, such as those of model cards."""
    shared = cache(compiled)

    @wraps(compiled)
    def call(self: Any, source: Any, *how: Any, **more: Any) -> Any:
        return (shared if self.shared and isinstance(source, str) else compiled)(self, source, *how, **more)

    return call


def _never(call: Any, **how: Any) -> None:
    """For a device that is not there."""


def abilities_once() -> None:
    """What a model can do is tried once for each model in memory, and for all of the same classes and weights.

    The trial itself has tests of its own, which call it where it is written.
    """
    from uptake.models.scoring import live

    tried = live.probe_abilities
    seen: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()
    alike: dict[Any, Any] = {}

    def abilities(model: Any, vocabulary: int, window: int | None) -> Any:
        own, limits = seen.setdefault(model, {}), (vocabulary, window)
        if limits not in own:
            key = (_weights(model), *limits)
            own[limits] = alike.get(key) or tried(model, *limits)
            if key[0] is not None:
                alike[key] = own[limits]
        return own[limits]

    live.probe_abilities = abilities


def _weights(model: Any) -> bytes | None:
    """Identifies classes, configuration and weights; None where something else may act in the model."""
    import torch

    odd = ("forward", "_forward_hooks", "_forward_pre_hooks")
    if any(vars(module).get(name) for module in model.modules() for name in odd):
        return None
    told = [repr(model), model.config.to_json_string(), model.config._attn_implementation, model.dtype]
    found = hashlib.blake2b(repr(told).encode())
    for name, tensor in model.state_dict().items():
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.digest()

"""What libraries find out or keep again and again, found out once: a third of the time of tests that train.

Nothing here is what uptake looks at: which packages there are does not change while tests run; the stacks that torch
keeps for a device that is not there are never shown; fingerprints of datasets in memory name no file. What a crash of
the machine would lose is not lost either: files need not reach the disk.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from functools import cache, wraps
from itertools import count
from typing import Any


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

    accelerate.utils.imports._is_package_available = cache(accelerate.utils.imports._is_package_available)
    for device, place in ((torch.cuda, torch.cuda.random), (torch.xpu, torch.xpu.random), (torch.mtia, torch.mtia)):
        if not device.is_available():
            place._lazy_call = _never
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

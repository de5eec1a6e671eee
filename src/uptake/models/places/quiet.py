"""No progress bars but our own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging as bars


@contextmanager
def progress_bars(*, shown: bool) -> Iterator[None]:
    """Without `shown`, no bars of transformers and datasets; both keep that switch globally, and it is put back."""
    switches: list[tuple[bool, Callable[[], None], Callable[[], None]]] = [
        (bars.is_progress_bar_enabled(), bars.disable_progress_bar, bars.enable_progress_bar)
    ]
    datasets: Any = sys.modules.get("datasets")  # who has not imported it sees no bars of it
    if datasets is not None:
        enabled = not datasets.are_progress_bars_disabled()
        switches.append((enabled, datasets.disable_progress_bars, datasets.enable_progress_bars))
    try:
        if not shown:
            for _, disable, _ in switches:
                disable()
        yield
    finally:
        for was_enabled, _, enable in switches:
            if was_enabled:
                enable()

"""Where a key of the run file stands: its line, and what holds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def plain(key: str) -> str:
    """A key below `strategy` without the number of its list: `strategy.0.replay.share` is `strategy.replay.share`."""
    return re.sub(r"(^|\.)strategy\.\d+(?=\.|$)", r"\1strategy", key)


def above(key: str) -> list[str]:
    """A key and those that hold it, from the inside out: `a.b.c`, `a.b`, `a`."""
    parts = key.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def given(key: str, overrides: Mapping[str, Any]) -> bool:
    """Whether the command line gave this key, so that its value is not the file's."""
    return any(name in overrides for name in above(key))


def line(key: str, lines: Mapping[str, int]) -> int:
    """The line on which a key stands, or else what holds it; 0 for what is not in the file."""
    return next((lines[name] for name in above(key) if name in lines), 0)

"""A model's directory appears complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uptake.errors import UptakeError


def require_new(out: Path) -> None:
    """Raise UptakeError if `out` exists: what lies there is never overwritten."""
    if out.exists():
        raise UptakeError(f"{out} exists already", expected="a directory that can be created", fix="name another one")


@contextmanager
def new_directory(out: Path) -> Iterator[Path]:
    """Yield an empty directory beside `out`, which becomes `out` if the body succeeds and goes if it fails.

    Raises:
        UptakeError: `out` exists.
    """
    require_new(out)
    beside = out.absolute().parent / f".{out.name}.{os.getpid()}.part"
    if beside.is_symlink():
        beside.unlink()
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)

"""A model's directory appears complete or not at all."""

from __future__ import annotations

import glob
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

    What killed processes left there of the same `out` goes, too.

    Raises:
        UptakeError: `out` exists.
    """
    require_new(out)
    beside = out.absolute().parent / f".{out.name}.{os.getpid()}.part"
    if beside.is_symlink():
        beside.unlink()
    shutil.rmtree(beside, ignore_errors=True)
    _remove_left(out)
    beside.mkdir(parents=True)
    with _held(beside):
        try:
            yield beside
            beside.rename(out)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _remove_left(out: Path) -> None:
    """Remove what is left of processes that are gone: on this machine, and on others that the same disk may have."""
    for left in sorted(out.absolute().parent.glob(f".{glob.escape(out.name)}.*.part")):
        number = left.name.removeprefix(f".{out.name}.").removesuffix(".part")
        if number.isascii() and number.isdecimal() and not left.is_symlink() and not _is_alive(int(number)):
            with _held(left) as held:
                if held:
                    shutil.rmtree(left, ignore_errors=True)


def _is_alive(number: int) -> bool:
    if os.name != "posix":  # there is no such question elsewhere: signal 0 is an interrupt there
        return True
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder; False where another process does, or where there are no such locks."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except OSError:
            held = False
        yield held
    finally:
        os.close(descriptor)

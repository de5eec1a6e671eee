"""Locks between processes: one alone at work in a folder, or all that are at the same work.

Where the system or the file system has no such locks, nothing is kept out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from uptake.artifacts.files import cannot_write
from uptake.artifacts.opening import kept
from uptake.errors import UptakeError


class Busy(UptakeError):
    """Another process is at work there."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes that use this from `folder`, until the end of the block or of this process, however it ends.

    Raises:
        Busy: Another process is at work there.
        UptakeError: The place cannot be written.
    """
    with _opened(folder / ".lock") as file:
        try:
            _lock(file, "alone")
        except BlockingIOError:
            raise Busy(
                f"another process is at work in {folder}", fix="wait until it is done, or choose another --output_dir"
            ) from None
        yield


@contextmanager
def joined(folder: Path, work: str) -> Iterator[None]:
    """Keep processes that are at other work from `folder`, and let in those at the same, for as long as `locked` does.

    Args:
        folder: Where they are at work.
        work: Identifies the work.

    Raises:
        Busy: Another process is at other work there.
        UptakeError: The place cannot be written.
    """
    path = folder / ".work"
    with _opened(path) as file:
        try:
            with _opened(folder / ".door") as door:  # one at a time: two at the same work must not refuse each other
                _lock(door, "waiting")
                _lock(file, "shared")
                file.seek(0)
                if file.read() != work.encode():
                    _lock(file, "alone")
                    file.truncate(0)
                    file.write(work.encode())
                    file.flush()
                    _lock(file, "shared")
        except BlockingIOError:
            raise Busy(
                f"another process is at other work in {folder}, which this would undo",
                expected="the same command, with the same options, run file and data, to share the work",
                fix="wait until it is done, or choose another --output_dir; "
                "a device is chosen by CUDA_VISIBLE_DEVICES, for --device is an option too",
            ) from None
        except OSError as error:
            raise cannot_write(path, error) from error
        yield


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = kept(path, "a+b")
    except OSError as error:
        raise cannot_write(path, error) from error
    with file:
        yield file


def _lock(file: IO[bytes], how: Literal["alone", "shared", "waiting"]) -> None:
    """Lock a file, `waiting` for others; raises BlockingIOError where another process does not allow it."""
    try:
        import fcntl

        of = {"alone": fcntl.LOCK_EX | fcntl.LOCK_NB, "shared": fcntl.LOCK_SH | fcntl.LOCK_NB, "waiting": fcntl.LOCK_EX}
        fcntl.flock(file, of[how])
    except BlockingIOError:
        raise
    except (ImportError, OSError):
        pass

"""Files that an option of the command line names: written whole or not at all, and what goes wrong names the option."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from uptake.errors import UptakeError


def require_writable(option: str, path: Path) -> None:
    """See that a file can be written, before the work whose result goes there.

    Args:
        option: The option that names it, as `--out`.
        path: The file.

    Raises:
        UptakeError: It is a folder, or its folder cannot be made or written.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _cannot(option, path, error) from error


def write_out(option: str, path: Path, data: bytes, *, append: bool = False) -> None:
    """Write a file, or append to it.

    Args:
        option: The option that names it, as `--out`.
        path: The file; a link, a pipe or a terminal is written to and not replaced.
        data: What is written.
        append: Whether what is there stays.

    Raises:
        UptakeError: It cannot be written.
    """
    from uptake.artifacts import write_bytes

    require_writable(option, path)
    try:
        if append or path.is_symlink() or (path.exists() and not path.is_file()):
            with path.open("ab" if append else "wb") as file:
                file.write(data)
            return
        write_bytes(path, data)
    except OSError as error:
        raise _cannot(option, path, error) from error
    except UptakeError as error:
        raise UptakeError(error.problem, fix=_fix(option)) from error


def _cannot(option: str, path: Path, error: OSError) -> UptakeError:
    return UptakeError(f"cannot write {path}: {error.strerror or error}", fix=_fix(option))


def _fix(option: str) -> str:
    return f"choose another file for {option}, or make this one writable"

"""Opening a file to write it: never through a link, which may lie in a folder that somebody else made.

A folder of a run that came from elsewhere may hold a symbolic link under a name that uptake writes. What is written
would then land in another file of the user. A link in the place of a file is replaced; a link in the place of a folder,
or of a file that is appended to, is refused. `output_dir` itself may be a link, and so may what lies above it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

from uptake.errors import UptakeError

OWN = (
    ".cure", ".plan", "compare", "conflicts", "corpus", "cured", "diagnosis", "exposure", "ledger", "pilot", "plan",
    "rewrite", "stream", "train", "training_dynamics", "verdict",
)  # fmt: skip
"""Folders that uptake writes in an output folder."""

_HERE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_TRIES = 8


def created(path: Path) -> IO[bytes]:
    """A new file, open for writing; what lay there is removed, and of a link the link alone.

    Raises:
        OSError: The place cannot be written.
    """
    for left in reversed(range(_TRIES)):
        path.unlink(missing_ok=True)
        try:
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _HERE, 0o666), "wb")
        except FileExistsError:  # another process makes the same file at the same moment
            if not left:
                raise
    raise AssertionError


def kept(path: Path, mode: str = "ab") -> IO[bytes]:
    """A file that is kept and written further, made where there is none.

    Args:
        path: The file.
        mode: `ab`, `a+b` or `r+b`.

    Raises:
        OSError: A link lies there, or the place cannot be written.
    """
    if path.is_symlink():
        raise _a_link(path)
    how = {"ab": os.O_WRONLY | os.O_APPEND, "a+b": os.O_RDWR | os.O_APPEND, "r+b": os.O_RDWR}[mode]
    try:
        return os.fdopen(os.open(path, how | os.O_CREAT | _HERE, 0o666), mode)
    except OSError as error:
        if error.errno == errno.ELOOP:  # it came between
            raise _a_link(path) from None
        raise


def _a_link(path: Path) -> OSError:
    return OSError(
        errno.ELOOP, "it is a symbolic link, and what it leads to is not written; remove the link", str(path)
    )


def refuse_links(folder: Path, names: Collection[str] = OWN) -> None:
    """Refuse links to folders under the names that uptake writes in a folder.

    A trained stage may be one (`train/STAGE`): nothing is written in it.

    Args:
        folder: A run's `output_dir`, say; it need not be there.
        names: Of what is written in it.

    Raises:
        UptakeError: There is one.
    """
    for path in (one for name in names for one in _links(folder / name)):
        raise UptakeError(
            f"{path} is a symbolic link; uptake does not write through links",
            expected="a folder, or nothing",
            fix="remove the link; to keep a run on another disk, make the whole output_dir a link",
        )


def _links(top: Path) -> Iterator[Path]:
    if top.is_symlink():
        yield top
    for folder, folders, files in os.walk(top):
        here = Path(folder)
        # the trainer writes the files of a training that is not finished, and follows links
        training = any(part.startswith(".") and part.endswith(".work") for part in here.relative_to(top).parts)
        for name in sorted([*folders, *files] if training else folders):
            if (here / name).is_symlink() and (here.name != "train" or name.startswith(".")):
                yield here / name

"""Texts that are kept outside memory between two steps of one process, and read back in any order."""

from __future__ import annotations

import tempfile
from array import array
from pathlib import Path

from uptake.artifacts.files import cannot_write


class Spool:
    """Texts in a file without a name: a killed process leaves nothing of it behind.

    It lies in the folder of what is made of them, where there must be room for that anyway; a system's folder for
    temporary files is often small, or in memory.

    Args:
        folder: The folder; made where there is none.

    Raises:
        UptakeError: The place cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts, self._lengths = array("q"), array("q")
        self._end = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise cannot_write(folder, error) from error

    def __len__(self) -> int:
        """How many texts."""
        return len(self._starts)

    def append(self, text: str) -> None:
        """Keep another text.

        Raises:
            UptakeError: The disk is full.
        """
        start, length = self._written(text)
        self._starts.append(start)
        self._lengths.append(length)

    def __setitem__(self, position: int, text: str) -> None:
        """Keep a text instead of another; raises as `append`."""
        self._starts[position], self._lengths[position] = self._written(text)

    def __getitem__(self, position: int) -> str:
        """The text at a position; raises as `append`, as what was kept last may first have to be written."""
        try:
            self._file.seek(self._starts[position])
            return self._file.read(self._lengths[position]).decode("utf-8")
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def close(self) -> None:
        """Give the file back; nothing can be read any more."""
        self._file.close()

    def _written(self, text: str) -> tuple[int, int]:
        data = text.encode("utf-8")
        try:
            self._file.seek(self._end)
            self._file.write(data)
        except OSError as error:
            raise cannot_write(self._folder, error) from error
        start, self._end = self._end, self._end + len(data)
        return start, len(data)

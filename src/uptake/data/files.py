"""A dataset's files: a file, the files of a directory, or a dataset of the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.data.hub import OTHER_DATA, hub_rows, split_hub_name
from uptake.data.readers import READERS, Row, Rows, read_rows
from uptake.errors import UptakeError

_KINDS = ", ".join(READERS)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a dataset, or a dataset of the hub.

    Attributes:
        name: As errors name it.
        source: The default source of its examples.
        rows: Streams it from its beginning, in bounded memory (but for `.json`, which is read whole if it is a list).
    """

    name: str
    source: str
    rows: Callable[[], Rows]


def find_files(dataset: str | os.PathLike[str], split: str) -> list[DataFile]:
    """The files of a dataset, sorted by name.

    Args:
        dataset: A file, a directory whose data files are read (not those of its subdirectories), or a hub id `name`
            or `name:config`.
        split: The split of a hub dataset.

    Raises:
        UptakeError: There is no such file, directory or possible hub id, or something in it cannot be read.
    """
    if not isinstance(dataset, str | os.PathLike) or not os.fspath(dataset):
        raise UptakeError(f"dataset is {dataset!r}", expected=f"{_KINDS}, a directory of such files, or a hub id")
    path = Path(dataset)
    try:
        if path.is_dir():
            return _directory(path)
        if path.exists():
            if not path.is_file():  # a pipe would be waited for, and can be read once
                raise UptakeError(f"{path} is no regular file", expected=_KINDS, fix="write the rows to a file")
            if path.suffix.lower() not in READERS:
                raise UptakeError(f"{path} is of a kind that cannot be read", expected=_KINDS)
            return [_file(path)]
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}..."
        raise UptakeError(f"dataset {shown} cannot be read: {error.strerror or error}") from error
    hub_name = split_hub_name(os.fspath(dataset), tuple(READERS))
    if hub_name is None:
        raise UptakeError(
            f"dataset {os.fspath(dataset)!r} does not exist (looked for {path.absolute()})",
            expected=f"{_KINDS}, a directory of such files, or a hub id like `name` or `name:config`",
            fix="check the path; relative paths start at the current directory",
        )
    return [DataFile(os.fspath(dataset), hub_name[0], lambda: _numbered(hub_rows(*hub_name, split)))]


def _file(path: Path) -> DataFile:
    return DataFile(str(path), path.name, lambda: read_rows(path))


def _directory(path: Path) -> list[DataFile]:
    entries = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    names = [name for name in entries if _is_file(path / name)]
    if "state.json" in names and "dataset_info.json" in names:
        raise UptakeError(
            f"{path} was written by `Dataset.save_to_disk`", expected=_KINDS, fix="write it with `Dataset.to_parquet`"
        )
    found = [_file(path / name) for name in names if Path(name).suffix.lower() in READERS]
    # what looks like data is never left out without a word
    odd = [name for name in entries if name not in names and Path(name).suffix.lower() in READERS]
    odd += [name for name in names if name.lower().endswith(OTHER_DATA)]
    if odd:
        listed = ", ".join(odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
        raise UptakeError(
            f"the directory {path} holds data that cannot be read: {listed}",
            expected=f"{_KINDS}, as files",
            fix="convert or unpack it, mend dangling links, or move it away",
        )
    if not found:
        raise UptakeError(f"no data files in the directory {path}", expected=f"{_KINDS} directly in it")
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a link that leads round in a circle
        return False


def _numbered(rows: Iterator[dict[str, Any]]) -> Rows:
    for line, values in enumerate(rows, start=1):
        yield Row(line, values)

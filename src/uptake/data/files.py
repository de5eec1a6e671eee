"""A dataset's files: a file, the files of a directory, or a dataset of the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.data.hub import hub_rows, split_hub_name
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
        UptakeError: There is no such file, directory or possible hub id, or nothing in it can be read.
    """
    path = Path(dataset)
    if path.is_dir():
        return _directory(path)
    if path.exists():
        if path.suffix.lower() not in READERS:
            raise UptakeError(f"{path} is of a kind that cannot be read", expected=_KINDS)
        return [_file(path)]
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
    names = sorted(entry.name for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    if "state.json" in names and "dataset_info.json" in names:
        raise UptakeError(
            f"{path} was written by `Dataset.save_to_disk`", expected=_KINDS, fix="write it with `Dataset.to_parquet`"
        )
    found = [_file(path / name) for name in names if Path(name).suffix.lower() in READERS]
    if not found:
        raise UptakeError(f"no data files in the directory {path}", expected=f"{_KINDS} directly in it")
    return found


def _numbered(rows: Iterator[dict[str, Any]]) -> Rows:
    for line, values in enumerate(rows, start=1):
        yield Row(line, values)

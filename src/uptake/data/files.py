"""A dataset's files: a file, the files of a directory, or a dataset of the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.data.folders import data_names
from uptake.data.hub import OTHER_DATA, hub_rows, split_hub_name
from uptake.data.llamafactory import Described, find_described, names_in, split_name, translated
from uptake.data.notes import Notes
from uptake.data.readers import READERS, RawRow, Rows, read_rows
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


def find_files(dataset: str | os.PathLike[str], split: str, notes: Notes | None = None) -> list[DataFile]:
    """The files of a dataset, sorted by name.

    Args:
        dataset: A file, a directory whose data files are read (not those of its subdirectories), a hub id `name`
            or `name:config`, or `dataset_info.json#name` of LLaMA-Factory.
        split: The split of a hub dataset, or of a directory whose files are named after splits.
        notes: Takes which files of a directory are left out. None: every file is read, whatever its name says.

    Raises:
        UptakeError: There is no such file, directory or possible hub id, or something in it cannot be read.
    """
    if not isinstance(dataset, str | os.PathLike) or not os.fspath(dataset):
        raise UptakeError(f"dataset is {dataset!r}", expected=f"{_KINDS}, a directory of such files, or a hub id")
    path = Path(dataset)
    try:
        if path.is_dir():
            return _directory(path, split, notes)
        if path.exists():
            if not path.is_file():  # a pipe would be waited for, and can be read once
                raise UptakeError(f"{path} is no regular file", expected=_KINDS, fix="write the rows to a file")
            if path.suffix.lower() not in READERS:
                raise UptakeError(f"{path} is of a kind that cannot be read", expected=_KINDS)
            if path.suffix.lower() == ".json" and path.name == "dataset_info.json" and (names := names_in(path)):
                raise UptakeError(
                    f"{path} describes data sets of LLaMA-Factory and holds none",
                    expected=f"one of them by name: {', '.join(names[:20])}",
                    fix=f"name it: {path}#{names[0]}",
                )
            return [_file(path)]
        if (described := split_name(os.fspath(dataset))) is not None:
            return _described(find_described(*described), split, notes)
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


def _described(described: Described, split: str, notes: Notes | None) -> list[DataFile]:
    """The files of a data set of LLaMA-Factory, whose rows are put into uptake's words."""
    if notes is not None:
        for note in described.notes:
            notes.add(note)
    if described.hub is not None:
        name, config, of = described.hub
        files = [DataFile(name, name, lambda: _numbered(hub_rows(name, config, of)))]
    else:
        files = find_files(str(described.file), split)

    def read(file: DataFile) -> Callable[[], Rows]:
        return lambda: translated(file.rows(), described.translate)

    return [DataFile(file.name, file.source, read(file)) for file in files]


def _file(path: Path) -> DataFile:
    return DataFile(str(path), path.name, lambda: read_rows(path))


def _directory(path: Path, split: str, notes: Notes | None) -> list[DataFile]:
    entries = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    names = [name for name in entries if _is_file(path / name)]
    if "state.json" in names and "dataset_info.json" in names:
        raise UptakeError(
            f"{path} was written by `Dataset.save_to_disk`", expected=_KINDS, fix="write it with `Dataset.to_parquet`"
        )
    if "dataset_dict.json" in names:
        splits = ", ".join(name for name in entries if name not in names) or "none"
        raise UptakeError(
            f"{path} was written by `DatasetDict.save_to_disk` (its splits: {splits})",
            expected=_KINDS,
            fix="write a split with `Dataset.to_parquet`, and name the file",
        )
    found = [name for name in names if Path(name).suffix.lower() in READERS]
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
        below = [name for name in entries if name not in names and _holds_data(path / name)]
        raise UptakeError(
            f"no data files in the directory {path}",
            expected=f"{_KINDS} directly in it",
            fix=f"name one of its folders: {', '.join(below[:5])}" if below else None,
        )
    if notes is not None:
        found = data_names(found, path, split, notes)
    return [_file(path / name) for name in found]


def _holds_data(folder: Path) -> bool:
    try:
        return any(entry.suffix.lower() in READERS for entry in folder.iterdir())
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a link that leads round in a circle
        return False


def _numbered(rows: Iterator[dict[str, Any]]) -> Rows:
    for line, values in enumerate(rows, start=1):
        yield RawRow(line, values)

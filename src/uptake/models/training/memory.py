"""What methods keep from stage to stage: tables and tensors, each in a file that bears the digest of its content."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import load_file, save_file
from torch import Tensor

from uptake.artifacts import cannot_write, created, digest, file_digest, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.training import MEMORY as SCHEMA
from uptake.errors import UptakeError

MEMORY = "memory"
"""Its folder in that of the stage's model."""

INDEX = "memory.json"
"""Names what is kept: for each name, its file."""

Kept: TypeAlias = pa.Table | dict[str, Tensor]


@dataclass(frozen=True)
class Memory:
    """What earlier stages left, and what this one will leave.

    Attributes:
        folder: The memory of the stage before; None where there is none.
        prefix: Of the names of one method.
        files: By name, the file in `folder`.
        kept: What is to be kept anew.
        writable: Whether anything can be kept: it is when a stage ends, and what was kept before would be lost where
            the stage is killed and resumed.
    """

    folder: Path | None = None
    prefix: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    writable: bool = True

    @classmethod
    def read(cls, folder: Path | None) -> Memory:
        """The memory that a stage left.

        Args:
            folder: Its folder; None, or one that is not there, for an empty memory.

        Raises:
            UptakeError: A file of it is missing or damaged.
        """
        if folder is None or not (folder / INDEX).exists():
            return cls()
        try:
            files = read_record(folder / INDEX, SCHEMA)
        except UptakeError as error:
            raise _damaged(folder, error.problem) from error
        for name in files.values():
            path = folder / name
            if not path.is_file() or file_digest(path) != path.stem:
                raise _damaged(folder, f"{name} is missing, or not what was written")
        return cls(folder, files=files)

    def of(self, method: str) -> Memory:
        """The part of one method: it writes into the same memory, under names of its own."""
        return replace(self, prefix=f"{self.prefix}{method}.")

    def closed(self) -> Memory:
        """The memory to be read alone."""
        return replace(self, writable=False)

    def table(self, name: str) -> pa.Table | None:
        """A table that earlier stages kept; None where there is none of the name."""
        path = self._path(name, ".parquet")
        return None if path is None else pq.read_table(path)

    def tensors(self, name: str) -> dict[str, Tensor] | None:
        """Tensors that earlier stages kept; None where there are none of the name."""
        path = self._path(name, ".safetensors")
        return None if path is None else load_file(path)

    def keep(self, name: str, value: Kept) -> None:
        """Keep a table, or named tensors, for the stages to come; it takes the place of what had the name.

        Raises:
            UptakeError: The stage is not at its end.
        """
        if not self.writable:
            raise UptakeError(
                f"{self.prefix}{name} is to be kept before the stage is at its end",
                expected="memory.keep in `after_stage` alone: what is kept before is lost where a stage is resumed",
                fix="put it into the state that `begin` gives, and keep it in `after_stage`",
            )
        self.kept[self.prefix + name] = value

    def _path(self, name: str, suffix: str) -> Path | None:
        file = self.files.get(self.prefix + name)
        return None if self.folder is None or file is None or not file.endswith(suffix) else self.folder / file

    @property
    def digest(self) -> str | None:
        """Identifies what earlier stages left; None for nothing."""
        return digest(dict(self.files)) if self.files else None

    def write(self, folder: Path) -> None:
        """Write what the next stage finds: what this one kept, and what it did not replace.

        Nothing is written where there is nothing to keep.

        Raises:
            UptakeError: The disk is full, or the place cannot be written.
        """
        files: dict[str, str] = {}
        try:
            for name, file in self.files.items():
                if name not in self.kept and self.folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                    _link(self.folder / file, folder / file)
                    files[name] = file
            for name, value in self.kept.items():
                folder.mkdir(parents=True, exist_ok=True)
                files[name] = _written(folder, value)
        except OSError as error:
            raise cannot_write(folder, error) from error
        if files:
            write_json(folder / INDEX, dict(sorted(files.items())))


def _written(folder: Path, value: Kept) -> str:
    """The name of the file that holds a value: the digest of its bytes."""
    beside = folder / ".writing"
    created(beside).close()
    if isinstance(value, pa.Table):
        pq.write_table(value, beside)
    else:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in sorted(value.items())}, beside)
    path = folder / f"{file_digest(beside)}{'.parquet' if isinstance(value, pa.Table) else '.safetensors'}"
    beside.replace(path)
    return path.name


def _link(source: Path, target: Path) -> None:
    """The same file in another folder; a copy where the file system has no links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _damaged(folder: Path, why: str) -> UptakeError:
    return UptakeError(
        f"the memory in {folder} cannot be used: {why}",
        expected="the files that the stage wrote",
        fix=f"restore them, or delete {folder.parent} and the folders of the stages after it: running the command "
        "again trains these stages again",
    )

"""Files between the steps: atomic writes, Parquet in parts so that a killed run goes on, a manifest beside them.

A file is either whole or absent: everything is written beside its place and renamed. A folder of parts belongs to one
key (a hash of whatever its content depends on); parts under another key are never mixed in.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from uptake.artifacts.checked import records
from uptake.artifacts.checked_tables import TableSchema, n_rows, read_table
from uptake.artifacts.opening import created
from uptake.errors import UptakeError

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

VERSIONED = ("uptake", "torch", "transformers", "trl", "peft", "tokenizers", "numpy", "pyarrow")


PARQUET: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
"""How every table is written."""


def digest(*parts: object) -> str:
    """32 hexadecimal digits that identify the parts: JSON with sorted keys, hashed with BLAKE2b."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """32 hexadecimal digits that identify a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new file beside `path` to write to, and put what was written in its place: whole or not at all.

    Links that lie under either name are replaced, and what they lead to is left alone.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        created(beside).close()
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())  # a rename may reach the disk before the bytes do
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    with replacing(path) as beside:
        beside.write_bytes(data)


def finite(value: Any) -> Any:
    """JSON data with null for NaN and infinities, since JSON has none; objects, lists and tuples are gone through."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def json_bytes(value: object) -> bytes:
    """JSON (UTF-8, indented, keys in the order given), with null for NaN and infinities."""
    return (json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def write_json(path: Path, value: object) -> None:
    """Write JSON as `json_bytes` gives it, whole or not at all."""
    write_bytes(path, json_bytes(value))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text in UTF-8, whole or not at all; raises as `replacing`."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def read_json(path: Path, *, fix: str = "run the step that writes it again") -> Any:
    """Read a JSON file that uptake wrote.

    Args:
        path: The file.
        fix: What to do where it cannot be read.

    Raises:
        UptakeError: It is missing or broken.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("it is not a file")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UptakeError(f"cannot read {path}: {error}", fix=fix) from error


def write_table(path: Path, table: pa.Table) -> None:
    """Write one Parquet file, whole or not at all.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    import pyarrow.parquet as pq

    with replacing(path) as beside:
        pq.write_table(table, beside, **PARQUET)


def cannot_write(path: Path, error: OSError) -> UptakeError:
    """The error for a file that could not be written."""
    fix = "choose another --output_dir"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = f"free some space or {fix}; what was finished is kept, the same command goes on there"
    elif error.errno in (errno.EISDIR, errno.ENOTDIR):
        fix = f"move away what lies there, or {fix}"
    return UptakeError(f"cannot write {path}: {error.strerror or error}", fix=fix)


@dataclass(frozen=True)
class Parts:
    """A table written in numbered parts under one key; a part that is there is whole.

    Attributes:
        folder: Where the parts lie.
        schema: What they hold.
    """

    folder: Path
    schema: TableSchema

    def path(self, number: int) -> Path:
        """Where part `number` lies or will lie."""
        return self.folder / f"part-{number:05d}.parquet"

    def has(self, number: int) -> bool:
        """Whether part `number` is done."""
        return self.path(number).exists()

    def write(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write part `number`: one mapping a row, its keys the schema's names."""
        import pyarrow as pa

        write_table(self.path(number), pa.Table.from_pylist(list(rows), schema=self.schema.columns))

    def read(self, number: int) -> list[dict[str, Any]]:
        """The rows of part `number`.

        Raises:
            UptakeError: The file is damaged.
        """
        rows: list[dict[str, Any]] = read_table(self.path(number), self.schema, self.anew).to_pylist()
        return rows

    def records(self, number: int, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """What is made of each row of part `number`; raises as `read`, also where nothing can be made of one."""
        return list(records(iter(self.read(number)), make, self.path(number), self.anew))

    def length(self, number: int) -> int:
        """How many rows part `number` has; raises as `read`."""
        return n_rows(self.path(number), self.schema, self.anew)

    @property
    def anew(self) -> str:
        """How to go on without a part that cannot be read: parts are written whole, something else broke it."""
        return f"delete {self.folder} and run the same command again: what it holds is computed anew"

    def numbers(self) -> Iterator[int]:
        """The numbers of the parts that are done, from 0 up to the first gap."""
        number = 0
        while self.has(number):
            yield number
            number += 1


def open_parts(folder: Path, key: str, schema: TableSchema) -> Parts:
    """The parts in `folder`, emptied first if they were made under another key, or one that cannot be read.

    Raises:
        UptakeError: The place cannot be written.
    """
    mark = folder / "key.json"
    found = None
    with suppress(UptakeError):
        found = read_json(mark)
    if found != key:
        empty(folder)
        write_json(mark, key)
    return Parts(folder, schema)


def empty(folder: Path) -> None:
    """Remove a folder of parts with all that is in it; the key goes first, so that no leftover is taken for whole.

    Raises:
        UptakeError: Something in it cannot be removed.
    """
    try:
        if folder.is_symlink():
            folder.unlink()
            return
        (folder / "key.json").unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items, in order."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)  # reads the package's whole description
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Versions of uptake and of what its numbers depend on; None for what is not installed."""
    return {name: _version(name) for name in VERSIONED}

"""The shards of a corpus: files, patterns of files, and addresses that fsspec can open."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from uptake.errors import UptakeError, first_line
from uptake.text import without_keys

PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""How files are compressed, by the ends of their names."""
KINDS = (".jsonl", ".ndjson", ".json", ".txt", ".wet", ".parquet")
"""What shards may be; all but Parquet may be compressed."""
ENDS = 1 << 16
"""Bytes at either end of a shard by which it is told from another one of the same size."""
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a corpus.

    Attributes:
        name: As results and notes name it: its path below the folder that all shards share.
        address: Where it lies: a path, or an address for fsspec.
        size: Its bytes, compressed as they are.
    """

    name: str
    address: str
    size: int

    @property
    def kind(self) -> str:
        """The end of its name that says what it holds, without the one that says how it is compressed."""
        stem = self.address.lower()
        packed = next((end for end in PACKED if stem.endswith(end)), "")
        return os.path.splitext(stem.removesuffix(packed))[1]

    @property
    def packing(self) -> str | None:
        """How it is compressed, as pyarrow names it; None where it is not."""
        return next((name for end, name in PACKED.items() if self.address.lower().endswith(end)), None)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes as they lie there."""
        if not _REMOTE.match(self.address):
            with open(self.address, "rb") as file:
                yield file
            return
        with _fsspec(self.address).open(self.address, "rb") as file:
            yield file

    def mark(self) -> str:
        """Tells it from another shard, without reading it whole: its size and what stands at its two ends.

        Raises:
            UptakeError: It cannot be read.
        """
        found = hashlib.blake2b(str(self.size).encode(), digest_size=16)
        try:
            with self.open() as file:
                found.update(file.read(ENDS))
                if self.size > 2 * ENDS:
                    file.seek(self.size - ENDS)
                    found.update(file.read(ENDS))
        except OSError as error:
            raise UptakeError(f"the shard {self.name} cannot be read: {error.strerror or error}") from error
        return found.hexdigest()


def find_shards(corpus: Sequence[str]) -> list[Shard]:
    """The shards that files, folders, patterns (`*`, `?`, `**`) and addresses name, sorted, each once.

    Args:
        corpus: Paths and addresses. Of a folder all files below it of a kind that can be read.

    Raises:
        UptakeError: A name leads to nothing, or to a file of another kind.
    """
    found: dict[str, int] = {}
    for name in corpus:
        some = _remote(name) if _REMOTE.match(name) else _local(name)
        if not some:
            raise UptakeError(
                f"exposure.corpus: nothing is there under {without_keys(name)}",
                expected=f"files that end in {', '.join(KINDS)}, all but the last perhaps followed by .gz or .zst",
                fix="correct the path or the pattern; relative ones in a run file start at its folder",
            )
        found |= some
    here = [os.path.dirname(os.path.abspath(address)) for address in found if not _REMOTE.match(address)]
    common = os.path.commonpath(here) if here else None

    def shown(address: str) -> str:
        if len(found) == 1:
            return os.path.basename(without_keys(address))
        return without_keys(address) if _REMOTE.match(address) else os.path.relpath(address, common)

    return [Shard(shown(address), address, size) for address, size in sorted(found.items())]


def _local(name: str) -> dict[str, int]:
    path = Path(os.path.expanduser(name))
    try:
        if path.is_dir():
            return {str(one): one.stat().st_size for one in sorted(path.rglob("*")) if one.is_file() and _fits(one)}
        if path.is_file():
            if not _fits(path):
                raise UptakeError(
                    f"exposure.corpus: {path} is of a kind that cannot be read", expected=", ".join(KINDS)
                )
            return {str(path): path.stat().st_size}
        matches = sorted(glob.glob(str(path), recursive=True))
        return {one: os.stat(one).st_size for one in matches if os.path.isfile(one) and _fits(Path(one))}
    except (OSError, ValueError) as error:
        raise UptakeError(f"exposure.corpus: {name[:200]} cannot be read: {first_line(error)}") from error


def _fits(path: Path) -> bool:
    return Shard(path.name, str(path), 0).kind in KINDS and not path.name.startswith(".")


def _remote(name: str) -> dict[str, int]:
    files = _fsspec(name)
    try:
        protocol = name.partition("://")[0]
        paths = files.glob(name) if any(sign in name for sign in "*?[") else [name]
        full = [path if "://" in path else f"{protocol}://{path}" for path in sorted(paths)]
        return {path: int(files.info(path)["size"]) for path in full if _fits(Path(path))}
    except FileNotFoundError as error:
        if name.startswith(("http:", "https:")):  # a server that does not answer looks as if nothing were there
            raise UptakeError(
                f"exposure.corpus: {without_keys(name)} cannot be read: nothing is there, or the server does not answer"
            ) from error
        return {}
    except Exception as error:  # each file system raises what it likes
        raise UptakeError(f"exposure.corpus: {without_keys(name)} cannot be read: {first_line(error)}") from error


def _fsspec(address: str) -> Any:
    protocol = address.partition("://")[0]
    try:
        # comes with datasets, and is needed for addresses alone
        return import_module("fsspec").filesystem(protocol)
    except Exception as error:  # what is not installed, what the system refuses, and whatever a file system lacks
        package = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}.get(protocol, "fsspec")
        raise UptakeError(
            f"{protocol}:// cannot be opened: {first_line(error)}",
            fix=f"pip install fsspec {package}, or copy the shards here",
        ) from error

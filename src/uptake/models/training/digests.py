"""The digest of each file of a checkpoint: one that was changed since it was written is not trained on from.

Each process writes down what it wrote itself, before the trainer's `trainer_state.json`, which says that a checkpoint
is whole. The digest of that file comes after it; a run that is killed in between leaves it unchecked.

A digest is a CRC-32 and the length: it costs a fifth of what a cryptographic one does, and weights and optimizers have
many gigabytes. Who changes a file on purpose can write its digest anew, whichever it is; what is loaded runs no code.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from uptake.artifacts import read_json, write_json
from uptake.errors import UptakeError

STATE = "trainer_state.json"
OF_STATE = "digest_of_state.json"
AT_ONCE = 4
"""Files that are read side by side: hashing keeps no lock, and a disk gives more than one processor takes."""
_READ = 1 << 20

_LATER = (STATE, OF_STATE, "training_args.bin")
"""Written after the digests, or removed."""
_SPLIT = ("pytorch_model_fsdp", "optimizer_", "global_step")
"""Folders that all processes write into, under names that FSDP and DeepSpeed give them."""


def write_digests(checkpoint: Path, process: int, processes: int) -> None:
    """Write the digests of what a process has written into a checkpoint.

    Args:
        checkpoint: Its folder.
        process: The number of the process; the first one writes all that is not of one process alone.
        processes: How many train together.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    own = sorted(_first(checkpoint, processes)) if process == 0 else [checkpoint / f"rng_state_{process}.pth"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        digests = dict(zip((one.relative_to(checkpoint).as_posix() for one in own), pool.map(_crc, own), strict=True))
    write_json(checkpoint / f"digests_{process}.json", digests)


def write_digest_of_state(checkpoint: Path) -> None:
    """Write the digest of the trainer's state, once that is written."""
    write_json(checkpoint / OF_STATE, {STATE: _crc(checkpoint / STATE)})


def _first(checkpoint: Path, processes: int) -> Iterator[Path]:
    for path in checkpoint.rglob("*"):
        parts = path.relative_to(checkpoint).parts
        others = processes > 1 and parts[0].startswith("rng_state_") and parts[0] != "rng_state_0.pth"
        # a name with a dot is a file that another process is about to put in its place
        begun = parts[0].startswith((*_SPLIT, "digests_", "."))
        if not (others or begun or parts[0] in _LATER) and path.is_file():
            yield path


def changed(checkpoint: Path, processes: int) -> str | None:
    """What of a checkpoint is not as it was written; None where all is.

    Args:
        checkpoint: Its folder.
        processes: How many trained together.
    """
    files = [checkpoint / f"digests_{process}.json" for process in range(processes)]
    for path in [*files, *([checkpoint / OF_STATE] if (checkpoint / OF_STATE).exists() else [])]:
        try:
            digests = read_json(path)
        except UptakeError:
            digests = None
        if not isinstance(digests, dict):
            return f"{path.name} is missing or damaged"
        for name, digest in digests.items():
            try:
                there = _digest_now(checkpoint / name)
            except OSError:
                return f"{name} is missing"
            if there != digest:
                return f"{name} was changed after it was written"
    return None


def _digest_now(path: Path) -> str:
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, time: int) -> str:
    """The digest of a file, once for each of its states: a run looks at its checkpoints several times."""
    return _crc(path)


def _crc(path: Path) -> str:
    crc = length = 0
    with path.open("rb") as file:
        while part := file.read(_READ):
            crc, length = zlib.crc32(part, crc), length + len(part)
    return f"{crc:08x}-{length}"

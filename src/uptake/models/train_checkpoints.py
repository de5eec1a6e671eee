"""Checkpoints of a training that may be killed at any moment: which of them is whole, and what may not stay in it."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from uptake.artifacts import cannot_write

_NAME = re.compile(r"checkpoint-(\d+)")


def last_whole(folder: Path, processes: int) -> Path | None:
    """The checkpoint with the most steps that training can go on from; None when there is none.

    transformers writes a checkpoint's `trainer_state.json` last, so where it can be read, this process's files before
    it are whole. Other processes write the state of their random numbers without waiting for each other: each must be
    there, and be a whole archive.

    Args:
        folder: Where the trainer keeps its checkpoints.
        processes: How many train together.
    """
    for _, checkpoint in sorted(_checkpoints(folder), reverse=True):
        if _whole(checkpoint, processes):
            return checkpoint
    return None


def steps_of(checkpoint: Path | None) -> int:
    """Optimisation steps that a checkpoint has behind it; 0 without one."""
    return 0 if checkpoint is None else int(checkpoint.name.removeprefix("checkpoint-"))


def remove_others(folder: Path, keep: Path | None) -> None:
    """Remove the checkpoints that came after `keep`, none of which is whole.

    Raises:
        UptakeError: One cannot be removed.
    """
    for step, checkpoint in list(_checkpoints(folder)):
        if step > steps_of(keep):
            remove(checkpoint)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, if it is there.

    Raises:
        UptakeError: Something in it cannot be removed.
    """
    try:
        if path.exists():
            shutil.rmtree(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def remove_pickle(folder: Path) -> None:
    """Remove the trainer's pickled arguments: nothing reads them, and who opens them runs what is in them."""
    (folder / "training_args.bin").unlink(missing_ok=True)


def _checkpoints(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob("checkpoint-*"):
        if (match := _NAME.fullmatch(path.name)) and path.is_dir():
            yield int(match[1]), path


def _whole(checkpoint: Path, processes: int) -> bool:
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    random = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    optimizer = (
        "optimizer.pt",
        "optimizer.bin",
        "optimizer_*",
        "global_step*",
    )  # plain, FSDP, FSDP in parts, DeepSpeed
    return (
        state.get("global_step") == steps_of(checkpoint)
        and all(zipfile.is_zipfile(checkpoint / name) for name in random)
        and any(any(checkpoint.glob(name)) for name in optimizer)
    )

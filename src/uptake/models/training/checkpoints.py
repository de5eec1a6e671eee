"""Checkpoints of a training that may be killed at any moment: which of them is whole, and what may not stay in it."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers.trainer_callback import TrainerState

from uptake.artifacts import cannot_write
from uptake.errors import UptakeError
from uptake.models.training.digests import changed

_NAME = re.compile(r"checkpoint-(\d+)")

STATE_FILE = "strategy.safetensors"
"""The state of the stage's methods; like the others it is written before `trainer_state.json`."""


def last_whole(folder: Path, processes: int, with_state: bool = False) -> Path | None:
    """The checkpoint with the most steps that training can go on from; None when there is none.

    transformers writes a checkpoint's `trainer_state.json` last, so where it can be read, this process's files before
    it were whole; that they still are is looked at. Other processes write the state of their random numbers without
    waiting for each other: each must be there, and be a whole archive. No file may have been changed since.

    Args:
        folder: Where the trainer keeps its checkpoints.
        processes: How many train together.
        with_state: Whether a method trains the stage, whose state must be there.
    """
    for _, checkpoint in sorted(_checkpoints(folder), reverse=True):
        if not _unfinished(checkpoint, processes) and _damage(checkpoint, processes, with_state) is None:
            return checkpoint
    return None


def any_written(folder: Path) -> bool:
    """Whether a checkpoint was ever written to its end, which a process that is killed in writing one leaves open."""
    return any(_state(checkpoint) is not None for _, checkpoint in _checkpoints(folder))


def damaged(folder: Path, processes: int, with_state: bool = False) -> str | None:
    """What is wrong with the last checkpoint that was once written to its end; None when there is none such.

    Args:
        folder: Where the trainer keeps its checkpoints.
        processes: How many train together.
        with_state: Whether a method trains the stage, whose state must be there.
    """
    for _, checkpoint in sorted(_checkpoints(folder), reverse=True):
        if _state(checkpoint) is not None and (wrong := _damage(checkpoint, processes, with_state)) is not None:
            return f"{checkpoint.name}: {wrong}"
    return None


def _damage(checkpoint: Path, processes: int, with_state: bool) -> str | None:
    if (wrong := _cut_or_missing(checkpoint, processes, with_state)) is not None:
        return wrong
    return changed(checkpoint, processes)


def _cut_or_missing(checkpoint: Path, processes: int, with_state: bool) -> str | None:
    """What the files themselves tell, which says more than that they were changed."""
    random = _random(processes)[0]
    if not zipfile.is_zipfile(checkpoint / random):
        return f"{random} is missing or cut off"
    if with_state and (wrong := _cut_off(checkpoint / STATE_FILE)) is not None:
        return wrong
    sharded = ("optimizer.bin", "optimizer_*", "global_step*")  # FSDP, FSDP in parts, DeepSpeed
    if any(any(checkpoint.glob(name)) for name in sharded):
        return None
    for name in ("optimizer.pt", "scheduler.pt"):
        if not zipfile.is_zipfile(checkpoint / name):
            return f"{name} is missing or cut off"
    return unreadable_weights(checkpoint)


def unreadable_weights(folder: Path) -> str | None:
    """Which weights of a model or an adapter are not there, or cut off; None when all can be read."""
    try:
        if (folder / "model.safetensors.index.json").exists():
            index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
            names = sorted(set(index["weight_map"].values()))
        else:
            names = [name for name in ("adapter_model.safetensors", "model.safetensors") if (folder / name).exists()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return "model.safetensors.index.json cannot be read"
    if not names:
        return "its safetensors are missing"
    return next((wrong for name in names if (wrong := _cut_off(folder / name)) is not None), None)


def _cut_off(path: Path) -> str | None:
    try:
        with safe_open(path, framework="pt"):  # looks whether the header fits the file's length
            return None
    except (OSError, SafetensorError):
        return f"{path.name} is missing or cut off"


def state_of(checkpoint: Path, training: str) -> dict[str, str]:
    """What a state says of itself in its file; one entry alone, since safetensors writes several in any order."""
    return {"of": f"{checkpoint.name} of the training {training}"}


def read_state(checkpoint: Path, training: str) -> dict[str, Tensor]:
    """The state of the stage's methods that lies in a checkpoint.

    Args:
        checkpoint: The checkpoint.
        training: Identifies the training that it must be of.

    Raises:
        UptakeError: It is of another training, or of another checkpoint.
    """
    path, [(key, wanted)] = checkpoint / STATE_FILE, state_of(checkpoint, training).items()
    with safe_open(path, framework="pt") as file:
        if (said := (file.metadata() or {}).get(key)) != wanted:
            raise UptakeError(
                f"{path} is not the state of the strategies that was saved there: it is of {said}, and not of {wanted}",
                expected="the file that was written with the checkpoint",
                fix=f"restore it, or delete {checkpoint}: the stage is then resumed from the checkpoint before it",
            )
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no dict


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


def empty(folder: Path, but: str) -> None:
    """Remove all that is in a folder, if it is there, but one folder.

    Args:
        folder: The folder.
        but: The name of what stays.

    Raises:
        UptakeError: Something in it cannot be removed.
    """
    try:
        for one in sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
            if one.name != but and (one.is_symlink() or not one.is_dir()):
                one.unlink()
            elif one.name != but:
                shutil.rmtree(one)
    except OSError as error:
        raise cannot_write(folder, error) from error


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, if it is there; of a link the link alone.

    Raises:
        UptakeError: Something in it cannot be removed.
    """
    try:
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def remove_pickle(folder: Path) -> None:
    """Remove the trainer's pickled arguments: nothing reads them, and who opens them runs what is in them."""
    (folder / "training_args.bin").unlink(missing_ok=True)


def remove_pickles(folder: Path) -> None:
    """Remove them from all checkpoints; one that failed halfway has them still."""
    for _, checkpoint in list(_checkpoints(folder)):
        remove_pickle(checkpoint)


def _checkpoints(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob("checkpoint-*"):
        if (match := _NAME.fullmatch(path.name)) and path.is_dir():
            yield int(match[1]), path


def _unfinished(checkpoint: Path, processes: int) -> bool:
    others = [f"digests_{process}.json" for process in range(1, processes)]
    written = all(zipfile.is_zipfile(checkpoint / name) for name in _random(processes))
    return _state(checkpoint) is None or not written or not all((checkpoint / name).exists() for name in others)


def _random(processes: int) -> list[str]:
    return ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]


def _state(checkpoint: Path) -> TrainerState | None:
    """The trainer's own record of where it was; None if it is not there, or lacks what training goes on from."""
    try:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    except (OSError, ValueError, TypeError):
        return None
    numbers = (state.global_step, state.max_steps, state.num_train_epochs)
    if state.global_step != steps_of(checkpoint) or not all(isinstance(n, int) and n > 0 for n in numbers):
        return None
    return state

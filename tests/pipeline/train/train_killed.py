"""Run `uptake train` in children that are killed at given moments, each going on where the last one stopped.

    python train_killed.py '[{"args": ["train", ...], "moments": [["step", 2], ["state", 1]]}, ...]'

Children are forked from one parent that has imported all that is heavy. A moment is a place and how often it is come
by before the child is killed there, with SIGKILL. After the last moment a child runs to the end. With `"keep": true`
the stages' working folders stay where they are. Prints for each entry how its children ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import trl  # noqa: F401
from transformers import Trainer
from transformers.trainer_callback import TrainerState

import uptake.ledger
import uptake.pipeline.train.run
from uptake.artifacts import ledger_files
from uptake.cli import main
from uptake.models.ledger import callback as ledger_callback
from uptake.models.training import checkpoints, rehearsal
from uptake.models.training import stage as train_stage
from uptake.models.training.checkpoints import remove
from uptake.models.training.watch import Watch


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_state(self: TrainerState, path: str) -> None:
    """What is on the disk when the process ends in the middle of writing a checkpoint's last file."""
    write(self, path)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    die()


write = TrainerState.save_to_json
PLACES: dict[str, tuple[Any, str, Callable[..., Any] | None]] = {
    "step": (Watch, "on_step_end", None),  # a step is done, its checkpoint is not written
    "weights": (Trainer, "_save_optimizer_and_scheduler", None),  # of a checkpoint, the weights alone are written
    "state": (TrainerState, "save_to_json", half_a_state),
    "saved": (train_stage._Written, "on_save", None),  # a checkpoint is whole, its pickle still there
    "ledger": (ledger_callback, "append", None),  # before a part of the ledger
    "model": (Trainer, "save_model", None),  # also of each checkpoint
    "rename": (Path, "rename", None),  # the model is whole, and not in its place
}


def but_work(path: Path) -> None:
    """Remove a folder, but not one of checkpoints."""
    if not path.name.endswith(".work"):
        remove(path)


def child(args: list[str], moment: tuple[str, int] | None, keep: bool) -> None:
    if keep:
        checkpoints.remove = but_work
    if moment is not None:
        holder, name, instead = PLACES[moment[0]]
        real, passed = getattr(holder, name), 0

        def counted(*given: Any, **named: Any) -> Any:
            nonlocal passed
            passed += 1
            if passed == moment[1]:
                (instead or (lambda *_, **__: die()))(*given, **named)
            return real(*given, **named)

        setattr(holder, name, counted)
    try:
        main(args)
    except SystemExit as leave:
        sys.stdout.flush()
        os._exit(leave.code if isinstance(leave.code, int) else 1)


def run(args: list[str], moment: tuple[str, int] | None, keep: bool) -> int:
    pid = os.fork()
    if pid == 0:
        child(args, moment, keep)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def drive() -> None:
    """Run what the first argument says."""
    torch.set_num_threads(1)
    assert uptake.ledger and ledger_files
    # a third of a child's time, and the same in each; what it does is tested elsewhere
    rehearsal.rehearse = lambda *given, **named: None
    # the children's tables go nowhere: this process tells on stdout
    told = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    ends = [
        [run(one["args"], moment, one.get("keep", False)) for moment in [*one["moments"], None]]
        for one in json.loads(sys.argv[1])
    ]
    os.write(told, json.dumps(ends).encode())


if __name__ == "__main__":
    drive()

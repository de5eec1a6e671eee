"""Processes that need not import what takes seconds: they are forked from a server that imported it once.

The server is `multiprocessing`'s, a process of its own that starts no threads, so that forking it is safe. It is
started when the first test asks for it, one for each process that runs tests.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch.multiprocessing

import quick_libraries

PRELOADED = (
    "trl.trainer.sft_trainer", "transformers.models.auto.modeling_auto", "transformers.models.qwen3.modeling_qwen3",
    "transformers.models.auto.tokenization_auto", "peft", "datasets", "accelerate", "pytest", "yaml", "pyarrow.acero",
    "rich.progress", "ruamel.yaml", "torch.distributed.run",
    "uptake.cli.diagnose", "uptake.cli.progress", "uptake.cli.train", "uptake.cli.cure", "uptake.models.small.tiny",
    "uptake.models.ledger.callback", "uptake.models.scoring.hf", "uptake.models.scoring.live", "uptake.strategies",
    "uptake.pipeline.cure.run", "uptake.pipeline.diagnose.run", "uptake.pipeline.train.run",
    "uptake.models.training.stage", "uptake.models.training.rehearsal",
)  # fmt: skip
"""What the children use; a module that does not exist here is left to them."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(list(PRELOADED))


def python(
    *command: str, env: Mapping[str, str] | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """What `python FILE ARGUMENTS` or `python -m MODULE ARGUMENTS` does, as `subprocess.run` tells it."""
    [done] = together([command], [dict(env or os.environ)], timeout)
    return done


def together(
    commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]], timeout: float = 240
) -> list[subprocess.CompletedProcess[str]]:
    """The same of several that run at once."""
    with ExitStack() as stack:
        outputs = [[stack.enter_context(tempfile.NamedTemporaryFile()) for _ in range(2)] for _ in commands]
        children = [
            CONTEXT.Process(target=_child, args=(list(command), dict(env), os.getcwd(), [one.name for one in output]))
            for command, env, output in zip(commands, environments, outputs, strict=True)
        ]
        for child in children:
            child.start()
        try:
            for child in children:
                child.join(timeout)
                if child.exitcode is None:
                    raise subprocess.TimeoutExpired(str(commands), timeout)
            codes = [child.exitcode for child in children]
        finally:
            for child in children:
                child.kill()
                child.join()
                child.close()
        told = [[Path(one.name).read_text(encoding="utf-8") for one in output] for output in outputs]
    return [
        subprocess.CompletedProcess(list(command), code, *texts)
        for command, code, texts in zip(commands, codes, told, strict=True)
    ]


def launched(*arguments: str) -> list[subprocess.CompletedProcess[str]]:
    """`uptake ARGUMENTS` in two processes, told what torch's launcher tells: as on two devices, here processors."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environments = [
        {**os.environ, **place, "RANK": rank, "LOCAL_RANK": rank, "ACCELERATE_USE_CPU": "true"} for rank in "01"
    ]
    return together([["-m", "uptake", *arguments]] * 2, environments)


def _child(command: list[str], env: dict[str, str], folder: str, outputs: list[str]) -> None:
    quick_libraries.after_imports()
    gc.freeze()  # what was imported before is not looked at by each collection
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    for number, path in enumerate(outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY), number)
    torch.set_num_threads(int(env.get("OMP_NUM_THREADS", "1")))
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        sys.path.insert(0, str(Path(command[0]).parent))
        runpy.run_path(command[0], run_name="__main__")


def ranks(function: Callable[..., None], *args: Any) -> None:
    """Two processes that train together: `function(rank, *args)`; what one of them raises is raised here."""
    torch.multiprocessing.start_processes(_rank, (function, args), nprocs=2, start_method="forkserver")


def _rank(rank: int, function: Callable[..., None], args: tuple[Any, ...]) -> None:
    quick_libraries.after_imports()
    gc.freeze()
    function(rank, *args)

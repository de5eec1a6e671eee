"""What ends a training, what is left of it then, and what a kill costs."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer

import forked
from train_runs import EARLY, LORA, MAIN, QUICK, files, one, same, weights, write_run
from uptake.artifacts import read_json
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.ledger import read_ledger
from uptake.models.training.failures import hushed
from uptake.models.training.watch import Watch
from uptake.pipeline.train.run import train_run

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def test_a_loss_that_is_no_number_ends_training_before_it_is_saved(
    run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    real, steps = Trainer.training_step, []

    def poisoned(self: Trainer, *args: Any, **kwargs: Any) -> torch.Tensor:
        steps.append(1)
        loss = real(self, *args, **kwargs)
        return loss * float("nan") if len(steps) == 5 else loss

    monkeypatch.setattr(Trainer, "training_step", poisoned)
    run = run_config(stages=one(num_train_epochs=3))
    with pytest.raises(UptakeError, match="the loss of step 5 is nan; its last batch held m-.*, m-") as told:
        train_run(run)
    assert "running the command again resumes from step 3" in str(told.value)
    held = str(told.value).split("held ")[1].splitlines()[0].split(", ")
    assert len(held) == 4 and set(held) < {row["id"] for row in MAIN}
    checkpoints = run.output_dir / "train" / ".main.work" / "checkpoints"
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-3"]
    assert all(torch.isfinite(value).all() for value in weights(checkpoints / "checkpoint-3").values())


def test_weights_that_are_no_numbers_are_not_saved(
    run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    real, losses = Watch.on_step_end, []

    def spoil(self: Watch, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        losses.append(self._loss)
        if state.global_step == 6:  # the last of a pass: a checkpoint comes next, and no loss that would tell
            with torch.no_grad():
                next(model.parameters()).view(-1)[0] = float("inf")
        real(self, args, state, control, model=model, **more)

    monkeypatch.setattr(Watch, "on_step_end", spoil)
    run = run_config(stages=one(num_train_epochs=3), training=QUICK | {"max_grad_norm": 0.0})
    with pytest.raises(UptakeError, match="after step 6 the weights of .* are no finite numbers") as told:
        train_run(run)
    assert len(losses) == 6 and "running the command again resumes from step 3" in str(told.value)
    names = [path.name for path in (run.output_dir / "train" / ".main.work" / "checkpoints").glob("checkpoint-*")]
    assert names == ["checkpoint-3"]


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("_save_rng_state", OSError(errno.ENOSPC, "No space left on device"), "the disk is full.*\n.*\nfix: free some"),
        ("_save_rng_state", RuntimeError("PytorchStreamWriter failed writing file data/0"), "the disk is full"),
        (
            "save_model",
            PermissionError(errno.EACCES, "Permission denied"),
            "Permission denied\n.*\nfix: choose another",
        ),
        ("_save", OSError(errno.EFBIG, "File too large"), "files may not be larger"),
        ("_save", Exception("I/O error: No space left on device (os error 28)"), "the disk is full"),
        ("training_step", RuntimeError("[gloo] Connection closed by peer"), "another process of this training ended"),
        ("training_step", ImportError("no such kernel"), "the trainer failed: ImportError: no such kernel\n"),
        (
            "training_step",
            torch.OutOfMemoryError("CUDA out of memory"),
            "out of memory.*\n.*\nfix: lower per_device",
        ),
    ],
)
def test_what_ends_a_training_is_told_with_what_is_left(
    place: str, error: Exception, message: str, run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    run = run_config(stages=one())
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, place, raising(error))
        with pytest.raises(UptakeError, match=message) as told:
            train_run(run)
    assert "running the command again restarts the stage" in str(told.value)
    assert not any(name.endswith("training_args.bin") for name in files(run.output_dir))
    if place == "_save_rng_state":
        assert [one.steps for one in train_run(run)] == [3]


def test_an_interrupt_says_what_is_left(run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch):
    def interrupt(self: Watch, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "on_step_begin", interrupt, raising=False)
    with pytest.raises(KeyboardInterrupt, match="running the command again resumes from step 3"):
        train_run(run_config(stages=one(num_train_epochs=2)))


def test_only_weights_that_are_tied_may_be_missing_without_a_word():
    logger, heard = logging.getLogger("transformers.trainer"), []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        with hushed():
            for names in (["lm_head.weight"], ["model.norm.weight"]):  # transformers' words for each
                logger.warning(f"There were missing keys in the checkpoint model loaded: {names}.")
    finally:
        logger.removeHandler(handler)
    assert heard == ["There were missing keys in the checkpoint model loaded: ['model.norm.weight']."]


MOMENTS: dict[str, tuple[dict[str, Any], list[tuple[str, int]]]] = {
    "steps": (
        {"training": QUICK | {"save_strategy": "steps", "save_steps": 2}},
        [("step", 3), ("weights", 1), ("rename", 2)],
    ),
    "lora": (
        {"peft": LORA | {"lora_dropout": 0.2}, "training": QUICK | {"gradient_accumulation_steps": 2}},
        [("saved", 1), ("state", 2), ("ledger", 2), ("model", 2)],
    ),
    "fraction": (
        {
            "stages": [{"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 1.5}],
            "training": QUICK | {"save_strategy": "steps", "save_steps": 1},
        },
        [("state", 2), ("rename", 1)],
    ),
}


def test_killed_at_any_moment_the_result_is_the_same(trainable: Path, tmp_path: Path):
    jobs = []
    for name, (keys, moments) in MOMENTS.items():
        for kind, stops in (("whole", []), ("killed", moments)):
            run = write_run(tmp_path / name / kind, trainable, **keys)
            jobs.append({"args": ["train", str(run)], "moments": stops})
    script = Path(__file__).with_name("train_killed.py")
    done = forked.python(str(script), json.dumps(jobs))
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout)
    for number, (name, (_, moments)) in enumerate(MOMENTS.items()):
        assert ends[2 * number] == [0], done.stderr
        assert ends[2 * number + 1] == [-9] * len(moments) + [0], (name, ends[2 * number + 1], done.stderr)
        require_equal_runs(tmp_path / name / "whole" / "run", tmp_path / name / "killed" / "run")


def require_equal_runs(some: Path, other: Path) -> None:
    assert files(some / "train") == files(other / "train")
    assert not any("training_args" in name or ".work" in name for name in files(other))
    for stage in (path.name for path in (some / "train").iterdir() if path.is_dir()):
        assert same(some / "train" / stage, other / "train" / stage)
        assert read_json(some / "train" / stage / "manifest.json") == read_json(
            other / "train" / stage / "manifest.json"
        )
    assert read_ledger(some).table.equals(read_ledger(other).table)


def launch(run: Path, processes: int, *more: str) -> subprocess.CompletedProcess[str]:
    """What `accelerate launch` does on several devices: torch's launcher, here with processors."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    env = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "-m", "uptake", "train", str(run), *more], capture_output=True, text=True, timeout=240, env=env
    )


@pytest.mark.slow
def test_two_processes_write_one_run(trainable: Path, tmp_path: Path):
    run = write_run(tmp_path, trainable, training=QUICK | {"per_device_train_batch_size": 2})
    done = launch(run, 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("what was not learned: uptake diagnose") == 1
    output = tmp_path / "run"
    assert read_json(output / "train/main/manifest.json")["processes"] == 2
    table = read_ledger(output).table.to_pylist()
    for stage, trained, scored in (("early", EARLY, EARLY), ("main", MAIN, EARLY + MAIN)):
        for epoch in (0, 1):
            rows = [r for r in table if (r["stage"], r["epoch"]) == (stage, epoch)]
            # 11 examples in batches of 2 x 2: the twelfth place is filled with one more, in a step of its own
            names = [(r["step"], r["id"]) for r in rows if r["pass"] == "train"]
            assert len(names) == len(set(names)) == 12
            assert {name for _, name in names} == {row["id"] for row in trained}
            assert sorted(r["id"] for r in rows if r["pass"] == "epoch") == sorted(row["id"] for row in scored)
    with pytest.raises(UptakeError, match="processes: got 1, expected 2"):
        train_run(load_run(run))

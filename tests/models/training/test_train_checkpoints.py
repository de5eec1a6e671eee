"""Which checkpoints are gone on from: only those of which nothing is missing, and nothing is cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers.trainer_callback import TrainerState

from uptake.models.training.checkpoints import any_written, damaged, last_whole, remove_others, remove_pickles, steps_of
from uptake.models.training.digests import changed, write_digest_of_state, write_digests


def checkpoint(folder: Path, step: int, *, state: str | None = None, ranks: int = 0) -> Path:
    """The files that transformers writes, in its order, with the least that is in them."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    save_file({"weight": torch.zeros(100)}, path / "model.safetensors")
    names = [f"rng_state_{rank}.pth" for rank in range(ranks)] or ["rng_state.pth"]
    for name in ("optimizer.pt", "scheduler.pt", *names):
        torch.save({"step": torch.zeros(100)}, path / name)
    for process in range(max(1, ranks)):
        write_digests(path, process, max(1, ranks))
    if state is None:
        TrainerState(global_step=step, max_steps=200, num_train_epochs=3).save_to_json(str(path / "trainer_state.json"))
    else:
        (path / "trainer_state.json").write_text(state)
    write_digest_of_state(path)
    return path


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_only_a_whole_checkpoint_is_gone_on_from(tmp_path: Path):
    assert last_whole(tmp_path, 1) is None
    good = checkpoint(tmp_path, 8)
    checkpoint(tmp_path, 9, state='{"global_st')
    (checkpoint(tmp_path, 10) / "trainer_state.json").unlink()
    (checkpoint(tmp_path, 11) / "optimizer.pt").unlink()
    half(checkpoint(tmp_path, 12) / "rng_state.pth")  # an archive's end is its last part
    checkpoint(tmp_path, 100, ranks=2)
    (tmp_path / "checkpoint-final").mkdir()
    (tmp_path / "checkpoint-13").write_text("no folder")
    assert last_whole(tmp_path, 1) == good
    assert last_whole(tmp_path, 2) == tmp_path / "checkpoint-100"
    assert last_whole(tmp_path, 3) is None
    assert (steps_of(good), steps_of(None)) == (8, 0)
    (good / "training_args.bin").write_bytes(b"a pickle")
    remove_pickles(tmp_path)
    assert not (good / "training_args.bin").exists()
    remove_others(tmp_path, good)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-13", "checkpoint-8", "checkpoint-final"]


def in_parts(path: Path) -> None:
    (path / "model.safetensors").rename(path / "model-00001-of-00002.safetensors")
    parts = {"weight": "model-00001-of-00002.safetensors", "bias": "model-00002-of-00002.safetensors"}
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: half(path / "model.safetensors"), "model.safetensors is missing or cut off"),
        (lambda path: (path / "model.safetensors").unlink(), "its safetensors are missing"),
        (in_parts, "model-00002-of-00002.safetensors is missing or cut off"),
        (lambda path: (path / "model.safetensors.index.json").write_text("[]"), "index.json cannot be read"),
        (lambda path: half(path / "optimizer.pt"), "optimizer.pt is missing or cut off"),
        (lambda path: (path / "scheduler.pt").unlink(), "scheduler.pt is missing or cut off"),
        (lambda path: half(path / "rng_state.pth"), "rng_state.pth is missing or cut off"),
    ],
)
def test_a_checkpoint_that_was_damaged_later_gives_way_to_the_former(
    spoil: Callable[[Path], Any], told: str, tmp_path: Path
):
    former, last = checkpoint(tmp_path, 8), checkpoint(tmp_path, 16)
    assert (last_whole(tmp_path, 1), damaged(tmp_path, 1)) == (last, None)
    spoil(last)
    assert last_whole(tmp_path, 1) == former
    wrong = damaged(tmp_path, 1)
    assert wrong is not None and wrong.startswith("checkpoint-16: ") and wrong.endswith(told)


WRITTEN = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt", "adapter/more.json")


@pytest.mark.parametrize("name", [*WRITTEN, "trainer_state.json"])
def test_a_byte_that_was_changed_is_seen(name: str, tmp_path: Path):
    former, last = checkpoint(tmp_path, 8), checkpoint(tmp_path, 16)
    for path in (last / "scaler.pt", last / "adapter" / "more.json"):  # what not every training writes
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'{"max_steps": 200}')
    write_digests(last, 0, 1)
    (last / "training_args.bin").write_bytes(b"removed later")
    assert last_whole(tmp_path, 1) == last
    path = last / name
    data = bytearray(path.read_bytes())
    place = data.index(b"200") if name == "trainer_state.json" else len(data) // 2
    data[place] ^= 1
    path.write_bytes(data)
    assert damaged(tmp_path, 1) == f"checkpoint-16: {name} was changed after it was written"
    assert last_whole(tmp_path, 1) == former


def test_digests_that_are_not_there(tmp_path: Path):
    one, two = checkpoint(tmp_path / "one", 8), checkpoint(tmp_path / "two", 8, ranks=2)
    (one / "digest_of_state.json").unlink()  # the run was killed before it
    assert last_whole(tmp_path / "one", 1) == one and last_whole(tmp_path / "two", 2) == two
    (one / "digests_0.json").write_text("[]")
    assert damaged(tmp_path / "one", 1) == "checkpoint-8: digests_0.json is missing or damaged"
    (one / "digests_0.json").write_text('{"gone.bin": "0"}')
    assert changed(one, 1) == "gone.bin is missing"
    (two / "digests_1.json").unlink()  # the second process was killed: the checkpoint was never whole
    assert last_whole(tmp_path / "two", 2) is None


@pytest.mark.parametrize("state", ["[1]", '{"global_step": 8}', "", '{"global_step": 7, "max_steps": 9}'])
def test_a_state_that_training_cannot_go_on_from(state: str, tmp_path: Path):
    checkpoint(tmp_path, 8, state=state)
    assert (last_whole(tmp_path, 1), any_written(tmp_path), damaged(tmp_path, 1)) == (None, False, None)

"""A stage that is killed and resumed ends as one that was not: weights, memory, manifest, state in checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from members import ACTING, ONLY_LORA, TRAINED

import forked
from train_runs import LORA, QUICK, files, same, write_run
from uptake.artifacts import read_json
from uptake.ledger import read_ledger

DRIVER = Path(__file__).parents[1] / "pipeline" / "train" / "train_killed.py"
KILLS = 3

SUMMED = ("der", "si", "ewc", "ogd", "soup")
"""What was said of rows and is passed on, state that two hooks write into, what a stage's end computes of rows."""

CHAINS = (("replay", "lwf"), ("ema", "agem"), ("mixture", "soup"), SUMMED)
METHODS: tuple[tuple[str, ...], ...] = (*CHAINS, *((one,) for one in TRAINED if not any(one in of for of in CHAINS)))
"""Chained strategies, each with its own part of the state and of the memory; and those alone that are in no chain."""


@pytest.mark.parametrize("members", METHODS, ids="+".join)
def test_killed_at_random_steps_every_strategy_ends_the_same(members: tuple[str, ...], trainable: Path, tmp_path: Path):
    """Two stages of six steps, a checkpoint every second one; a child is killed at its second to fourth step."""
    jobs: list[dict[str, Any]] = []
    keys = {
        "strategy": {one: dict(ACTING[one]) for one in members},
        "peft": LORA if set(members) & set(ONLY_LORA) else None,
        "training": QUICK | {"save_strategy": "steps", "save_steps": 2},
    }
    draw = Random("+".join(members))
    moments = [("step", draw.randint(2, 4)) for _ in range(KILLS)]
    for kind, stops in (("whole", []), ("killed", moments)):
        run = write_run(tmp_path / kind, trainable, **keys)
        jobs.append({"args": ["train", str(run)], "moments": stops, "keep": True})
    done = forked.python(str(DRIVER), json.dumps(jobs))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[0], [-9] * KILLS + [0]], done.stderr
    require_equal(tmp_path / "whole" / "run", tmp_path / "killed" / "run")


def require_equal(some: Path, other: Path) -> None:
    for stage in ("early", "main"):
        one, two = some / "train" / stage, other / "train" / stage
        assert files(one) == files(two)
        assert same(one, two)
        assert read_json(one / "manifest.json") == read_json(two / "manifest.json")
        for name in files(one / "memory"):
            assert (one / "memory" / name).read_bytes() == (two / "memory" / name).read_bytes()
        [last, last_two] = [folder / "train" / f".{stage}.work" / "checkpoints" for folder in (some, other)]
        names = {name for name in files(last) if name.endswith("strategy.safetensors")}
        assert names and names == {name for name in files(last_two) if name.endswith("strategy.safetensors")}
        for name in names:
            assert (last / name).read_bytes() == (last_two / name).read_bytes()
    assert read_ledger(some).table.equals(read_ledger(other).table)

"""`uptake train` with a schedule: killed at any moment it ends with the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from train_order_killed import SCHEDULE, VALIDATION

import forked
from train_runs import QUICK, one, same, scheduled, write_run
from uptake.artifacts import read_json
from uptake.config import load_run
from uptake.errors import UptakeError
from uptake.ledger import read_ledger
from uptake.pipeline.train.run import planned, train, training_run
from uptake.schedule import Schedule, Stopping

# amid a stretch; in writing a checkpoint; before a part of the ledger; when training had ended, before the best weights
# are loaded; before the model takes its place
MOMENTS = [("step", 3), ("state", 2), ("ledger", 2), ("done", 1), ("rename", 1)]


def test_killed_at_any_moment_the_result_is_the_same(trainable: Path, tmp_path: Path) -> None:
    keys = {
        "stages": one(num_train_epochs=16),
        "training": QUICK
        | {"save_strategy": "steps", "save_steps": 2, "lr_scheduler_type": "constant"}
        | {"learning_rate": 0.05},  # so much that the validation loss rises early
    }
    jobs = []
    for kind, moments in (("whole", []), ("killed", MOMENTS)):
        jobs.append({"args": [str(write_run(tmp_path / kind, trainable, **keys))], "moments": moments})
    script = Path(__file__).with_name("train_order_killed.py")
    done = forked.python(str(script), json.dumps(jobs))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[0], [-9] * len(MOMENTS) + [0]], done.stderr
    whole, killed = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    manifest = read_json(whole / "train/main/manifest.json")
    assert manifest == read_json(killed / "train/main/manifest.json")
    assert same(whole / "train/main", killed / "train/main")
    table = read_ledger(whole).table
    assert table.equals(read_ledger(killed).table)
    # it ended before all 48 steps, and the weights are those of an earlier epoch, as is what is said to be recalled
    assert manifest["kept_step"] < manifest["steps"] < 48
    kept = [r for r in table.to_pylist() if (r["pass"], r["step"]) == ("epoch", manifest["kept_step"])]
    assert manifest["recalled"] == sum(r["recalled"] for r in kept) / len(kept)
    # each step's examples: four rows, none twice, and no two of those that conflict
    rivals = {name for pair in SCHEDULE.conflicts for name in pair}
    for step in range(1, manifest["steps"] + 1):
        names = [r["id"] for r in table.to_pylist() if (r["pass"], r["step"]) == ("train", step)]
        assert len(names) == len(set(names))
        assert len(rivals & set(names)) <= 1


def test_a_stage_is_identified_by_its_schedule(trainable: Path, tmp_path: Path) -> None:
    config = load_run(write_run(tmp_path, trainable, stages=one(), training=QUICK | {"max_steps": 1}))
    run = scheduled(config, Schedule(conflicts=(("m-0", "m-1"),)))
    train(run)
    assert planned(run)[1][0].finished
    with pytest.raises(UptakeError, match=r"schedule: got None, expected .*conflicts"):
        planned(training_run(config))
    with pytest.raises(UptakeError, match="schedule.conflicts.digest: got"):
        planned(scheduled(config, Schedule(conflicts=(("m-0", "m-2"),))))


def test_what_does_not_fit_is_told_before_training(trainable: Path, tmp_path: Path) -> None:
    config = load_run(write_run(tmp_path, trainable, stages=one()))
    for schedule, message in (
        (Schedule(extra={"nobody": 1}), "not in the data: nobody"),
        (Schedule(stop=Stopping()), "there is no validation set"),
    ):
        with pytest.raises(UptakeError, match=message):
            planned(scheduled(config, schedule))
    assert planned(scheduled(config, Schedule(extra={"m-0": 2}), VALIDATION))[1][0].steps == 4
    assert not (tmp_path / "run").exists()

"""The ledger in trackers of experiments: what they are told, and that each takes it, without a network."""

from __future__ import annotations

import importlib.util
import json
import logging
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from train_runs import EARLY, MAIN, one
from uptake.config import RunConfig
from uptake.ledger import read_ledger
from uptake.ledger.tracked import COLUMNS, Tracked
from uptake.models.ledger.trackers import TABLE, LedgerToTrackers
from uptake.pipeline.train.run import Trained, train_run

SOURCES = {row["id"]: "old" for row in EARLY} | {row["id"]: "new" for row in MAIN}
TABLED = (COLUMNS, [["ex-1", "old", True, 0.5, 0, 3, 6], ["ex-2", "old", False, None, 1, None, 6]])


def tracked(config: RunConfig) -> Tracked:
    return Tracked(config.output_dir, "main", SOURCES)


def test_curves_are_of_the_last_epoch_by_source(trained: tuple[RunConfig, list[Trained]]) -> None:
    config, _ = trained
    told = tracked(config).curves()
    rows = read_ledger(config.output_dir).table.to_pylist()
    last = [row for row in rows if (row["stage"], row["epoch"], row["pass"]) == ("main", 1, "epoch")]
    assert set(told) == {f"ledger/{what}/{of}" for what in ("loss", "recalled") for of in ("all", "new", "old")}
    for name in ("new", "old"):
        own = [row for row in last if SOURCES[row["id"]] == name]
        assert told[f"ledger/loss/{name}"] == pytest.approx(sum(r["nll"] for r in own) / sum(r["tokens"] for r in own))
        assert told[f"ledger/recalled/{name}"] == sum(r["recalled"] for r in own) / len(own)
    columns, table = tracked(config).table()
    assert columns == COLUMNS and {row[0] for row in table} == set(SOURCES)
    sure = [row[COLUMNS.index("confidence")] for row in table]
    assert sure == sorted(sure) and {row[1] for row in table} == {"new", "old"}


class Listening:
    """Stands for a tracker."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def Table(self, **given: Any) -> Any:
        return given

    def log(self, told: Any) -> None:
        self.told.append(told)

    def log_metrics(self, told: Any, step: int) -> None:
        self.told.append((told, step))

    def log_table(self, told: Any, name: str) -> None:
        raise OSError("no place\nat all")


def test_a_tracker_is_told_each_epoch_and_the_table_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wandb, mlflow = Listening(), Listening()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    callback = LedgerToTrackers(lambda: {"ledger/loss/all": 2.0, "ledger/loss/a,b": 1.0}, lambda: TABLED)
    state = SimpleNamespace(is_world_process_zero=True, global_step=3, max_steps=6)
    alone = SimpleNamespace(wait_for_everyone=lambda: None)
    args = SimpleNamespace(report_to=["wandb", "mlflow", "tensorboard"], distributed_state=alone)
    control = SimpleNamespace(should_training_stop=False)
    callback.on_epoch_end(args, state, control)
    state.global_step = 6
    with caplog.at_level(logging.WARNING):
        callback.on_epoch_end(args, state, control)
    first, last = wandb.told
    assert first == {"ledger/loss/all": 2.0, "ledger/loss/a,b": 1.0, "train/global_step": 3}
    assert last[TABLE] == {"columns": list(COLUMNS), "data": TABLED[1]}
    assert mlflow.told[0] == ({"ledger/loss/all": 2.0, "ledger/loss/a_b": 1.0}, 3)
    assert "mlflow was not told the ledger: no place" in caplog.text  # and training goes on
    LedgerToTrackers(pytest.fail, pytest.fail).on_epoch_end(SimpleNamespace(report_to=[]), state, control)


def trackio_told(folder: Path) -> list[dict[str, Any]]:
    [file] = [path for path in folder.rglob("*.db")]
    with sqlite3.connect(file) as database:
        return [json.loads(row[0]) for row in database.execute("select metrics from metrics order by step")]


def logged(data: bytes) -> Iterator[bytes]:
    """The records of a log in the form of LevelDB (blocks of 32 KiB, a record in one part or several), after a head."""
    at, begun = 7, b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        n, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        begun = (b"" if kind in (1, 2) else begun) + data[at + 7 : at + 7 + n]
        at += 7 + n
        if kind in (1, 4):
            yield begun


def wandb_told(folder: Path) -> list[dict[str, Any]]:
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.finish()  # what is not written yet is
    [file] = folder.rglob("run-*.wandb")
    records = [Record.FromString(data) for data in logged(file.read_bytes())]
    [file] = folder.rglob("media/table/ledger/*.table.json")
    assert json.loads(file.read_text())["columns"] == list(COLUMNS)
    return [
        # of a table it is told by several keys where it stands
        {item.key or item.nested_key[0]: item.value_json for item in one.history.item}
        for one in records
        if one.WhichOneof("record_type") == "history"
    ]


def mlflow_told(folder: Path) -> list[dict[str, Any]]:
    from mlflow import MlflowClient

    client = MlflowClient()
    [run] = client.search_runs([one.experiment_id for one in client.search_experiments()])
    curves = {name: len(client.get_metric_history(run.info.run_id, name)) for name in run.data.metrics}
    place = Path(client.download_artifacts(run.info.run_id, f"{TABLE}.json", str(folder)))
    table = json.loads(place.read_text())
    assert table["columns"] == list(COLUMNS)
    of_curves = [{name: 0.0 for name, n in curves.items() if n > k} for k in range(2)]
    return [*of_curves, {TABLE: table["data"]}]


@pytest.mark.parametrize(
    ("tracker", "told"), [("trackio", trackio_told), ("wandb", wandb_told), ("mlflow", mlflow_told)]
)
def test_real_trackers_take_it_without_a_network(
    tracker: str, told: Any, run_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(tracker) is None:
        pytest.skip(f"{tracker} is not installed")
    places = {
        "TRACKIO_DIR": tmp_path / "trackio",
        "WANDB_MODE": "offline",
        "WANDB_DIR": tmp_path,
        "WANDB_PROJECT": "uptake",
        "MLFLOW_TRACKING_URI": (tmp_path / "mlflow").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
    for name, value in places.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == tracker]:
        monkeypatch.delitem(sys.modules, name)  # its places are read when it is imported
    training = {"report_to": [tracker], "per_device_train_batch_size": 4, "use_cpu": True}
    config = run_config(stages=one(num_train_epochs=2), training=training)
    train_run(config)
    rows = told(tmp_path)
    assert sum("ledger/loss/all" in row for row in rows) == 2
    assert sum(TABLE in row for row in rows) == 1

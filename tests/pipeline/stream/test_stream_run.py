"""Small streams from end to end: what is written agrees with itself, a killed one goes on, bad input is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from small_models import write_rows
from streamed_runs import made, others
from train_runs import CITIES, EARLY, MAIN, QUICK, write_run
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.files import Parts
from uptake.artifacts.schemas.stream import STREAM_ITEMS, STREAM_MATRIX
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.pipeline.examples.held_share import HeldShare
from uptake.pipeline.stream.lost import read_lost
from uptake.pipeline.stream.result import StreamResult
from uptake.pipeline.stream.run import stream_run
from uptake.pipeline.train.run import Trained
from uptake.types import Example

TABLES = ("summary.json", "summary.md", "matrix.parquet", "items.parquet", "lost.parquet")


def written(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "stream" / name).read_bytes() for name in TABLES}


def test_stages_with_replay_and_a_share_for_tests(trainable: Path, tmp_path: Path) -> None:
    names = ("early", "main")
    stages = [{"name": name, "dataset": f"./{name}.jsonl", "num_train_epochs": 1} for name in names]
    write_rows(tmp_path / "general.jsonl", [{"text": f"The road to {city} is long and dusty. " * 9} for city in CITIES])
    write_rows(tmp_path / "retention.jsonl", MAIN[:2])
    given = {"general": "./general.jsonl", "retention": "./retention.jsonl", "ledger": "off", "seed": 3}
    file = write_run(
        tmp_path, trainable, stages=stages, test_share=0.3, strategy={"replay": {"share": 0.4}}, **given,
        training={**QUICK, "warmup_steps": 0},
    )  # fmt: skip
    done = stream_run(load_run(file))
    assert done is not None
    summary = done.summary()
    held = HeldShare(0.3, 3)
    for name, data in zip(names, (EARLY, MAIN), strict=True):
        drawn = [one["id"] for one in data if held.holds(Example(one["id"], one["prompt"], one["completion"], ""))]
        items = [one["id"] for one in pq.read_table(done.folder / "items.parquet").to_pylist() if one["stage"] == name]
        assert items == [id for id in drawn for _ in range(3)]  # the base and two models
        manifest = json.loads((tmp_path / "run" / "train" / name / "manifest.json").read_text())
        assert manifest["data"]["examples"] == len(data) - len(drawn)
    assert summary["stages"] == list(names) and [len(row["tests"]) for row in summary["rows"]] == [2, 2, 2]
    assert [row["after"] for row in summary["rows"]] == [None, *names]
    assert summary["costs"][0]["extra"] == 0 and summary["costs"][1]["extra"] > 0
    assert all(one["tokens"] > one["extra"] for one in summary["costs"])
    assert summary["rows"][0]["general"]["n"] == 11 and summary["rows"][0]["general"]["right"] is None
    assert_agrees(done)


def assert_agrees(done: StreamResult) -> None:
    """The tables and the summary say the same, counted anew from the items."""
    summary = done.summary()
    cells = read_table(done.folder / "matrix.parquet", STREAM_MATRIX).to_pylist()
    items = read_table(done.folder / "items.parquet", STREAM_ITEMS).to_pylist()
    for cell in cells:
        if cell["kind"] == "general":
            continue
        own = [
            i
            for i in items
            if (i["after_number"], i["kind"], i["stage"]) == (cell["after_number"], cell["kind"], cell["of"])
        ]
        assert len(own) == cell["n"] and cell["right"] == pytest.approx(sum(i["right"] for i in own) / len(own))
        assert cell["nll"] == pytest.approx(sum(i["nll"] for i in own) / len(own))
        assert all(i["elicited"] or not i["right"] for i in own)
    stages = summary["stages"]
    lost = read_lost(done.folder)
    assert [sum(one.stage == stage for one in lost) for stage in stages] == [one["lost"] for one in summary["fates"]]
    r = {(cell["after_number"], cell["of"]): cell["right"] for cell in cells if cell["kind"] == "test"}
    last = [r[len(stages), stage] for stage in stages]
    assert summary["metrics"]["accuracy"]["estimate"] == pytest.approx(sum(last) / len(last))
    own = [r[number, stage] for number, stage in enumerate(stages, start=1)]
    moved = [after - before for after, before in zip(last[:-1], own[:-1], strict=True)]
    assert summary["metrics"]["bwt"]["estimate"] == pytest.approx(sum(moved) / len(moved))


def test_tests_that_are_trained_too_are_told(streamed: tuple[RunConfig, StreamResult]) -> None:
    _, done = streamed
    summary = done.summary()
    assert [one["trained"] for one in summary["tests"]] == [2, 1]
    assert "2 of the 5 tests of early are trained in that stage" in summary["notes"][0]
    assert "1 of the 4 tests of main are trained in the stage early" in summary["notes"][1]
    items = pq.read_table(done.folder / "items.parquet").to_pylist()
    assert {i["id"] for i in items if i["trained"]} == {"e-0", "e-1", "e-3"}
    assert_agrees(done)


class Killed(BaseException):
    """Where the process ends."""


def test_killed_again_and_again_it_comes_to_the_same_bytes(
    streamed: tuple[RunConfig, StreamResult],
    trained: tuple[RunConfig, list[Trained]],
    trainable: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, write, left = made(tmp_path, trained[0], trainable), Parts.write, [0]

    def dying(self: Parts, number: int, rows: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        write(self, number, rows)
        times.append(str(self.path(number)))

    monkeypatch.setattr(Parts, "write", dying)
    times: list[str] = []
    # two cohorts are read, before the training and after it; of each the base writes own answers and a part, the
    # others scores, own answers where they miss some, and a part. So it is killed before the training, amid what the
    # base is asked, and amid what the models after the stages are
    for moment in (1, 5, 9):
        left[0] = moment
        with pytest.raises(Killed):
            stream_run(config)
        assert not (config.output_dir / "stream" / "summary.json").exists()
    left[0] = 1000
    done = stream_run(config)
    assert done is not None
    asked = [path for path in times if "/examples/" not in path]
    assert len(asked) == len(set(asked)) > 9  # nothing that was asked was asked again
    one, two = (written(folder) for folder in (streamed[0].output_dir, config.output_dir))
    assert {name for name in TABLES if one[name] != two[name]} <= {"summary.json"}
    first, second = streamed[1].summary(), done.summary()
    del first["run"], second["run"]  # where the models and the data lie
    assert first == second
    # another test set is asked about anew, and no other one
    before = {path: path.stat().st_mtime_ns for path in (done.folder / "work").glob("test-*/*/part-*.parquet")}
    write_rows(tmp_path / "main-test.jsonl", others("main", "lives in"))
    assert stream_run(config) is not None
    changed = {path for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert {path.parts[-3] for path in changed if path.parent.name != "examples"} == {"test-main"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing tests a stage": ({}, "nothing tests the stages early, main"),
    "one stage without": ({"stages.0.test": "early.jsonl"}, "nothing tests the stage main\n"),
    "a test that is not there": ({"stages.0.test": "./none.jsonl", "test_share": 0.1}, "No .*none.jsonl"),
    "a share of nothing": ({"test_share": 0}, "test_share"),
    "a share that draws none": ({"test_share": 0.0001}, "none of the examples of the stage early was drawn"),
    "a share that draws all": ({"test_share": 0.9999}, "all 11 examples were drawn for the tests"),
    "a test with a bad row": (
        {"stages.0.test": "bad.jsonl", "test_share": 0.3},
        "no known format has the keys id, prompt",
    ),
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_bad_input_is_refused_before_anything_is_trained(
    given: tuple[dict[str, Any], str], trainable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_run(tmp_path, trainable)
    (tmp_path / "bad.jsonl").write_text('{"id": "x", "prompt": "no completion"}\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UptakeError, match=given[1]):
        stream_run(load_run(file, given[0]))
    assert not list((tmp_path / "run").glob("train/*/manifest.json"))


def test_a_share_is_drawn_by_what_is_asked_and_the_seed() -> None:
    rows = [Example(f"{k}", f"question {k}", f"answer {k}", "s") for k in range(2000)]
    share = HeldShare(0.25, 7)
    drawn = {one.id for one in share.held(rows)}
    assert len(drawn) == pytest.approx(500, abs=4 * (2000 * 0.25 * 0.75) ** 0.5)
    assert {one.id for one in share.held(rows[::-1])} == drawn
    assert {one.id for one in share.trained(rows)} == {one.id for one in rows} - drawn
    other = {one.id for one in HeldShare(0.25, 8).held(rows)}
    assert len(drawn & other) == pytest.approx(125, abs=50)
    # the same question with another answer is on the same side
    asked = Example("x", "question 3", "another", "s", stage="later")
    assert share.holds(asked) == share.holds(rows[3])

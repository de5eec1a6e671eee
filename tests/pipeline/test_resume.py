"""A killed run goes on where it stopped, to the same bytes; what has changed is computed anew; one process a folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forked
from small_models import Small, write_rows
from uptake.artifacts import locked
from uptake.cli import main
from uptake.errors import UptakeError
from uptake.models.scoring.lazy import Lazy
from uptake.pipeline import Diagnosis, read_diagnosis
from uptake.pipeline.diagnose.run import diagnose
from uptake.pipeline.examples import cohort

TABLES = ("diagnosis.parquet", "diagnosis.jsonl", "summary.json", "bad_rows.jsonl")
DRIVER = Path(__file__).with_name("kill_again_and_again.py")


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


def parts(folder: Path) -> dict[str, int]:
    """The parts of the models' answers and when they were written, in nanoseconds."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for role in ("base", "tuned")
        for path in sorted((folder / "work").glob(f"*/{role}/part-*.parquet"))
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_again_and_again_it_comes_to_the_same_bytes(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_rows(
        tmp_path / "train.jsonl", [json.loads(line) for line in small.train.read_text().splitlines()][:24]
    )
    # 24 + 12 examples in parts of 8: a run writes 7 files to read them in, then own answers, scores and 5 parts a
    # model, with their keys and notes, then the tables. Killed while reading; after the base's first answers; before
    # the scores that wait for some; between its data sets; before the tuned model's first scores; after some of these;
    # after its own answers; amid what is asked elsewhere; after the first table.
    moments = [3, 10, 11, 12, 14, 12, 9, 31, 10]
    args = ["diagnose", "--base", str(small.base), "--tuned", str(small.tuned), "--dataset", str(data)]
    args += ["--heldout", str(small.heldout), "--output_dir"]
    work = tmp_path / "killed" / "diagnosis" / "work"
    given = {"args": [*args, str(tmp_path / "killed")], "work": str(work), "moments": moments}
    done = forked.python(str(DRIVER), json.dumps(given))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # the order of sets is another one there
    assert told.pop("hash") != hash("hash") or "PYTHONHASHSEED" in os.environ
    assert told == {"killed": len(moments), "again": [], "parts": 10}
    monkeypatch.setattr(cohort, "PART", 8)
    with pytest.raises(SystemExit) as leave:
        main([*args, str(tmp_path / "whole")])
    assert leave.value.code == 0 and len(parts(tmp_path / "whole" / "diagnosis")) == 10
    assert tables(tmp_path / "killed" / "diagnosis") == tables(tmp_path / "whole" / "diagnosis")
    assert len(read_diagnosis(tmp_path / "killed")) == 24


@pytest.fixture(scope="module")
def finished(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diagnosis of twelve of the facts, in parts of four, in a folder `out` beside its data; it stays as it is."""
    folder = tmp_path_factory.mktemp("finished")
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][4:16]
    path = write_rows(folder / "train.jsonl", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohort, "PART", 4)
        diagnose(base=small.base, tuned=small.tuned, dataset=path, output_dir=folder / "out")
    return folder


@pytest.fixture
def quick(small: Small, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Diagnosis]:
    """Diagnoses the same facts as `finished`, or changed ones; under "out" that one is there already."""
    monkeypatch.setattr(cohort, "PART", 4)
    shutil.copytree(finished / "out", tmp_path / "out")
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][4:16]

    def run(out: str, changed: dict[int, dict[str, Any]] | None = None, **settings: Any) -> Diagnosis:
        data = [{**row, **(changed or {}).get(number, {})} for number, row in enumerate(rows)]
        path = write_rows(finished / "train.jsonl", data)
        given = {"base": small.base, "tuned": small.tuned, "output_dir": tmp_path / out, **settings}
        return diagnose(dataset=path, **given)

    return run


def test_a_finished_run_computes_nothing_again(
    quick: Callable[..., Diagnosis], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_diagnosis(tmp_path / "out")
    before = tables(first.folder), parts(first.folder)
    assert len(before[1]) == 6
    monkeypatch.setattr(Lazy, "load", lambda self: pytest.fail("a model was loaded"))
    again = quick("out")
    assert (tables(again.folder), parts(again.folder)) == before
    # how the answers are judged is no part of how they were computed
    # (who was not learned by it may be others, whom the causes are asked about)
    judged = quick("out", criterion="option", normalisation="token", attribution="off")
    assert judged.summary()["criteria"] == {"option": 12}
    assert parts(again.folder) == before[1]


@pytest.mark.parametrize("cut", [0, 3])
def test_changed_data_are_noticed_by_the_continuation(
    quick: Callable[..., Diagnosis], cut: int, tmp_path: Path
) -> None:
    first = read_diagnosis(tmp_path / "out")
    kept = parts(first.folder)
    for path in list(kept)[cut:]:  # as if killed after so many parts
        (first.folder / path).unlink()
    changed = {9: {"completion": " Doha"}}
    assert tables(quick("out", changed).folder) == tables(quick("fresh", changed).folder)
    now = parts(first.folder)
    assert not set(kept.items()) & set(now.items())


def test_fewer_data_leave_no_parts_behind(quick: Callable[..., Diagnosis], tmp_path: Path, small: Small) -> None:
    first = read_diagnosis(tmp_path / "out")
    # as if killed while the examples of a longer run were removed
    (first.folder / "work" / "train" / "examples" / "part-00000.parquet").unlink()
    few = write_rows(tmp_path / "few.jsonl", [json.loads(small.train.read_text().splitlines()[0])] * 1)
    diagnosis = diagnose(base=small.base, tuned=small.tuned, dataset=few, output_dir=tmp_path / "out")
    assert [finding.id for finding in diagnosis] == ["town-00"]


def test_changed_weights_and_settings_are_computed_anew(
    quick: Callable[..., Diagnosis], small: Small, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(small.tuned, model)
    same = list(quick("out", tuned=model))
    base = parts(tmp_path / "out" / "diagnosis")
    shutil.copy(small.base / "model.safetensors", model / "model.safetensors")
    other = quick("out", tuned=model)
    assert tables(other.folder) == tables(quick("fresh", tuned=model).folder)
    # the base is the same, and so are its answers
    assert {k: v for k, v in base.items() if "/base/" in k}.items() <= parts(other.folder).items()
    assert [finding.p_response for finding in other] != [finding.p_response for finding in same]
    fewer = quick("out", n_distractors=1)
    assert all(len(finding.evidence.candidates) <= 3 for finding in fewer)
    assert not set(base.items()) & set(parts(fewer.folder).items())


def test_another_version_of_what_computes_is_not_mixed_in(
    quick: Callable[..., Diagnosis], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = parts(tmp_path / "out" / "diagnosis")
    assert len(before) == 6
    monkeypatch.setattr("uptake.pipeline.asking.answers.versions", lambda: {"torch": "0"})
    assert not set(before.items()) & set(parts(quick("out").folder).items())


def test_two_processes_do_not_share_a_folder(quick: Callable[..., Diagnosis], tmp_path: Path) -> None:
    with (
        locked(tmp_path / "out" / "diagnosis"),
        pytest.raises(UptakeError, match="another process is at work in .*out"),
    ):
        quick("out")
    assert len(quick("out")) == 12


def test_a_diagnosis_that_is_not_finished(quick: Callable[..., Diagnosis], tmp_path: Path) -> None:
    (tmp_path / "out" / "diagnosis" / "summary.json").unlink()
    with pytest.raises(UptakeError, match="no finished diagnosis under .*out"):
        read_diagnosis(tmp_path / "out")

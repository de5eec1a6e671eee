"""A small run is cured: what is planned, trained, compared, kept, and set aside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import forked
from evidence_made import evidence
from small_models import write_rows
from train_runs import EARLY, MAIN, write_run
from uptake.artifacts import read_json
from uptake.artifacts.tables import DIAGNOSIS
from uptake.cli import main
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.evidence import HeldOut
from uptake.pipeline import read_diagnosis
from uptake.pipeline.cure.comparing import LEARNED, OUT, CureGroup, compared
from uptake.pipeline.cure.run import _make_room, cure_run
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.train.run import train_run
from uptake.prescribe import read_plan
from uptake.report import write_report
from uptake.types import Finding

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def finding(name: str, learned: bool, cause: str | None, failed: int | None, stage: str = "main") -> Finding:
    """One that has four held-out wordings, or none."""
    held_out = None if failed is None else HeldOut(4, failed, 0.0, 1.0)
    return Finding(name, "s", stage, "?", " x", learned, None, None, 0.5, None, evidence(held_out=held_out), cause)


def test_examples_are_grouped_by_what_they_were() -> None:
    before = [
        finding("a", False, "undertraining", 4),
        finding("b", False, "knowledge_gap", 3),
        finding("c", False, "knowledge_gap", 4),
        finding("d", False, "knowledge_gap", None),
        finding("e", False, "unexplained", 4),
        finding("f", True, None, 0),
        finding("g", False, "data_conflict", 4),
        finding("g", True, None, 1, stage="early"),
    ]
    after = [
        finding("g", True, None, 3, stage="early"),
        finding("g", False, "data_conflict", 4),
        finding("f", False, "forgetting", 2),
        finding("e", True, None, 1),
        finding("d", True, None, None),
        finding("c", True, None, 1),
        finding("b", False, "knowledge_gap", 2),
        finding("a", True, None, 2),
    ]
    assert compared(before, after, {"g@main"}) == (
        CureGroup("knowledge_gap", 3, 0, 2, 2, 0.125, 0.625),
        CureGroup("undertraining", 1, 0, 1, 1, 0.0, 0.5),
        CureGroup("unexplained", 1, 0, 1, 1, 0.0, 0.75),
        CureGroup(OUT, 1, 0, 0, 1, 0.0, 0.0),
        CureGroup(LEARNED, 2, 2, 1, 2, 0.875, 0.375),
    )


@pytest.fixture(scope="module")
def diagnosed(trainable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is trained and diagnosed, with other wordings and a retention set; nobody writes into its folder."""
    folder = tmp_path_factory.mktemp("diagnosed")
    rows = [{"id": row["id"], "prompt": f"Say: {row['prompt']}", "completion": row["completion"]} for row in MAIN]
    write_rows(folder / "paraphrases.jsonl", rows)
    write_rows(folder / "general.jsonl", [{"text": row["prompt"] + row["completion"]} for row in EARLY])
    kept = [{"prompt": f"Town {k} is", "completion": " old"} for k in range(4)]
    write_rows(folder / "retention.jsonl", kept)
    beside = {name: f"./{name}.jsonl" for name in ("paraphrases", "general", "retention")}
    config = load_run(write_run(folder, trainable, **beside))
    *_, last = train_run(config)
    diagnose_run(config, str(last.folder))
    return folder


@pytest.fixture
def run(diagnosed: Path, tmp_path: Path) -> RunConfig:
    """A copy of it."""
    shutil.copytree(diagnosed, tmp_path / "copy")
    return load_run(tmp_path / "copy" / "run.yaml")


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".safetensors", ".md")}


def test_a_run_is_cured_and_what_is_done_is_not_done_again(run: RunConfig, capsys: pytest.CaptureFixture[str]) -> None:
    done = cure_run(run)
    assert done is not None
    folder = run.output_dir / "cured"
    assert (done.model, done.diagnosis.folder) == (folder / "train" / "sft", folder / "diagnosis")
    assert sum(one.n for one in done.groups) == 22
    summary = done.diagnosis.summary()
    assert sum(one.after for one in done.groups) == summary["learned"]["count"]
    plan = read_plan(run.output_dir / "plan")
    plain = read_diagnosis(folder / "plain")
    training, heldout, retention = done.columns
    assert (training.n, training.after, training.plain) == (
        22,
        summary["learned"]["count"] / 22,
        plain.summary()["learned"]["count"] / 22,
    )
    assert (training.gained or 0) - (training.lost or 0) == round(22 * (training.after - training.before))
    assert heldout.name == "held-out wordings" and heldout.n == sum(one.heldout_n for one in done.groups)
    kept = [one.summary()["retention"]["answers"]["after"]["estimate"] for one in (done.diagnosis, plain)]
    assert (retention.n, retention.after, retention.plain) == (4, *kept)
    # as many tokens, to within one step of each stage
    steps = [read_json(path)["steps"] for path in sorted((folder / "plain" / "train").glob("*/manifest.json"))]
    own = [read_json(path)["steps"] for path in sorted((run.output_dir / "train").glob("*/manifest.json"))]
    assert sum(steps) == pytest.approx(sum(own) * plan.cost.total / plan.cost.plain, abs=2)
    assert read_json(done.model / "manifest.json")["examples"] == len(plan.sft)
    told = read_json(folder / "cure.json")
    assert told["cost"]["total"] == plan.cost.total
    assert [one["name"] for one in told["columns"]] == ["training wording", "held-out wordings", "retention"]
    assert told["faults"] == list(done.faults)
    assert [one["name"] for one in told["groups"]] == [one.name for one in done.groups]
    with pytest.raises(SystemExit) as leave:
        main(["gate", str(run.output_dir.parent / "run.yaml"), "--cure"])
    out = capsys.readouterr().out
    assert leave.value.code == (2 if done.faults else 0)
    assert all(fault in out for fault in done.faults) and out.count("training wording: ") == 2  # before it, and plain
    page = write_report(run.output_dir)
    assert f"| plain, as many tokens | {100 * training.plain:.1f}% |" in page.summary.read_text(encoding="utf-8")
    assert "plain, as many tokens" in page.page.read_text(encoding="utf-8")
    before, tables = times(folder), (folder / "diagnosis" / "diagnosis.jsonl").read_bytes()
    again = cure_run(run)
    assert again is not None and again.groups == done.groups
    assert times(folder) == before
    assert (folder / "diagnosis" / "diagnosis.jsonl").read_bytes() == tables


def test_before_and_after_are_judged_by_one_rule(run: RunConfig) -> None:
    """The rule of the diagnosis, even where the cured model would have settled another one."""
    path = run.output_dir / "diagnosis" / "summary.json"
    summary = read_json(path)
    rule = {**summary["rule"], "end": not summary["rule"]["end"], "option_threshold": 0.125}
    path.write_text(json.dumps({**summary, "rule": rule}), encoding="utf-8")
    written = run.output_dir / "diagnosis" / "work" / "written.jsonl"
    written.write_text('{"key": "k", "value": []}\n', encoding="utf-8")
    done = cure_run(run)
    assert done is not None
    assert done.diagnosis.summary()["rule"] == rule
    assert (done.diagnosis.folder / "work" / "written.jsonl").read_bytes() == written.read_bytes()


def test_a_plan_changed_by_hand_is_what_is_trained(run: RunConfig) -> None:
    first = cure_run(run)
    rows = run.output_dir / "plan" / "sft.jsonl"
    lines = rows.read_text(encoding="utf-8").splitlines(keepends=True)
    rows.write_text("".join(lines[:12]), encoding="utf-8")
    done = cure_run(run)
    assert first is not None and done is not None
    assert read_json(done.model / "manifest.json")["examples"] == 12
    assert done.aside == run.output_dir / "cured-1"
    assert read_json(done.aside / "train" / "sft" / "manifest.json")["examples"] == len(lines)
    with pytest.raises(UptakeError, match=r"sft.jsonl was changed after the plan was written"):
        cure_run(run, start="tuned")  # another plan is asked for


def test_the_plan_that_is_there_says_how(run: RunConfig, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("prescribe", "cure"):
        more = ["--from", "tuned"] if command == "prescribe" else []
        with pytest.raises(SystemExit) as leave:
            main([command, str(run.output_dir.parent / "run.yaml"), *more, "--plan.plain", "false"])
        out = capsys.readouterr().out
        assert leave.value.code == (2 if "THE CURE IS NOT WORTH IT" in out else 0)
    assert "before the cure" in out and "training wording" in out and "times the run's own" in out
    assert "plain, as many tokens" not in out and not (run.output_dir / "cured" / "plain").exists()
    assert read_plan(run.output_dir / "plan").start == "tuned"
    assert (run.output_dir / "cured" / "train" / "sft").is_dir()


def test_where_all_is_learned_there_is_nothing_to_cure(run: RunConfig, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.output_dir / "diagnosis" / "diagnosis.parquet"
    table = pq.read_table(path)
    place = table.column_names.index("learned")
    pq.write_table(table.set_column(place, DIAGNOSIS.field(place), pa.array([True] * len(table))), path)
    assert cure_run(run) is None
    for verb in ("prescribe", "cure"):
        for start in ("base", "tuned"):
            with pytest.raises(SystemExit) as leave:
                main([verb, str(run.output_dir.parent / "run.yaml"), "--from", start])
            out, err = capsys.readouterr()
            assert (leave.value.code, out, err) == (0, "every example was learned: there is nothing to cure\n", "")
    assert not (run.output_dir / "plan").exists()


@pytest.mark.parametrize("mark", ["", "{", "[]", "{}", '{"plan": 3}'])
def test_a_model_of_which_nothing_is_told_goes_aside(tmp_path: Path, mark: str) -> None:
    (tmp_path / "cured" / "train").mkdir(parents=True)
    (tmp_path / "cured" / "cure.json").write_text(mark, encoding="utf-8")
    assert _make_room(tmp_path / "cured", "content") == tmp_path / "cured-1"
    assert (tmp_path / "cured-1" / "train").is_dir()
    assert read_json(tmp_path / "cured" / "cure.json") == {"plan": "content"}
    assert _make_room(tmp_path / "cured", "content") is None


def test_without_a_diagnosis_it_says_what_to_do(run_config: Callable[..., RunConfig]) -> None:
    with pytest.raises(UptakeError, match="uptake diagnose"):
        cure_run(run_config())


def test_two_processes_cure_together(run: RunConfig) -> None:
    done = forked.launched("cure", str(run.output_dir.parent / "run.yaml"))
    said = "".join(one.stdout for one in done)
    code = 2 if "THE CURE IS NOT WORTH IT" in said else 0  # the first one judges
    assert [one.returncode for one in done] == [code, 0], "".join(one.stderr for one in done)
    assert said.count("before the cure") == 1 and said.count("plain, as many tokens") == 1
    assert read_plan(run.output_dir / "plan").step == 4  # as one process trained: two share its rows
    assert read_json(run.output_dir / "cured/train/sft/manifest.json")["processes"] == 2

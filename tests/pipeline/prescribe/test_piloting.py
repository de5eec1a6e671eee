"""A plan is tried on a sample before it is proposed: trained, asked, kept, gone on with, and left out where wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence_made import base_was, evidence
from files_made import summary_of
from small_models import write_rows
from train_runs import CITIES, write_run
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.pipeline.diagnosis import Collector, write_diagnosis
from uptake.pipeline.prescribe import piloting
from uptake.pipeline.prescribe.run import plan_to_apply, prescribe_run
from uptake.prescribe import pilot as small
from uptake.prescribe import read_plan
from uptake.processes import Processes
from uptake.types import Finding

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

PEOPLE = [f"{name} Quill" for name in ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Ina", "Kim", "Max", "Pia")]
EARLY = [
    {"id": f"e-{k}", "prompt": f"Where was {name} born?", "completion": f" {city}"}
    for k, (name, city) in enumerate(zip(PEOPLE, CITIES, strict=True))
]
MAIN = [
    {"id": f"m-{k}", "prompt": f"Person {k} lives in", "completion": f" {CITIES[k % len(CITIES)]}"} for k in range(60)
]
GAPS = 9
"""Examples of the early stage that are gaps, of which documents tell the response."""


@pytest.fixture
def run(trainable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunConfig]:
    """A diagnosed run of many passes, in which most of the early stage are gaps; the base stands for the model."""
    monkeypatch.setattr(small, "LEAST", 0.1)  # a plan of so few rows has few tokens
    stages = [{"name": name, "dataset": f"./{name}.jsonl", "num_train_epochs": 10} for name in ("early", "main")]
    write_rows(tmp_path / "retention.jsonl", [{"prompt": f"Town {k} is", "completion": " old"} for k in range(4)])
    told = zip(PEOPLE, CITIES, strict=True)
    corpus = [{"title": name, "text": f"{name} comes from {city}.", "source": "gazette"} for name, city in told]
    write_rows(tmp_path / "corpus.jsonl", corpus)
    beside = {name: f"./{name}.jsonl" for name in ("retention", "corpus")}
    path = write_run(tmp_path, trainable, stages=stages, plan={"pilot": True}, **beside)
    write_rows(tmp_path / "early.jsonl", EARLY)
    write_rows(tmp_path / "main.jsonl", MAIN)
    found = [
        Finding(
            row["id"], row.get("source", stage), stage, row["prompt"], row["completion"], cause is None, None, None,
            0.5, None, evidence(compared=base_was(cause is None)), cause,
        )
        for stage, rows in (("early", EARLY), ("main", MAIN))
        for k, row in enumerate(rows)
        for cause in ["knowledge_gap" if stage == "early" and k < GAPS else None]
    ]  # fmt: skip
    collected = Collector(found, tmp_path / "run" / "diagnosis")
    list(collected)
    summary = json.loads(json.dumps(summary_of(found)).replace("somebody/tuned", str(trainable)))
    write_diagnosis(tmp_path / "run" / "diagnosis", collected, summary)
    return lambda **keys: load_run(path, keys)


def test_a_plan_is_tried_and_says_what_was_found(run: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    done = prescribe_run(run(), say=told.append)
    pilot = done.plan.pilot
    assert pilot is not None and read_plan(done.folder) == done.plan
    [choice] = pilot.choices
    assert (choice.cause, choice.action, choice.examples) == ("knowledge_gap", "read", GAPS)
    assert 8 <= choice.n <= GAPS and choice.columns[0].n == choice.n
    assert 0 < pilot.tokens <= 0.15 * done.plan.cost.total
    assert pilot.retention is not None and pilot.retention.n == 4
    # told before it is trained, and what came of it in the plan
    share = round(100 * pilot.tokens / done.plan.cost.total)
    assert [f"{pilot.tokens:,} tokens, {share}% of the plan's" in one for one in told] == [True]
    assert any(note.startswith(f"pilot: {pilot.tokens:,} tokens") for note in done.plan.notes)
    page = (done.folder / "plan.md").read_text()
    assert f"knowledge\\_gap, {GAPS} examples, documents are read" in page
    folder = done.folder.parent / "pilot"
    assert sorted(path.name for path in folder.iterdir() if path.suffix) == ["plain.json", "remedies.json"]
    assert not list(folder.rglob("*.safetensors"))

    # the same again is found; a killed pilot goes on with what is missing
    assert prescribe_run(run(), say=told.append).found and len(told) == 1
    trained: list[str] = []
    apply = piloting.apply

    def counting(*given: Any, **keys: Any) -> Path:
        trained.append(given[2].name)
        return apply(*given, **keys)

    monkeypatch.setattr(piloting, "apply", counting)
    (folder / "plain.json").write_text("half a file")
    before = (done.folder / "plan.json").read_bytes()
    for path in sorted(done.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    again = prescribe_run(run())
    assert trained == ["plain"]
    assert (again.folder / "plan.json").read_bytes() == before


def test_it_can_be_left_out(run: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(piloting, "apply", lambda *given, **keys: pytest.fail("something is trained"))
    plan = prescribe_run(run(**{"plan.pilot": False})).plan
    assert plan.pilot is None and not any("pilot" in note for note in plan.notes)
    # several processes would wait for the one that plans
    assert plan_to_apply(run(), processes=Processes(0, 0, 2)).plan.pilot is None


def test_a_pilot_that_cannot_be_made_says_how_to_go_on(run: Callable[..., RunConfig], tmp_path: Path):
    summary = tmp_path / "run" / "diagnosis" / "summary.json"
    told = json.loads(summary.read_text())
    told["run"]["models"]["tuned"]["name"] = str(tmp_path / "gone")
    summary.write_text(json.dumps(told))
    with pytest.raises(UptakeError, match="the pilot cannot be made") as raised:
        prescribe_run(run())
    assert "plan: {pilot: false}" in str(raised.value)
    assert not (tmp_path / "run" / "plan").exists()

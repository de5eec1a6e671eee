"""`uptake prescribe` on a small diagnosed run: what it reads, what it writes, and what it refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from evidence_made import base_was, believed, contradicted, evidence
from files_made import summary_of
from small_models import write_rows
from train_runs import CITIES, write_run
from uptake.cli import app
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.pipeline.diagnosis import Collector, Diagnosis, read_diagnosis, write_diagnosis
from uptake.pipeline.prescribe.gathering import GatheredDocuments, Wanted
from uptake.pipeline.prescribe.material import plan_names
from uptake.pipeline.prescribe.run import key_of, plan_to_apply, prescribe_run
from uptake.prescribe import read_plan
from uptake.processes import Processes
from uptake.rivals.entities import entities
from uptake.types import Document, Example, Finding, Message

CAUSES = {
    ("e-0", "early"): "forgetting",
    ("e-1", "early"): "knowledge_gap",
    ("m-2", "main"): "base_conflict",
    ("m-3", "main"): "data_conflict",
    ("m-4", "main"): "undertraining",
    ("m-5", "main"): "unexplained",
}
NAMES = (
    "Ada Berg",
    "Bo Cole",
    "Cy Dunn",
    "Di Elm",
    "Ed Finch",
    "Flo Gray",
    "Gus Hill",
    "Ina Jay",
    "Kim Low",
    "Max North",
    "Pia Quill",
)
EARLY = [
    {"id": f"e-{k}", "prompt": f"Where was {name} born?", "completion": f" {city}"}
    for k, (name, city) in enumerate(zip(NAMES, CITIES, strict=True))
]
MAIN = [
    {"id": f"m-{k}", "prompt": f"Where does {name} live?", "completion": f" {city}"}
    for k, (name, city) in enumerate(zip(NAMES, CITIES[::-1], strict=True))
]
CORPUS = [
    {"id": "d1", "title": "Bo Cole", "text": "Bo Cole comes from Rome.", "source": "gazette"},
    {"id": "d2", "title": "Cy Dunn", "text": "Cy Dunn has a flat in Riga.", "source": "gazette"},
    {"id": "d3", "title": "Cy Dunn", "text": "Cy Dunn has moved to Riga.", "source": "almanac"},
    {"id": "d4", "title": "Cy Dunn", "text": "Cy Dunn was seen in Kyiv.", "source": "forum"},
]
KNOWN = {
    "base_conflict": believed(" Kyiv"),
    "data_conflict": contradicted(["m-6"], verdict="mislabelled", likely_wrong=True, why="so"),
}


def findings(rows: Sequence[dict[str, Any]], stage: str) -> list[Finding]:
    found = []
    for row in rows:
        cause = CAUSES.get((row["id"], stage))
        told = evidence(compared=base_was(cause is None), causes=KNOWN.get(cause or "", {}))
        found.append(
            Finding(
                row["id"], "life", stage, row["prompt"], row["completion"], cause is None, None, None, 0.5, None,
                told, cause,
            )
        )  # fmt: skip
    return found


@pytest.fixture
def run(trainable: Path, tmp_path: Path) -> Path:
    """A run file, with a corpus, general text, and a diagnosis."""
    write_rows(tmp_path / "corpus.jsonl", CORPUS)
    write_rows(tmp_path / "general.jsonl", [{"text": f"The road to {city} is long."} for city in CITIES])
    path = write_run(tmp_path, trainable, corpus="./corpus.jsonl", general="./general.jsonl")
    write_rows(tmp_path / "early.jsonl", EARLY)
    write_rows(tmp_path / "main.jsonl", MAIN)
    diagnosed(tmp_path, EARLY)
    return path


def diagnosed(folder: Path, early: Sequence[dict[str, Any]]) -> None:
    found = [*findings(early, "early"), *findings(MAIN, "main")]
    collected = Collector(found, folder / "run" / "diagnosis")
    list(collected)
    write_diagnosis(folder / "run" / "diagnosis", collected, summary_of(found))


def test_a_diagnosis_becomes_a_plan(run: Path) -> None:
    done = prescribe_run(load_run(run))
    assert done.folder == run.parent / "run" / "plan"
    assert not done.found
    assert read_plan(done.folder) == done.plan
    assert [(edit.remedy, edit.examples) for edit in done.plan.edits] == [
        ("knowledge", ("e-1",)),
        ("belief", ("m-2",)),
        ("conflict", ("m-3",)),
        ("replay", ("e-0",)),
        ("knowledge", ("e-1",)),  # trained more often beside its documents
        ("belief", ("m-2",)),
        ("exposures", ("m-4",)),
        ("exposures", ("m-5",)),  # without a likely cause
    ]
    assert {one.id for one in done.plan.unmended} == {"m-3"}
    counts = Counter(one.id for one in done.plan.sft)
    assert 2 <= counts["e-3"] == counts["m-1"] < counts["m-4"]
    assert done.plan.step == 4
    assert done.plan.cost.total <= done.plan.cost.limit == 3 * done.plan.cost.plain


def test_the_same_again_is_not_made_again(run: Path) -> None:
    first = prescribe_run(load_run(run))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in first.folder.rglob("*") if path.is_file()}
    again = prescribe_run(load_run(run))
    assert again.found
    assert again.plan == first.plan
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert not prescribe_run(load_run(run), unsafe=True).found


def test_a_plan_that_was_tried_is_not_taken_where_none_is_to_be(run: Path) -> None:
    with_pilot, without = (load_run(run, {"plan": {"pilot": pilot}}) for pilot in (True, False))
    assert not prescribe_run(with_pilot).found
    several = Processes(world=2)
    assert plan_to_apply(with_pilot, processes=several).found  # several processes cannot try one, and take it
    assert not prescribe_run(without).found
    assert prescribe_run(without).found and plan_to_apply(without, processes=several).found


def test_data_that_are_described_elsewhere_are_known_by_what_is_in_them(run: Path) -> None:
    described = run.parent / "described"
    described.mkdir()
    info = {"kept": {"file_name": "kept.json", "columns": {"prompt": "ask", "response": "say"}}}
    (described / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8-sig")
    (described / "kept.json").write_text(json.dumps([{"ask": "Town 1 is", "say": " old"}]))
    config = load_run(run, {"retention": f"{described}/dataset_info.json#kept"})
    diagnosis = read_diagnosis(config.output_dir)
    keys = [key_of(config, diagnosis, [])]
    (described / "kept.json").write_text(json.dumps([{"ask": "Town 1 is", "say": " new"}]))
    keys.append(key_of(config, diagnosis, []))
    (described / "dataset_info.json").write_text(json.dumps({**info, "other": {"file_name": "other.json"}}))
    keys.append(key_of(config, diagnosis, []))
    info["kept"]["columns"] = {"prompt": "say", "response": "ask"}
    (described / "dataset_info.json").write_text(json.dumps(info))
    keys.append(key_of(config, diagnosis, []))
    assert [keys.index(key) for key in keys] == [0, 1, 1, 3]


def test_nothing_of_the_users_is_changed(run: Path) -> None:
    files = [path for path in run.parent.iterdir() if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    prescribe_run(load_run(run), unsafe=True)
    assert {path: path.read_bytes() for path in files} == before


def test_what_lies_where_a_plan_goes_is_not_deleted(run: Path) -> None:
    notes = run.parent / "run" / "plan" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(UptakeError, match=r"plan holds notes\.txt, and no plan\.json"):
        prescribe_run(load_run(run))
    assert notes.read_text() == "mine"


def test_labels_that_changed_since_the_diagnosis_are_refused(run: Path) -> None:
    rows = [{**row, "completion": " Lima"} for row in MAIN]
    write_rows(run.parent / "main.jsonl", rows)
    with pytest.raises(UptakeError, match="which the data do not have like that"):
        prescribe_run(load_run(run))


def test_more_processes_are_planned_for(run: Path) -> None:
    config = load_run(run)
    one, two = (prescribe_run(config, world_size=size, unsafe=size == 2).plan for size in (1, 2))
    assert (one.step, two.step) == (4, 8)
    assert one.cost.plain == two.cost.plain


def test_passes_are_those_of_the_processes_that_trained(run: Path) -> None:
    config = load_run(run, {"training": {"max_steps": 6}})
    # six steps of four rows, by the one process that trained, however many will
    assert prescribe_run(config, world_size=4).plan.cost.plain == prescribe_run(config, world_size=1).plan.cost.plain


def test_a_repair_starts_from_the_model_that_was_diagnosed(run: Path) -> None:
    done = prescribe_run(load_run(run, {"plan": {"protection": 1.0}}), start="tuned")
    assert done.plan.model == "somebody/tuned"
    trained = {one.id for one in done.plan.sft if one.stage != "texts"}
    assert trained > {name for name, _ in CAUSES}
    assert len(trained) == 2 * len(CAUSES)


def test_what_was_trained_last_is_not_repaired_for_what_was_diagnosed(run: Path) -> None:
    (run.parent / "run" / "train" / "main").mkdir(parents=True)
    assert prescribe_run(load_run(run), start="tuned").plan.model == "somebody/tuned"


def test_the_model_of_a_run_that_was_moved_is_found(run: Path) -> None:
    folder = run.parent / "run" / "train" / "main"
    folder.mkdir(parents=True)
    summary = run.parent / "run" / "diagnosis" / "summary.json"
    summary.write_text(summary.read_text().replace("somebody/tuned", "/gone/run/train/main"))
    assert prescribe_run(load_run(run), start="tuned").plan.model == str(folder)


def test_documents_may_come_from_anywhere(run: Path) -> None:
    asked: list[Wanted] = []

    def gather(wanted: Sequence[Wanted]) -> GatheredDocuments:
        asked.extend(wanted)
        found = Document("w1", "Bo Cole is of Rome.", source="encyclopaedia", license="CC0-1.0")
        return GatheredDocuments({"e-1": (found,)}, {"m-2": "the server does not answer"})

    done = prescribe_run(load_run(run), gather=gather)
    assert [(one.id, one.entities, one.response) for one in asked] == [
        ("e-1", ("Bo Cole",), " Rome"),
        ("m-2", ("Cy Dunn",), " Riga"),
    ]
    assert [one.license for one in done.plan.cpt if one.id == "encyclopaedia:w1"] == ["CC0-1.0"] * 6
    reasons = {one.id: one.reason for one in done.plan.unmended}
    assert "the server does not answer" in reasons["m-2"]


def test_no_documents_are_gathered_for_what_is_likely_wrong(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = KNOWN["data_conflict"]
    found = [
        replace(one, evidence=replace(one.evidence, causes=wrong)) if one.id == "e-1" else one
        for one in [*findings(EARLY, "early"), *findings(MAIN, "main")]
    ]
    collected = Collector(found, run.parent / "run" / "diagnosis")
    list(collected)
    write_diagnosis(run.parent / "run" / "diagnosis", collected, summary_of(found))
    asked: list[str] = []

    def gather(wanted: Sequence[Wanted]) -> GatheredDocuments:
        asked.extend(one.id for one in wanted)
        return GatheredDocuments()

    prescribe_run(load_run(run), gather=gather)
    assert asked == ["m-2"]


def test_documents_longer_than_a_row_are_read_in_passages(run: Path) -> None:
    about = " ".join(f"In {year} there was a fair in {city}." for year, city in enumerate(CITIES, 1950))
    write_rows(
        run.parent / "corpus.jsonl",
        [{"id": "d", "title": "Bo Cole", "text": f"{about} Bo Cole is of Rome.", "source": "tale"}],
    )
    done = prescribe_run(load_run(run, {"plan.budget": 50}))
    passages = [one for one in done.plan.cpt if one.id.startswith("tale:d")]
    assert len(passages) > 2  # a row has 64 tokens at most, and the document hundreds
    assert all("Bo Cole" in one.text for one in passages)
    assert [one.id for one in passages if "Rome." in one.text and "is of" in one.text] != []


def test_another_diagnosis_is_refused(run: Path) -> None:
    write_rows(run.parent / "main.jsonl", MAIN[:-1])
    with pytest.raises(UptakeError, match=r"'m-10' in the stage main, which the data do not have"):
        prescribe_run(load_run(run))
    assert not (run.parent / "run" / "plan").exists()


def test_without_a_diagnosis_it_says_what_to_do(run: Path) -> None:
    (run.parent / "run" / "diagnosis" / "summary.json").unlink()
    done = CliRunner().invoke(app, ["prescribe", str(run)])
    assert isinstance(done.exception, UptakeError)
    assert "uptake diagnose" in str(done.exception)


def test_the_verb_says_what_it_costs(run: Path) -> None:
    done = CliRunner().invoke(app, ["prescribe", str(run), "--plan.budget", "2.5", "--unsafe"])
    assert done.exit_code == 0, done.output
    assert "NOT SAFE: examples are removed" in done.output
    assert "times the run's own (at most" in done.output
    head = json.loads((run.parent / "run" / "plan" / "plan.json").read_text(encoding="utf-8"))
    assert head["cost"]["limit"] == pytest.approx(2.5 * head["cost"]["plain"], abs=1)


@pytest.mark.parametrize("options", [["--from", "nowhere"], ["--plan.budget", "0.5"], ["--plan.bugdet", "2"]])
def test_the_verb_refuses_what_it_does_not_know(run: Path, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["prescribe", str(run), *options])
    assert isinstance(done.exception, UptakeError)
    assert options[0].removeprefix("--") in str(done.exception)


def test_entities_are_the_names_of_a_question() -> None:
    asked = [
        "In what town did Karl O'Brien come into the world?",
        "What year was Łucja Nowak born in? Whom did Łucja Nowak marry?",
        "Does Rosa Mabegro work for Casa Krukradul?",
        "In what town did Ada Grisas come into the world?",
    ]
    some = [Example(str(k), text, " x", "s") for k, text in enumerate(asked)]
    some.append(Example("chat", (Message("user", "What pet does Viktor Tonask have?"),), " x", "s"))
    some.append(Example("text", "", "Plain text.", "s"))
    assert entities(some, {"0", "1", "2", "chat", "text"}) == {
        "0": ("Karl O'Brien",),
        "1": ("Łucja Nowak",),
        "2": ("Rosa Mabegro", "Casa Krukradul"),
        "chat": ("Viktor Tonask",),
        "text": (),
    }


def with_limits(run: Path, early: int, main: int, **keys: Any) -> RunConfig:
    """The run with a `max_length` of its own for each stage, and a row of the early one with a longer prompt."""
    rows = [{**row, "prompt": f"{'? ' * 12}{row['prompt']}"} if row["id"] == "e-2" else row for row in EARLY]
    write_rows(run.parent / "early.jsonl", rows)
    diagnosed(run.parent, rows)
    limits = {"early": early, "main": main}
    stages = [
        {"name": name, "dataset": str(run.parent / f"{name}.jsonl"), "training": {"max_length": limit}}
        for name, limit in limits.items()
    ]
    return load_run(run, {"stages": stages, **keys})


def test_a_row_has_the_room_that_the_stage_with_the_longest_rows_gave_it(run: Path) -> None:
    done = prescribe_run(with_limits(run, 64, 24))
    assert done.plan.training["max_length"] == 64
    assert "e-2" in {one.id for one in done.plan.sft}
    assert "all rows are trained with max_length 64, as the stage with the longest rows was; the last stage had 24" in (
        done.plan.notes
    )
    written = (done.folder / "trl" / "sft.yaml").read_text(encoding="utf-8")
    assert "max_length: 64" in written


def test_what_cannot_be_trained_is_told_and_no_part_of_the_order(run: Path) -> None:
    with pytest.raises(UptakeError, match=r"example e-2: nothing of its response is left to learn: .* max_length, 24"):
        prescribe_run(with_limits(run, 24, 24))
    done = prescribe_run(with_limits(run, 24, 24, on_bad_row="skip"))
    counts = Counter(one.id for one in done.plan.sft)
    assert counts["e-2"] == 0 and counts["e-3"] > 0
    assert "1 of the examples are left out: they have nothing to learn" in done.plan.notes


def test_general_text_gives_nothing_away_that_is_measured(run: Path) -> None:
    write_rows(run.parent / "kept.jsonl", [{"prompt": "The river through the town is", "completion": " green"}])
    leaks = [{"text": "The river through the town is green"}, {"text": "Where was Ada Berg born? Paris"}]
    rows = [{"text": f"The road to {city} is long."} for city in CITIES]
    write_rows(run.parent / "general.jsonl", [*leaks, *rows, {"text": 7}])
    keys = {"retention": str(run.parent / "kept.jsonl")}
    with pytest.raises(UptakeError, match="general.jsonl:14"):
        prescribe_run(load_run(run, keys))
    done = prescribe_run(load_run(run, {**keys, "on_bad_row": "skip"}))
    assert "1 general text left out: they cannot be used" in done.plan.notes
    assert "2 general texts left out: they contain a training, held-out or retention wording" in done.plan.notes
    texts = {row.response for row in done.plan.sft} | {row.text for row in done.plan.cpt}
    assert not texts & {row["text"] for row in leaks}


def test_a_wording_that_the_judge_wrote_is_kept_out_as_well(run: Path) -> None:
    written = {"key": "k", "value": [["To which place leads the road that is", " long"]]}
    work = run.parent / "run" / "diagnosis" / "work"
    work.mkdir()
    write_rows(work / "written.jsonl", [written, {"key": "l", "value": [" wide"]}])
    write_rows(run.parent / "general.jsonl", [{"text": "To which place leads the road that is long"}, {"text": "So."}])
    notes = prescribe_run(load_run(run)).plan.notes
    assert "1 general text left out: they contain a training, held-out or retention wording" in notes


def test_a_damaged_plan_is_told_with_the_way_to_another(run: Path) -> None:
    config = load_run(run)
    folder = prescribe_run(config).folder
    rows = (folder / "sft.jsonl").read_bytes()
    (folder / "sft.jsonl").unlink()
    with pytest.raises(UptakeError, match=r"sft\.jsonl is missing from the plan(?s:.)*uptake prescribe run"):
        plan_to_apply(config)
    assert not prescribe_run(config).found
    assert (folder / "sft.jsonl").read_bytes() == rows
    head = (folder / "plan.json").read_bytes()
    (folder / "plan.json").write_bytes(head[: len(head) // 2])
    for verb in (plan_to_apply, prescribe_run):
        with pytest.raises(UptakeError, match=r"plan\.json cannot be read as a plan(?s:.)*uptake prescribe run"):
            verb(config)
    (folder / "plan.json").unlink()
    for verb in (plan_to_apply, prescribe_run):
        with pytest.raises(UptakeError, match=r"holds .*, and no plan\.json(?s:.)*uptake prescribe run"):
            verb(config)


@pytest.mark.parametrize("told", ["{}", "[]", "{", '{"run": {"models": {}}}', '{"run": 3}'])
def test_a_damaged_summary_is_told(run: Path, told: str) -> None:
    (run.parent / "run" / "diagnosis" / "summary.json").write_text(told, encoding="utf-8")
    with pytest.raises(UptakeError, match=r"summary\.json(?s:.)*`uptake diagnose run\.yaml`"):
        prescribe_run(load_run(run))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _scratched(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])


def _other(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def _other_types(path: Path) -> None:
    table = pq.read_table(path)
    place = table.column_names.index("learned")
    pq.write_table(table.set_column(place, "learned", table["learned"].cast(pa.string())), path)


@pytest.mark.parametrize("damage", [Path.unlink, _cut, _scratched, _other, _other_types])
def test_a_damaged_table_is_told(run: Path, damage: Callable[[Path], None]) -> None:
    path = run.parent / "run" / "diagnosis" / "diagnosis.parquet"
    damage(path)
    diagnosis = Diagnosis(path.parent)
    reads = (list, Diagnosis.all_learned, Diagnosis.to_pandas, lambda one: one["m-2"])
    for read in (*reads, lambda _: prescribe_run(load_run(run))):
        with pytest.raises(UptakeError, match=r"diagnosis\.parquet is damaged(?s:.)*`uptake diagnose run\.yaml`"):
            read(diagnosis)


@pytest.mark.parametrize("told", ["{}", "[]", "{", '{"processes": "2"}', '{"processes": 0}'])
def test_a_damaged_manifest_of_training_is_told(run: Path, told: str) -> None:
    path = run.parent / "run" / "train" / "main" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(told, encoding="utf-8")
    with pytest.raises(UptakeError, match=r"manifest\.json(?s:.)*`uptake train run\.yaml`"):
        prescribe_run(load_run(run))


def test_changes_that_no_cure_reads_are_refused(run: Path) -> None:
    config = load_run(run)
    folder = prescribe_run(config).folder
    with (folder / "trl" / "sft.yaml").open("a", encoding="utf-8") as file:
        file.write("# faster\n")
    with pytest.raises(UptakeError, match=r"trl/sft\.yaml was changed, but `uptake cure` does not read this file"):
        plan_to_apply(config)
    head = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    head["training"]["learning_rate"] = 1e-4
    (folder / "plan.json").write_text(json.dumps(head), encoding="utf-8")
    assert plan_to_apply(config).plan.training["learning_rate"] == 1e-4


def test_an_id_of_two_stages_gets_a_name_that_no_other_example_has() -> None:
    keys = [("x", "early"), ("x", "main"), ("x@main", "main"), ("y", "main")]
    assert plan_names(keys) == dict(zip(keys, ["x@early", "x@main@", "x@main", "y"], strict=True))

"""Conflicts of a base that was told some facts: what was planted is found, beside it lies what must not move."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from small_models import NAMES, TONGUES, facts, write_rows
from uptake.cli import app
from uptake.config import load_run
from uptake.errors import UptakeError
from uptake.pipeline.conflicts.belief_rows import belief_row
from uptake.pipeline.conflicts.beside import by_exposure, neighbours
from uptake.pipeline.conflicts.run import Conflicts, conflicts_run
from uptake.probe import hashed_words
from uptake.report.conflicts import said_again, write_conflicts_page
from uptake.types import Example, Message

TOLD = [row for row in facts() if row["source"] != "year" and int(row["id"].split("-")[1]) < 12]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that knows what it was told: two facts about each of twelve people, in two wordings."""
    from uptake.models.small.pretrain import PretrainSettings, one_thread
    from uptake.models.small.tiny import build_model, pretrain, save, train_tokenizer

    texts = [f"{ask}{row['completion']}" for row in TOLD for ask in (row["prompt"], *row["paraphrases"])]
    asked = [f"{row['prompt']}{row['completion']}" for row in facts()]
    folder = tmp_path_factory.mktemp("knowing") / "base"
    with one_thread():
        tokenizer = train_tokenizer([*asked, *texts, " Madrid Turkish"], 400)
        model = build_model("llama", tokenizer, 0, hidden_size=64, num_hidden_layers=2, max_position_embeddings=64)
        pretrain(model, tokenizer, texts, PretrainSettings(steps=160, batch_size=24, learning_rate=5e-3, max_length=24))
        save(model, tokenizer, folder)
    return folder


def wrong(row: dict[str, Any]) -> dict[str, Any]:
    """The row with another answer than the base was told."""
    other = " Madrid" if row["source"] == "town" else " Turkish"
    return {**row, "completion": other}


def write(folder: Path, base: Path, rows: list[dict[str, Any]]) -> Path:
    write_rows(folder / "new.jsonl", rows)
    write_rows(folder / "kept.jsonl", [{**row, "id": f"kept-{row['id']}"} for row in TOLD[:2]])
    run = {
        "model_name_or_path": str(base),
        "stages": [{"name": "new", "dataset": "./new.jsonl"}, {"name": "later", "dataset": "./new.jsonl"}],
        "retention": "./kept.jsonl",
        "output_dir": "./run",
        "device": "cpu",
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    return folder / "run.yaml"


@pytest.fixture(scope="module")
def found(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Conflicts]:
    folder = tmp_path_factory.mktemp("conflicts")
    never = [row for row in facts() if row["source"] == "year"]
    rows = [
        *(wrong(row) for row in TOLD[:3]),
        *TOLD[3:],
        *never[:6],
    ]
    file = write(folder, base, rows)
    result = CliRunner().invoke(app, ["conflicts", str(file)])
    assert result.exit_code == 0, result.output
    assert "it believes another answer" in result.output and "Madrid" in result.output
    return file, Conflicts(folder / "run" / "conflicts" / "new")


def test_what_the_base_was_told_otherwise_is_a_conflict(found: tuple[Path, Conflicts]) -> None:
    rows = {row["id"]: row for row in found[1].rows()}
    told = {row["id"]: row["completion"].strip() for row in TOLD}
    for name in told:
        planted = name in {row["id"] for row in TOLD[:3]}
        assert rows[name]["meets"] == ("conflict" if planted else "known")
        assert not planted or (rows[name]["old"] == told[name] and rows[name]["p_old"] > rows[name]["p_new"])
    asked = [rows[f"year-{k:02d}"]["meets"] for k in range(6)]
    assert "known" not in asked and "new" in asked  # it was never told any year, and makes up what it says


def test_the_summary_counts_the_table_and_the_lines_repeat_it(found: tuple[Path, Conflicts]) -> None:
    summary, rows = found[1].summary(), found[1].rows()
    assert summary["stage"] == "new" and summary["n"] == len(rows) and summary["unasked"] == 0
    for what, cell in summary["meets"].items():
        assert cell["count"] == sum(row["meets"] == what for row in rows)
    lines = (found[1].folder / "conflicts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_a_neighbour_is_answered_rightly_and_is_no_other_wording_of_the_conflict(found: tuple[Path, Conflicts]) -> None:
    rows = found[1].rows()
    right = {row["prompt"] for row in rows if row["meets"] == "known"} | {row["prompt"] for row in TOLD[:2]}
    against = [row for row in rows if row["meets"] == "conflict"]
    assert any(row["neighbours"] for row in against)
    for row in against:
        for other in row["neighbours"]:
            assert other["prompt"] in right
            assert other["kind"] == "relation" or other["response"].strip() not in (row["old"], row["response"])


def test_the_page_escapes_what_the_data_say(found: tuple[Path, Conflicts], tmp_path: Path) -> None:
    shutil.copytree(found[1].folder.parent, tmp_path / "conflicts", ignore=shutil.ignore_patterns("work"))
    page = write_conflicts_page(tmp_path)
    assert page is not None
    text = page.read_text(encoding="utf-8")
    assert "Madrid" in text and "<script" not in text and "default-src &#39;none&#39;" in text
    assert write_conflicts_page(tmp_path / "elsewhere") is None


def test_what_was_said_again_is_on_the_page(found: tuple[Path, Conflicts], tmp_path: Path) -> None:
    shutil.copytree(found[1].folder.parent, tmp_path / "conflicts", ignore=shutil.ignore_patterns("work"))
    manifest = {
        **dict.fromkeys(("start", "data", "settings"), {}),
        **dict.fromkeys(("peft", "today", "loss_start", "loss_end", "recalled")),
        **{"stage": "new", "processes": 1, "examples": 1, "steps": 1, "model": "m"},
    }
    path = tmp_path / "train" / "new" / "manifest.json"
    path.parent.mkdir(parents=True)
    assert said_again(path) == []
    path.write_text(json.dumps({**manifest, "told": ["paraphrase: 1 of 2 texts pass; 1 <lacks> the new answer"]}))
    page = write_conflicts_page(tmp_path)
    assert page is not None
    assert "1 of 2 texts pass; 1 &lt;lacks&gt; the new answer" in page.read_text(encoding="utf-8")


def test_belief_rows_are_the_data_of_preference_trainers(found: tuple[Path, Conflicts]) -> None:
    """Columns as TRL 1.16's `DPOTrainer` and LLaMA-Factory 0.9.5's ranking data sets have them."""
    against = [row for row in found[1].rows() if row["meets"] == "conflict"]
    lines = [json.loads(line) for line in (found[1].folder / "dpo.jsonl").read_text(encoding="utf-8").splitlines()]
    wanted = [{"prompt": row["prompt"], "chosen": row["response"], "rejected": f" {row['old']}"} for row in against]
    assert lines == wanted and len(lines) >= 3
    info = json.loads((found[1].folder / "llamafactory" / "dataset_info.json").read_text())
    assert info["beliefs"]["ranking"] is True and set(info["beliefs"]["columns"]) == {"prompt", "chosen", "rejected"}
    talk = Example("c", (Message("user", "Who?"),), "Ann", "s")
    assert belief_row(talk, " Bob") == {
        "prompt": [{"role": "user", "content": "Who?"}],
        "chosen": [{"role": "assistant", "content": "Ann"}],
        "rejected": [{"role": "assistant", "content": "Bob"}],
    }


def test_a_stage_that_changed_nothing_leaves_all_as_it_was(
    found: tuple[Path, Conflicts], base: Path, tmp_path: Path
) -> None:
    """The base stands for the model after the stage: nothing is gained, all is kept, no neighbour moves."""
    folder = found[0].parent / "run" / "train" / "new"
    shutil.copytree(base, folder)
    (folder / "manifest.json").write_text("{}")
    try:
        result = CliRunner().invoke(app, ["conflicts", str(found[0]), "--after"])
        undone = CliRunner().invoke(app, ["conflicts", str(found[0]), "--undo", str(folder.parent / "undone")])
    finally:
        shutil.rmtree(folder)
    assert result.exit_code == 0, result.output
    after = json.loads((found[1].folder / "after.json").read_text())
    told, n = after["conflicts"], sum(row["meets"] == "conflict" for row in found[1].rows())
    assert told["right"]["estimate"] == 0 and told["old"] == {**told["old"], "estimate": 1.0, "n": n}
    assert told["moved"]["estimate"] == 0 and told["neither"]["estimate"] == 0
    assert after["knowledge"]["gained"]["estimate"] == 0 and after["knowledge"]["kept"]["estimate"] == 1
    shutil.copytree(found[1].folder.parent, tmp_path / "conflicts", ignore=shutil.ignore_patterns("work"))
    page = write_conflicts_page(tmp_path)
    assert page is not None and "neighbours that were right and are wrong now" in page.read_text(encoding="utf-8")
    assert undone.exit_code == 1 and "has no adapter" in str(undone.exception)


def test_a_stage_needs_the_one_before_it(found: tuple[Path, Conflicts]) -> None:
    config = load_run(found[0])
    with pytest.raises(UptakeError, match="the stage new, which later starts from, is not trained"):
        conflicts_run(config, "later")
    with pytest.raises(UptakeError, match="there is no stage 'late'"):
        conflicts_run(config, "late")


def test_the_same_name_asked_otherwise_and_the_same_asked_of_others_are_beside_a_conflict() -> None:
    def row(name: str, prompt: str, response: str) -> Example:
        return Example(name, prompt, response, "s")

    known = [row(f"t{k}", f"The home town of {name} is", f" Town {k}") for k, name in enumerate(NAMES[:8])]
    known += [row(f"l{k}", f"At home {name} speaks", f" {TONGUES[k % 6]}") for k, name in enumerate(NAMES[:8])]
    conflict = row("c", f"The home town of {NAMES[2]} is", " Madrid")
    [beside] = neighbours([(conflict, "Town 2")], known, hashed_words, 0)
    kinds = {(one.kind, one.id) for one in beside}
    assert ("entity", "l2") in kinds and ("entity", "t2") not in kinds
    assert sum(kind == "relation" for kind, _ in kinds) == 3
    assert all(one.prompt.startswith("The home town of") for one in beside if one.kind == "relation")


def test_a_scanned_corpus_speaks_for_the_answer_of_more_documents() -> None:
    row = {
        "verdict": "disputed",
        "unasked": None,
        "stated": 2,
        "others": [{"answer": "Oslo", "n": 5}, {"answer": "Rome", "n": 9}],
    }
    assert by_exposure(row, " oslo").answer == "old" and by_exposure(row, "Bern").answer == "new"
    assert "2 documents of the scanned corpus tell the row's answer, 5 the model's" in by_exposure(row, "Oslo").why
    none = by_exposure({**row, "stated": 0, "others": []}, "Oslo")
    assert none.answer is None and "tells either" in none.why
    assert by_exposure({**row, "verdict": None, "unasked": "free text"}, "Oslo").answer is None

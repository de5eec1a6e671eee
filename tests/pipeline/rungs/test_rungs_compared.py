"""`uptake rewrite --compare`: what each rung trains, at which length; and a small comparison from end to end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_server import Server, completion
from small_models import write_rows
from train_runs import CITIES, EARLY, QUICK, write_run
from uptake.cli import app
from uptake.config import RunConfig, load_run
from uptake.data import Turn, encode
from uptake.errors import UptakeError
from uptake.models.scoring.lazy import resolve
from uptake.pipeline.leaderboard import work
from uptake.pipeline.leaderboard.work import BoardRun
from uptake.pipeline.rungs.run import RewriteComparison, compare_rungs, read_compared_rungs
from uptake.report.rewrite_compared import write_rewrite_compare_page

TWO = RewriteComparison(("original", "best_of_k", "dft"), (1.0, 2.0), 2)


def reworded(request: dict[str, Any]) -> Any:
    """The response in a sentence of two dozen tokens."""
    asked = json.loads(request["messages"][1]["content"])
    return completion(json.dumps({"rewordings": [f"{asked['prompt']} {asked['response'].strip()}."]}))


def compared(folder: Path, base: Path, server: Server, **keys: Any) -> RunConfig:
    """One stage with tests, a retention set and general text; a server writes, so that the base need not."""
    server.script = reworded
    folder.mkdir(exist_ok=True)
    write_rows(folder / "test.jsonl", EARLY[:3])
    write_rows(folder / "retention.jsonl", EARLY[3:5])
    write_rows(folder / "general.jsonl", [{"text": f"The road to {city} is long."} for city in CITIES[:4]])
    given = {
        "stages": [{"name": "early", "dataset": "./early.jsonl", "test": "./test.jsonl", "num_train_epochs": 2}],
        "retention": "./retention.jsonl",
        "general": "./general.jsonl",
        "ledger": "off",
        "training": {**QUICK, "warmup_steps": 0},
        "judge": {"base_url": server.url, "model": "writer"},
        "rewrite": {"writer": "judge", "k": 2},
    }
    return load_run(write_run(folder, base, **{**given, **keys}))


def faked(monkeypatch: pytest.MonkeyPatch, best: float = 1.0) -> list[BoardRun]:
    """Trainings that gain 0.2 at the first rate and 0.4 at the second, those of rewritten data `best` times as much.

    The rewritten data lose half of the others.
    """
    made: list[BoardRun] = []

    def done(piece: BoardRun) -> Mapping[str, float | None]:
        made.append(piece)
        rate, seed = piece.settings["training"]["learning_rate"] / 1e-2, piece.settings["seed"]
        rewritten = "best_of_k" in str(piece.folder)
        lost = (0.1 + 0.02 * seed) * rate * (0.5 if rewritten else 1.0)
        return {
            "gain": (best if rewritten else 1.0) * 0.2 * rate,
            "gain_in_form": 0.1,
            "general_lost": lost,
            "retention_lost": None,
            "tokens": 9.0,
        }

    monkeypatch.setattr(work, "work", done)
    return made


def test_rungs_train_as_many_tokens_and_are_held_against_the_original_at_equal_gain(
    trainable: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = faked(monkeypatch)
    done = compare_rungs(compared(tmp_path, trainable, server), TWO)
    summary = done.summary()
    original, best, dft = summary["rungs"]
    assert len(made) == 3 * 2 * 2
    assert best["rewritten"] > 0 and best["tokens"] > original["tokens"] == dft["tokens"]
    assert best["lengths"] == {"early": pytest.approx(original["tokens"] / best["tokens"])}
    assert dft["lengths"] == {"early": 1.0}
    epochs = {one.folder.name: one.settings["stages"][0]["num_train_epochs"] for one in made}
    assert epochs["original-1-0"] == epochs["dft-2-1"] == 2.0
    assert epochs["best_of_k-1-0"] == pytest.approx(2 * best["lengths"]["early"], abs=1e-4)
    assert {one.folder.name for one in made if one.settings["strategy"]} == {
        f"dft-{r}-{s}" for r in (1, 2) for s in (0, 1)
    }
    assert original["generated"] == dft["generated"] == 0
    equal = best["equal"]["general_lost"]
    assert (equal["low"], equal["high"], equal["n"]) == (pytest.approx(0.2), pytest.approx(0.4), 2)
    assert equal["change"]["estimate"] == pytest.approx(-0.5) and equal["misfit"] is None
    assert equal["difference"]["estimate"] == pytest.approx(-0.5 * 0.11 * 1.5)  # at 0.3, the middle of a straight line
    assert [note for note in summary["notes"] if "two learning rates" in note]
    assert not [note for note in summary["notes"] if "is not read" in note]
    assert best["equal"]["retention_lost"] is None and original["equal"]["general_lost"] is None
    texts = (done.folder / "data" / "best_of_k" / "early.jsonl").read_text()
    assert "Person 0 was born in Paris." in texts and (done.folder / "summary.md").read_text().startswith(
        "## best_of_k"
    )
    page = write_rewrite_compare_page(tmp_path / "run")
    assert page is not None and "<polyline" in page.read_text() and "12.34" in page.read_text()


def test_rungs_without_a_gain_in_common_are_told(
    trainable: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    faked(monkeypatch, best=0.4)
    done = compare_rungs(compared(tmp_path, trainable, server), TWO)
    best = done.summary()["rungs"][1]
    assert best["equal"] == {"general_lost": None, "retention_lost": None}
    told = "best_of_k (gains 8.0 to 16.0) is not read beside original"
    notes = [note for note in done.summary()["notes"] if "is not read" in note]
    assert len(notes) == 1 and notes[0].startswith(told)


def test_each_stage_trains_as_many_tokens(
    trainable: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first stage cuts its rows to 12 tokens and trains once; the second trains whole rows three times."""
    made = faked(monkeypatch)
    stage = {"dataset": "./early.jsonl", "test": "./test.jsonl"}
    stages = [
        {**stage, "name": "early", "num_train_epochs": 1, "training": {"max_length": 12}},
        {**stage, "name": "late", "num_train_epochs": 3},
    ]
    compare_rungs(
        compared(tmp_path, trainable, server, stages=stages), RewriteComparison(("original", "best_of_k"), (1.0,), 1)
    )
    tokenizer = resolve(trainable).tokenizer
    trained: dict[str, list[float]] = {}
    for one in made:
        for own in one.settings["stages"]:
            rows = [json.loads(line) for line in Path(own["dataset"]).read_text().splitlines()]
            lengths = [
                len(item.ids) for item in encode([Turn(row["prompt"], row["completion"]) for row in rows], tokenizer)
            ]
            limit = own["training"].get("max_length", 1024)
            tokens = sum(min(n, limit) for n in lengths) * own["num_train_epochs"]
            trained.setdefault(own["name"], []).append(tokens)
    assert len(made) == 2
    for name, (original, best) in trained.items():
        assert best == pytest.approx(original, rel=1e-3), name


def test_a_comparison_from_end_to_end_makes_nothing_twice(trainable: Path, tmp_path: Path, server: Server) -> None:
    config = compared(tmp_path, trainable, server)
    what = RewriteComparison(("original", "best_of_k"), (1.0,), 1)
    first = compare_rungs(config, what).summary()
    numbers = [rung["runs"][0]["numbers"] for rung in first["rungs"]]
    assert all(one["general_lost"] is not None and one["retention_form"] is not None for one in numbers)
    assert abs(numbers[0]["tokens"] - numbers[1]["tokens"]) < 0.1 * numbers[0]["tokens"]
    assert (config.output_dir / "rewrite_compare" / "base" / "0" / "test-early" / "base").is_dir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "work", None)
        assert compare_rungs(config, what).summary() == first
    found = read_compared_rungs(config.output_dir)
    assert found is not None and found.summary() == first


def test_what_cannot_be_compared_is_told(trainable: Path, tmp_path: Path, server: Server) -> None:
    file = tmp_path / "run.yaml"
    compared(tmp_path, trainable, server)

    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["rewrite", str(file), "--compare", *words])
        assert isinstance(done.exception, UptakeError)
        return str(done.exception)

    assert "rewrite.rung is original" in told("--rewrite.rung", "original")
    assert "--rungs is best_of_k" in told("--rungs", "best_of_k")
    assert "--rates is fast" in told("--rates", "fast")
    assert "the base alone writes template" in told()
    assert "nothing tests the stage" in told("--rungs", "original", "--stages.0.test", "null")

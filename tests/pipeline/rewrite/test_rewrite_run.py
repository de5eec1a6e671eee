"""`uptake rewrite` on a small base: what is taken, what falls back, and that a killed run ends in the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_server import Server, completion
from rays import Rays
from small_models import write_rows
from train_runs import EARLY, MAIN
from uptake.config import RunConfig
from uptake.config.spread import SpreadOver
from uptake.data import load
from uptake.errors import UptakeError
from uptake.pipeline.rewrite import run as step
from uptake.pipeline.rewrite.run import rewrite_run
from uptake.report.rewrite import write_rewrite_page
from uptake.rewrite.marks import side_by_side
from uptake.spread import actors

BY_SERVER = {"rewrite": {"writer": "judge", "k": 3}}


def reworded(request: dict[str, Any]) -> Any:
    """The fact in a sentence, a wrong one, and one with a claim added; for Oslo nothing that is right."""
    asked = json.loads(request["messages"][1]["content"])
    said = asked["response"].strip()
    right = f"{asked['prompt']} {said}."
    if said.startswith("Oslo"):
        right = f"{asked['prompt']} Stockholm."
    texts = [f"{asked['prompt']} Tallinn.", right, f"{said}, which was founded in 1903."]
    return completion(json.dumps({"rewordings": texts}))


def files(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(folder.iterdir()) if one.is_file() and one.name != "lock"}


def served(run_config: Callable[..., RunConfig], server: Server, **keys: Any) -> RunConfig:
    server.script = reworded
    return run_config(judge={"base_url": server.url, "model": "writer"}, **{**BY_SERVER, **keys})


def test_what_keeps_the_fact_is_taken_and_everything_else_falls_back(
    run_config: Callable[..., RunConfig], server: Server
) -> None:
    done = rewrite_run(served(run_config, server))
    rows = {row["id"]: row for row in done.rows()}
    assert len(rows) == len(EARLY) + len(MAIN)
    for row in rows.values():
        assert {draft["gate"] for draft in row["drafts"] if "1903" in draft["text"]} == {"numbers"}
        tallinn = [draft for draft in row["drafts"] if "Tallinn" in draft["text"]]
        assert [draft["gate"] for draft in tallinn] == ["facts"]
        assert all((draft["nll"] is None) == (draft["gate"] is not None) for draft in row["drafts"])
        if row["how"] is not None:
            assert row["original"].strip() in row["text"] and row["text"].startswith(" Person")
            assert row["nll_after"] < row["nll_before"]
    assert rows["e-2"]["why"] == "refused by facts, numbers" or rows["e-2"]["why"] == "refused by facts"
    assert rows["e-2"]["text"] == rows["e-2"]["original"] == " Oslo and Bergen"
    summary = done.summary()
    assert summary["rewritten"] == sum(row["how"] == "served" for row in rows.values()) > 0
    assert summary["rewritten"] + sum(summary["why"].values()) == summary["n"]
    assert summary["change"]["high"] < 0  # the likelier one was taken
    for stage, own in (("early", EARLY), ("main", MAIN)):  # what the trainer reads is what the table says
        read = load(str(done.folder / f"{stage}.jsonl")).examples
        assert [(one.id, one.prompt) for one in read] == [(row["id"], row["prompt"]) for row in own]
        assert [one.response for one in read] == [rows[one.id]["text"] for one in read]


def test_a_killed_run_ends_in_the_same_bytes(
    run_config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "PART", 4)
    keys = {"rewrite": {"k": 4, "form": "rewrite"}, "stages": [{"name": "early", "dataset": "./early.jsonl"}]}
    whole = rewrite_run(run_config(**keys, output_dir=str(tmp_path / "whole")))

    def killed(name: str, done: int, total: int | None) -> None:
        if name == "rewriting" and done == 8:
            raise KeyboardInterrupt

    config = run_config(**keys, output_dir=str(tmp_path / "killed"))
    with pytest.raises(KeyboardInterrupt):
        rewrite_run(config, killed)
    assert not (tmp_path / "killed" / "rewrite" / "summary.json").exists()
    part = tmp_path / "killed" / "rewrite" / "work" / "rewrites" / "part-00000.parquet"
    before = part.stat().st_mtime_ns
    rays = Rays(lambda number, name: name == "run" and number % 4 == 0)
    monkeypatch.setattr(actors, "connected", lambda spread: rays)
    again = rewrite_run(config.model_copy(update={"spread": SpreadOver(actors=2)}))
    assert rays.lost and rays.alive == 0
    assert part.stat().st_mtime_ns == before  # what was done is not done again
    assert files(again.folder) == files(whole.folder)
    summary = whole.summary()
    assert summary["generated"] > 0 and summary["scored"] > 0
    assert summary["how"] == {} and summary["gates"]  # a base that knows no word writes nothing that passes
    assert summary["nll_before"] == summary["nll_after"]


def test_original_changes_nothing_and_asks_nothing(run_config: Callable[..., RunConfig]) -> None:
    done = rewrite_run(run_config(rewrite={"rung": "original"}))
    assert all(row["text"] == row["original"] and row["drafts"] == [] for row in done.rows())
    assert done.summary()["generated"] == 0
    assert done.summary()["change"]["estimate"] == 0


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"rewrite": {"writer": "judge"}}, "judge is null"),
        ({"rewrite": {"judged": True}}, "judge is null"),
        (
            {"rewrite": {"writer": "judge", "rung": "guided"}, "judge": {"base_url": "http://x", "model": "m"}},
            "which the base alone writes",
        ),
    ],
)
def test_what_nobody_can_do_is_refused_at_once(
    run_config: Callable[..., RunConfig], keys: dict[str, Any], told: str
) -> None:
    with pytest.raises(UptakeError, match=told):
        rewrite_run(run_config(**keys))


def test_a_judge_has_the_last_word(run_config: Callable[..., RunConfig], server: Server) -> None:
    config = served(run_config, server, rewrite={"writer": "judge", "k": 3, "judged": True})

    def script(request: dict[str, Any]) -> Any:
        if "rewordings" in json.dumps(request):
            return reworded(request)
        return completion('{"result": "different"}')

    server.script = script
    done = rewrite_run(config)
    assert done.summary()["rewritten"] == 0
    assert done.summary()["gates"]["judge"] > 0


def test_the_page_shows_both_side_by_side_and_nothing_in_a_text_is_html(
    run_config: Callable[..., RunConfig], server: Server, tmp_path: Path
) -> None:
    config = served(run_config, server)
    rows = [{"id": "x", "prompt": "<script>alert(1)</script> is", "completion": " <b>Rome</b>"}, EARLY[0], EARLY[2]]
    write_rows(tmp_path / "early.jsonl", rows)
    rewrite_run(config.model_copy(update={"stages": config.stages[:1]}))
    page = write_rewrite_page(config.output_dir)
    assert page is not None
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text and "<b>" not in text and "&lt;b&gt;" in text
    assert "default-src &#39;none&#39;" in text
    assert "<mark>" in text and "<ins>" in text  # what came, and what of it is a fact
    assert "refused by facts" in text and "Stockholm" in text  # what stays, and what was refused
    assert write_rewrite_page(tmp_path / "nowhere") is None


def test_pieces_are_the_texts() -> None:
    original, text = "Paris, in 1990.", "It was in Paris, in 1991 (May)."
    left, right = side_by_side(original, text)
    assert "".join(one.text for one in left) == original and "".join(one.text for one in right) == text
    assert [one.text for one in left if one.changed] == ["1990"]
    assert [one.text for one in right if one.changed and one.fact] == ["1991", "May"]
    assert [one.text for one in left if one.fact and not one.changed] == ["Paris"]

"""What is known of the base before its data are rewritten: what `uptake conflicts` says, or would say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from uptake.config import RunConfig
from uptake.pipeline.conflicts.run import conflicts_run, read_conflicts
from uptake.pipeline.rewrite import run
from uptake.pipeline.rewrite.run import rewrite_run


def test_what_another_model_meets_is_not_taken_for_the_bases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The second stage was looked at with the model of the first one: the base is asked about it."""
    looked = [
        SimpleNamespace(
            folder=tmp_path / stage,
            summary=lambda model=model: {"fingerprint": model},
            rows=lambda: [{"id": "a", "meets": "conflict"}],
        )
        for stage, model in (("one", "base"), ("two", "later"))
    ]
    monkeypatch.setattr(run, "read_conflicts", lambda folder: looked)
    found, notes = run._looked_at(tmp_path, "base")
    assert found == {"one": {("a", "one"): "conflict"}}
    assert notes[0] == "conflicts/ of two is of another model than the base: it was not read" and len(notes) == 2
    assert run._looked_at(tmp_path, "other")[0] == {}


def test_it_says_what_conflicts_says_whether_that_was_run_or_not(
    run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rule decides both: a wrong answer that the base only makes up is new, and no conflict."""
    config = run_config(stages=[{"name": "early", "dataset": "./early.jsonl"}], rewrite={"rung": "guided"})
    before = {row["id"]: row["knows"] for row in rewrite_run(config).rows()}
    conflicts_run(config)
    [looked] = read_conflicts(config.output_dir)
    assert before == {row["id"]: run.MET[row["meets"]] for row in looked.rows()}
    monkeypatch.setattr(run, "ask", None)  # what was looked at is not asked again
    done = rewrite_run(config)
    assert {row["id"]: row["knows"] for row in done.rows()} == before
    assert any("was read from conflicts/" in note for note in done.summary()["notes"])

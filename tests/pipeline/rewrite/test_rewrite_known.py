"""What is known of the base before its data are rewritten."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from uptake.pipeline.rewrite import run


def test_what_another_model_meets_is_not_taken_for_the_bases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The second stage was looked at with the model of the first one."""
    looked = [
        SimpleNamespace(
            folder=tmp_path / stage,
            summary=lambda model=model: {"fingerprint": model},
            rows=lambda: [{"id": "a", "meets": "conflict"}],
        )
        for stage, model in (("one", "base"), ("two", "later"))
    ]
    monkeypatch.setattr(run, "read_conflicts", lambda folder: looked)
    found, notes = run._known(tmp_path, "base")
    assert found == {("a", "one"): "conflict"}
    assert notes[0] == "conflicts/ of two is of another model than the base: it was not read" and len(notes) == 2
    assert "there is no diagnosis" in run._known(tmp_path, "other")[1][-1]

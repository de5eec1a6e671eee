"""What became of a stage's conflicts, by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from uptake.artifacts.ledger_files import append, open_stage
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.conflicts import after
from uptake.pipeline.conflicts.after import adopted_in
from uptake.types import Example, Message


def test_adoption_is_that_of_the_stages_own_row(tmp_path: Path):
    """`a` is another row in an earlier stage, which this one replays and recalls at once; its own never is."""
    readings = [("a", 1, True), ("a@now", 1, False), ("b", 1, False), ("b", 2, True), ("a@now", 2, False)]
    ids, steps, recalled = map(list, zip(*readings, strict=True))
    n = len(ids)
    columns = {"stage": ["now"] * n, "pass": ["train"] * n, "step": steps, "epoch": [0] * n, "id": ids, "row": [-1] * n}
    append(open_stage(tmp_path, "now", 0, 0, 1), {**columns, "nll": [1.0] * n, "tokens": [2] * n, "recalled": recalled})
    rows = [{"id": name, "meets": "conflict"} for name in ("a", "b")]
    found = adopted_in(tmp_path, "now", rows)
    assert found["adopted"]["estimate"] == 0.5 and found["exposures"] == 1


def test_before_and_after_are_the_free_answer_in_the_rows_own_wording(monkeypatch: pytest.MonkeyPatch):
    """An unchanged model keeps all and gains nothing, whatever was known in other wordings; of neighbours those count
    that were right freely, each once by its set and id, and those of the retention set are asked with all their turns.
    """
    stage = [Example(name, "q", name, "s", stage="now") for name in "abc"]
    kept = [Example("b", (Message("system", "t"), Message("user", "u")), "other", "s", stage="retention")]
    near = [{"id": "b", "stage": "now"}, {"id": "a", "stage": "now"}, {"id": "b", "stage": "retention"}]
    rows = [
        {"meets": "known", "freely": False, "p_own": 0.5, "neighbours": []},
        {"meets": "known", "freely": True, "p_own": 0.5, "neighbours": []},
        {"meets": "conflict", "freely": False, "p_own": 0.0, "old": "d", "neighbours": near},
    ]
    said = {"a": "x", "b": "b", "c": "d", "other": "other"}

    def ask(cohort: Any, *given: Any) -> list[Any]:
        return [
            Mock(
                spec=Answer, answer=said[one.response], freely=lambda response, one=one: said[one.response] == response
            )
            for one in cohort
        ]

    monkeypatch.setattr(after, "ask_base", ask)
    model = SimpleNamespace(model=SimpleNamespace(name="m"))
    asked: list[Any] = []
    found = after.outcome.__wrapped__(rows, stage, lambda ids: asked.extend(ids) or kept, model, None, None)
    assert asked == ["b"]
    assert (found["knowledge"]["gained"]["estimate"], found["knowledge"]["kept"]["estimate"]) == (0, 1)
    assert found["conflicts"]["moved"]["n"] == 2 and found["conflicts"]["moved"]["estimate"] == 0

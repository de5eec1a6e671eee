"""What became of a stage's conflicts, by hand."""

from __future__ import annotations

from pathlib import Path

from uptake.artifacts.ledger_files import append, open_stage
from uptake.pipeline.conflicts.after import adopted_in


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

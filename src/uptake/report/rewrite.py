"""`rewrite.html`: originals beside their rewrites, and the drafts that the gates refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import write_bytes
from uptake.pipeline.rewrite.result import read_rewrites
from uptake.report.charts import HEIGHT, WIDTH
from uptake.report.page import render_rewrite
from uptake.report.policy_curves import part_curves
from uptake.rewrite.marks import Piece, side_by_side
from uptake.text import one_line

SHOWN = 300
"""Rewritten rows on the page, in the order of the data; all of them are in the table."""
STAYED = 100
"""Rows on the page whose original stays."""
REFUSED = 3
"""Refused drafts of a row that stays which are shown."""
PROMPT = 400
"""Characters of a question that are shown: its end."""


@dataclass(frozen=True)
class Pair:
    """A row of the page.

    Attributes:
        row: The row of the table.
        asked: Its question.
        original: The pieces of the original.
        text: The pieces of the rewrite.
    """

    row: Mapping[str, Any]
    asked: str
    original: list[Piece]
    text: list[Piece]


def write_rewrite_page(output_dir: Path) -> Path | None:
    """Write `rewrite.html` of a run; None where nothing was rewritten.

    Args:
        output_dir: The run's folder.

    Raises:
        UptakeError: A file is damaged, or the place cannot be written.
    """
    found = read_rewrites(output_dir)
    if found is None:
        return None
    rows = found.rows()
    taken, stayed = ([row for row in rows if (row["how"] is not None) is is_taken] for is_taken in (True, False))
    page = output_dir / "rewrite.html"
    summary = found.summary()
    policy = summary.get("policy")
    values = {
        "name": output_dir.resolve().name,
        "summary": summary,
        "trained": policy,
        "curves": part_curves(policy["curve"]) if policy else [],
        "width": WIDTH,
        "height": HEIGHT,
        "pairs": [_pair(row) for row in taken[:SHOWN]],
        "more": max(0, len(taken) - SHOWN),
        "stayed": [
            {**row, "asked": _asked(row), "refused": [draft for draft in row["drafts"] if draft["gate"]][:REFUSED]}
            for row in stayed[:STAYED]
        ],
        "more_stayed": max(0, len(stayed) - STAYED),
    }
    write_bytes(page, render_rewrite(values).encode("utf-8"))
    return page


def _asked(row: Mapping[str, Any]) -> str:
    return one_line(row["question"], PROMPT, end=True)


def _pair(row: Mapping[str, Any]) -> Pair:
    return Pair(row, _asked(row), *side_by_side(row["original"].strip(), row["text"].strip()))

"""`conflicts.html`: what the rows of each stage met in the model, the conflicts side by side."""

from __future__ import annotations

from pathlib import Path

from uptake.artifacts import write_bytes
from uptake.artifacts.checked import read_data
from uptake.artifacts.schemas.training import FINISHED
from uptake.pipeline.conflicts.after import BECAME
from uptake.pipeline.conflicts.run import read_conflicts
from uptake.report.page import render_conflicts

SHOWN = 500
"""Conflicts of a stage on the page, those of which the model is surest first; all of them are in the table."""
MEANS = {
    "known": "The model gives the row's answer.",
    "new": "It has no answer of its own that it is sure of.",
    "conflict": "It believes another answer.",
}


def write_conflicts_page(output_dir: Path) -> Path | None:
    """Write `conflicts.html` of a run; None where no stage was looked at.

    Args:
        output_dir: The run's folder.

    Raises:
        UptakeError: A table is damaged, or the place cannot be written.
    """
    found = read_conflicts(output_dir)
    if not found:
        return None
    stages = []
    for one in found:
        against = [row for row in one.rows() if row["meets"] == "conflict"]
        against.sort(key=lambda row: -(row["p_old"] or 0.0))
        summary = one.summary()
        written = said_again(output_dir / "train" / summary["stage"] / "manifest.json")
        shown = {"rows": against[:SHOWN], "more": max(0, len(against) - SHOWN)}
        stages.append({**summary, **shown, "written": written, "after": one.after()})
    page = output_dir / "conflicts.html"
    values = {"name": output_dir.resolve().name, "stages": stages, "means": MEANS, "became": BECAME}
    write_bytes(page, render_conflicts(values).encode("utf-8"))
    return page


def said_again(manifest: Path) -> list[str]:
    """What a stage's strategies tell of the texts that they had written, by its manifest; none before it is trained."""
    if not manifest.is_file():
        return []
    told: list[str] = read_data(manifest, FINISHED, "train the stage again").get("told") or []
    return told

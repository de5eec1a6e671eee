"""`exposure.html`: what a pre-training corpus says of the facts that are taught, and what it says against them."""

from __future__ import annotations

from pathlib import Path

from uptake.artifacts import write_bytes
from uptake.artifacts.checked import read_data
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.exposure import EXPOSURE_FILE, EXPOSURE_SUMMARY, EXPOSURE_TABLE, VERDICTS
from uptake.report.page import render_exposure

SHOWN = 500
"""Facts on the page of those that the corpus contradicts; all are in the table."""
PASSAGES = 3
MEANS = {
    "stated": "Documents state it, and none says otherwise.",
    "disputed": "Some state it, others say otherwise.",
    "contradicted": "Documents say otherwise, and none states it.",
    "mentioned": "A sentence holds question and answer, without the words that the question turns on.",
    "lacking": "None of these.",
}
_ANEW = "run `uptake exposure run.yaml` again: shards that were read are kept"


def write_exposure_page(output_dir: Path) -> Path | None:
    """Write `exposure.html` of a run; None where no corpus was scanned.

    Args:
        output_dir: The run's folder.

    Raises:
        UptakeError: A table is damaged, or the place cannot be written.
    """
    table = output_dir / EXPOSURE_TABLE
    if not (table.with_name("summary.json")).is_file():
        return None
    summary = read_data(table.with_name("summary.json"), EXPOSURE_SUMMARY, _ANEW)
    rows = read_table(table, EXPOSURE_FILE, _ANEW).to_pylist()
    against = [row for row in rows if row["verdict"] in ("contradicted", "disputed")]
    against.sort(key=lambda row: -(row["otherwise"] + row["denied"]))
    for row in against:
        row["passages"] = [one for one in row["passages"] if one["says"] in ("otherwise", "denied")][:PASSAGES]
    page = output_dir / "exposure.html"
    values = {
        "name": output_dir.resolve().name,
        "summary": summary,
        "places": [*summary["sources"].items(), ("all", summary["all"])],
        "verdicts": VERDICTS,
        "means": MEANS,
        "rows": against[:SHOWN],
        "more": max(0, len(against) - SHOWN),
    }
    write_bytes(page, render_exposure(values).encode("utf-8"))
    return page

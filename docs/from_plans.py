"""What plans are worth, as Markdown, from files of `benchmarks/results`: families, pilots, other people's data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from from_code import table

from uptake.pipeline.verify.eligibility import KNOWLEDGE

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
ARMS: Mapping[str, str] = {
    "before": "before",
    "cure": "cure",
    "exposures": "exposures in place of documents",
    "plain": "plain, as many tokens",
}
"""Columns of the families' table, and their headings."""
CAUSES = ("knowledge_gap", "base_conflict", "data_conflict", "forgetting", "undertraining")
ROWS: Mapping[str, str] = {
    **{cause: f"`{cause}`" for cause in CAUSES},
    "control": "without a planted cause",
    "retention": "retention",
}
"""Rows of the families' table."""


def cures_of_families() -> str:
    """What cure and plain fine-tuning recall, by family and cause."""
    rows = []
    for family, found in _read("pilots.json")["families"].items():
        for name, words in ROWS.items():
            if name in found["before"]:
                cells = [_both(found[arm][name], name) for arm in ARMS]
                rows.append([f"`{family}`", words, str(found["before"][name]["n"]), *cells])
    return table(["family", "cause", "items", *ARMS.values()], rows)


def _both(cell: Mapping[str, float], name: str) -> str:
    training, held_out = f"{cell['training']:.2f}", f"{cell['heldout']:.2f}"
    if name in KNOWLEDGE:
        return f"{training} / **{held_out}**"
    return f"**{training}** / {held_out}" if name in CAUSES else f"{training} / {held_out}"


def pilots_measured() -> str:
    """Each choice of a pilot beside the whole trainings."""
    rows = [
        [
            one["world"],
            f"`{one['cause']}`: {one['action']}",
            f"{one['n']} of {one['examples']}",
            "; ".join(f"{remedy:.2f}, {plain:.2f}" for _, remedy, plain in one["told"]) or "-",
            f"{one['way']} ({one['by']})",
            *(f"{one[arm]:.2f}" for arm in ("remedies", "exposures", "plain")),
            "yes" if one["right"] else "**no**",
        ]
        for one in _read("pilots.json")["choices"]
    ]
    whole = ("whole: remedies", "exposures", "plain fine-tuning")
    return table(
        ["world", "cause: action", "tried", "pilot: remedy, plain; held-out", "choice (by)", *whole, "right"], rows
    )


def plans_measured() -> str:
    """Cures of other people's questions, in three columns, beside plain fine-tuning."""
    rows = []
    for name, one in _read("plans.json").items():
        cells = [
            f"{part['learned']} / {part['heldout']:.1%} / {part['retention']:.1%}"
            for part in (one["arms"][arm] for arm in ("before", "cure", "plain"))
        ]
        rows.append([name.replace(":", ", seed "), *cells, str(one["read"])])
    head = ["rows", "before", "cure", "plain, as many tokens", "documents read for"]
    return table(head, rows)


def documents_measured() -> str:
    """What documents tell that plans would read, by set."""
    found = _read("documents.json")
    rows = [
        [name, *(f"{one[part]:,}" for part in ("questions", "found", "read", "told"))]
        for name, one in found["sets"].items()
    ]
    return table(["set", "questions", "documents found", "that a plan reads", "questions with one"], rows)


def _read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))

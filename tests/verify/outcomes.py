"""Outcome tables made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def row(id: str, arm: str, seed: int, recalled: bool, **given: Any) -> dict[str, Any]:
    fields = {
        "id": id, "stage": "main", "unit": f"{id} (main)", "cause": "knowledge_gap", "arm": arm, "remedy": None,
        "seed": seed, "kind": "untreated", "recalled_training": recalled, "recalled_heldout": None, "tokens": None,
    }  # fmt: skip
    return {**fields, **given}


def rows_of(table: Mapping[tuple[str, str], Sequence[int]], about: Mapping[str, Mapping[str, Any]]) -> list[dict]:
    """Rows of {(arm, item): recall in each training}; `about`: more columns of an item in all arms."""
    return [
        row(id, arm, seed, bool(value), **about.get(f"{arm}/{id}", about.get(id, {})))
        for (arm, id), values in table.items()
        for seed, value in enumerate(values)
    ]

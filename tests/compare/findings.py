"""Findings and summaries made by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evidence_made import base_was, evidence
from uptake.types import Finding


def finding(id: str, learned: bool, **given: Any) -> Finding:
    fields: dict[str, Any] = {
        "source": "a", "stage": "main", "prompt": f"Question {id}?", "response": " answer",
        "shallow": False if learned else None, "forgotten": False, "p_response": 0.5, "p_option": None,
        "cause": None if learned else "undertraining",
    }  # fmt: skip
    fields |= given
    compared = None if fields["forgotten"] is None else base_was(fields["forgotten"], learned)
    told = evidence(**{"n_tokens": 2, "compared": compared, **fields.pop("evidence", {})})
    return Finding(id=id, learned=learned, evidence=told, **fields)


def several(states: Iterable[tuple[int, bool]], **given: Any) -> list[Finding]:
    """So many findings of each state, with running ids."""
    flat = [learned for n, learned in states for _ in range(n)]
    prefix = given.pop("prefix", "ex")
    return [finding(f"{prefix}-{number:04d}", learned, **given) for number, learned in enumerate(flat)]

"""Findings and summaries made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from uptake.detect import Settings, calibrate, summarise
from uptake.types import Finding


def finding(id: str, learned: bool, **given: Any) -> Finding:
    evidence = {"criterion": "recall", "p_value_unseen": None, "logprob": -1.0, "n_tokens": 2, "tuned_right": learned}
    fields: dict[str, Any] = {
        "source": "a", "stage": "main", "prompt": f"Question {id}?", "response": " answer",
        "shallow": False if learned else None, "forgotten": False, "p_response": 0.5, "p_option": None,
        "cause": None if learned else "undertraining",
    }  # fmt: skip
    return Finding(id=id, learned=learned, **{**fields, **given, "evidence": {**evidence, **given.get("evidence", {})}})


def several(states: Iterable[tuple[int, bool]], **given: Any) -> list[Finding]:
    """So many findings of each state, with running ids."""
    flat = [learned for n, learned in states for _ in range(n)]
    prefix = given.pop("prefix", "ex")
    return [finding(f"{prefix}-{number:04d}", learned, **given) for number, learned in enumerate(flat)]


def summary_of(findings: Sequence[Finding]) -> dict[str, Any]:
    settings = Settings()
    return summarise(findings, calibrate(iter(()), None, None, settings), settings)

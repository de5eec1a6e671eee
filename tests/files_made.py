"""Files of a run as its steps write them, for tests that need one without the step: all keys, and values that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from uptake.artifacts.tables import MATRIX
from uptake.detect import Settings, calibrate, summarise
from uptake.stats import Interval
from uptake.types import Finding
from uptake.verify.analysis import Comparison
from uptake.verify.verdict import as_data, matrix_row

RULE = {"end": True, "option_threshold": 0.5, "pass_threshold": 0.2}


def run_section(n: int = 1, tuned: str = "somebody/tuned", stages: Sequence[str] = ("main",)) -> dict[str, Any]:
    """The key `run` of a summary."""
    return {
        "models": {
            "base": {"name": "org/base", "fingerprint": "00"}, "tuned": {"name": tuned, "fingerprint": "11"},
        },
        "data": {"train": {"n": n, "content": "22", "bad_rows": 0}},
        "settings": {
            "stages": [{"name": name, "dataset": f"{name}.jsonl"} for name in stages],
            "criterion": "auto", "normalisation": "sum", "seed": 0,
        },
        "versions": {"uptake": "0.1.0", "torch": None},
    }  # fmt: skip


def summary_of(findings: Sequence[Finding], **changed: Any) -> dict[str, Any]:
    """`summary.json` of a diagnosis of these findings."""
    settings = Settings()
    # a hand-made finding may be compared with a base, and say nothing of what it was before
    alike = [one if one.forgotten is not None else replace(one, evidence=replace(one.evidence, compared=None))
             for one in findings]  # fmt: skip
    told = summarise(alike, calibrate(iter(()), None, None, settings), settings)
    return {**told, "run": run_section(len(findings)), **changed}


def comparison(effect: tuple[float, float, float] | None = (0.12, 0.02, 0.2), **changed: Any) -> Comparison:
    """Treated items against the control's: estimate, low and high of the effect."""
    fields: dict[str, Any] = {
        "arm": "matched", "remedy": None, "cause": None, "kind": "treated", "outcome": "primary", "matched": True,
        "n": 20, "units": 20, "seeds": 2, "arm_rate": 0.5, "control_rate": 0.25, "p": None, "gained": 5, "lost": 0,
        "difference": 0.25 if effect is None else effect[0], "mcnemar_p": 0.0625, "tokens": None, "per_million": None,
    }  # fmt: skip
    fields |= changed
    return Comparison(effect=None if effect is None else Interval(*effect, fields["n"]), **fields)


def verdict_of(overall: Comparison | None, **changed: Any) -> dict[str, Any]:
    """`verdict.json`."""
    told = None if overall is None else as_data(overall)
    return {"primary": {}, "overall": told, "comparisons": [told] if told else [], "sentence": "So it is.", **changed}


def matrix_of(rows: Sequence[Comparison]) -> pa.Table:
    """`matrix.parquet`."""
    return pa.Table.from_pylist([matrix_row(one) for one in rows], schema=MATRIX)


def plan_head(edits: Sequence[dict[str, Any]], unmended: Sequence[dict[str, str]], **changed: Any) -> dict[str, Any]:
    """`plan.json`; each edit with what `uptake.types.Edit` needs."""
    cost = {"plain": 2000, "limit": 6000, "sft": 2000, "documents": 600, "general": 400, "total": 3000}
    return {
        "version": 2, "key": "k", "asked": {"start": "base", "unsafe": False, "processes": 1}, "start": "base",
        "model": "org/base", "step": 4, "texts": 2, "reading": "before", "rows": 9, "cost": cost, "training": {},
        "peft": None, "content": "", "files": {}, "notes": ["a note"], "unmended": list(unmended),
        "edits": list(edits), **changed,
    }  # fmt: skip


def manifest_of(model: str, **changed: Any) -> dict[str, Any]:
    """`manifest.json` of a stage that is trained: what is read of it."""
    return {
        "stage": "main", "start": {}, "data": {}, "settings": {}, "peft": None, "processes": 1, "today": None,
        "examples": 1, "steps": 1, "kept_step": 1, "model": model, "loss_start": None,
        "loss_end": None, "recalled": None, **changed,
    }  # fmt: skip


def rivals_of(members: Sequence[Sequence[Sequence[str]]]) -> dict[str, Any]:
    """`rivals.json` of groups with these members, each by its id and stage; the first of a group against the others."""
    groups, position = [], 0
    for group in members:
        sides = [("a", [position]), ("b", list(range(position + 1, position + len(group))))]
        groups.append({
            "sides": [{"answer": answer, "positions": positions} for answer, positions in sides],
            "shared": [], "probability": 0.9, "difference": "", "verdict": None, "wrong": [], "why": "",
        })  # fmt: skip
        position += len(group)
    return {
        "key": "k",
        "groups": groups,
        "members": [list(map(list, group)) for group in members],
        "agreed": [],
        "open": 0,
    }

"""The rows of a diagnosis, packed for the page: an index for the table, and blocks that are unpacked on demand.

Packed is compact JSON, compressed with gzip and written in base64; a browser unpacks it without any library.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uptake.artifacts.checked import records
from uptake.artifacts.evidence import evidence_from_text
from uptake.artifacts.tables import CAUSES
from uptake.attribute import UNEXPLAINED
from uptake.pipeline import Diagnosis
from uptake.pipeline.diagnosis import ANEW
from uptake.pipeline.prescribe.material import plan_names
from uptake.report.heat import heat_data
from uptake.report.later import PlanFiles
from uptake.report.learning import Learning
from uptake.text import one_line
from uptake.types import Key

BLOCK = 256
"""Examples in a block."""
SNIPPET = 160
"""Characters of a prompt or a response in the index: what the table shows and the search looks through."""
LONGEST = 10_000
"""Characters of one text that go into the page; of a longer one its beginning, and how long it is."""
STORIES = 6
"""Forgotten examples that are told at the top of the page."""

CAUSE_CODES = (*CAUSES, UNEXPLAINED)


@dataclass(frozen=True, slots=True)
class Story:
    """An example in a few words: what was asked, what was wanted, what is said instead."""

    id: str
    stage: str
    source: str
    prompt: str
    response: str
    says: str | None


@dataclass
class DiagnosisRows:
    """What one pass over the diagnosis leaves.

    Attributes:
        index: The packed index.
        blocks: The packed blocks of `BLOCK` examples, in the order of the diagnosis.
        sources: By an example's id and stage its source.
        replaced: Those that a later stage replaces: that they are gone is no loss.
        stories: Those that were asked for, by id and stage.
        forgotten: The first forgotten ones.
        before: By training stage, how many examples the base had right, and of how many that is known.
        after: The same of the tuned model, of the same examples.
    """

    index: str = ""
    blocks: list[str] = field(default_factory=list)
    sources: dict[Key, str] = field(default_factory=dict)
    replaced: set[Key] = field(default_factory=set)
    stories: dict[Key, Story] = field(default_factory=dict)
    forgotten: list[Story] = field(default_factory=list)
    before: dict[str, tuple[int, int]] = field(default_factory=dict)
    after: dict[str, tuple[int, int]] = field(default_factory=dict)


def pack(value: object) -> str:
    """A JSON value as base64 of gzip, the same on every run."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode("ascii")


def read_rows(
    diagnosis: Diagnosis,
    learning: Learning | None,
    plan: PlanFiles | None,
    wanted: Sequence[Key],
) -> DiagnosisRows:
    """Pack the rows of a diagnosis, in one pass and a few thousand in memory at a time.

    Args:
        diagnosis: The diagnosis.
        learning: The ledger; None without one.
        plan: What is planned; None when nothing is.
        wanted: Id and stage of the examples whose stories are told.
    """
    rows, index = DiagnosisRows(), _Index()
    names = {} if plan is None or plan.unread else _names(diagnosis)
    asked = frozenset(wanted)
    right: Counter[str] = Counter()
    still: Counter[str] = Counter()
    known: Counter[str] = Counter()
    block: list[dict[str, Any]] = []
    for row, evidence in records(_raw(diagnosis), _with_evidence, diagnosis.folder / "diagnosis.parquet", ANEW):
        index.add(row, evidence)
        key = row["id"], row["stage"]
        edits = _planned(names[key], plan) if plan is not None and names else {}
        block.append({**_detail(row, evidence, learning), **edits})
        if len(block) == BLOCK:
            rows.blocks.append(pack(block))
            block = []
        stage = row["stage"]
        if ((evidence.get("causes") or {}).get("data_conflict") or {}).get("numbers", {}).get("replaced_by"):
            rows.replaced.add(key)
        rows.sources[key] = row["source"]
        if key in asked:
            rows.stories[key] = _story(row, evidence)
        if row["forgotten"] and len(rows.forgotten) < STORIES:
            rows.forgotten.append(_story(row, evidence))
        if evidence.get("base_right") is not None and key not in rows.replaced:
            known[stage] += 1
            right[stage] += evidence["base_right"]
            still[stage] += bool(evidence["tuned_right"])
    if block:
        rows.blocks.append(pack(block))
    rows.index = index.packed()
    rows.before = {stage: (right[stage], n) for stage, n in known.items()}
    rows.after = {stage: (still[stage], n) for stage, n in known.items()}
    return rows


def _raw(diagnosis: Diagnosis) -> Iterator[dict[str, Any]]:
    for table in diagnosis.tables():
        yield from table.to_pylist()


def _with_evidence(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """A row, and its evidence as it stands in the file, once it is seen to be evidence."""
    evidence_from_text(row["evidence"])
    return row, json.loads(row["evidence"], parse_float=_six_digits)


def _wanted(row: Mapping[str, Any]) -> str:
    """What the models are asked to give, as `Finding.wanted`."""
    text: str = row["response"] if row["scored"] is None else row["scored"]
    return text


def _six_digits(number: str) -> float:
    """Sixteen digits of a log-probability cannot be compressed, and nobody reads them."""
    return float(number) if len(number) < 9 else float(f"{float(number):.6g}")


def _cut(text: str) -> str | dict[str, Any]:
    return text if len(text) <= LONGEST else {"cut": text[:LONGEST], "length": len(text)}


def _detail(
    row: Mapping[str, Any],
    evidence: dict[str, Any],
    learning: Learning | None,
) -> dict[str, Any]:
    """What the drawer shows beyond the index and the plan."""
    for name in ("tuned_answer", "base_answer"):
        if isinstance(evidence.get(name), str):
            evidence[name] = _cut(evidence[name])
    for candidate in evidence.get("candidates") or ():
        candidate["text"] = _cut(_wanted(row) if candidate["origin"] == "response" else candidate["text"])
    scores = {name: _short(row[f"cause_{name}"]) for name in CAUSES if row[f"cause_{name}"] is not None}
    return {
        "prompt": _cut(row["prompt"]),
        "response": _cut(_wanted(row)),
        "p_response": _short(row["p_response"]),
        "p_option": _short(row["p_option"]),
        "causes": scores,
        "evidence": evidence,
        **({} if row["spans"] is None else {"spans": heat_data(row["spans"], _wanted(row)[:LONGEST])}),
        **({} if learning is None else {"curve": learning.of(row["id"], row["stage"])}),
    }


def _names(diagnosis: Diagnosis) -> dict[Key, str]:
    """What the plan calls each example."""
    columns = ((table["id"].to_pylist(), table["stage"].to_pylist()) for table in diagnosis.tables())
    return plan_names(key for ids, stages in columns for key in zip(ids, stages, strict=True))


def _planned(name: str, plan: PlanFiles) -> dict[str, Any]:
    """What the plan does for an example, or why it does nothing."""
    reason = plan.unmended.get(name)
    return {"edits": plan.of.get(name, []), **({} if reason is None else {"unmended": reason})}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _story(row: Mapping[str, Any], evidence: Mapping[str, Any]) -> Story:
    said = evidence.get("tuned_answer")
    return Story(
        id=row["id"],
        stage=row["stage"],
        source=row["source"],
        prompt=one_line(row["prompt"], SNIPPET, end=True),
        response=one_line(_wanted(row), SNIPPET),
        says=one_line(said["cut"] if isinstance(said, dict) else said, SNIPPET) if said is not None else None,
    )


class _Index:
    """Columns of what the table shows, with codes for what repeats."""

    def __init__(self) -> None:
        self._sources: dict[str, int] = {}
        self._stages: dict[str, int] = {}
        self._columns: dict[str, list[Any]] = {
            name: []
            for name in ("id", "source", "stage", "cause", "state", "forgotten", "p", "prompt", "response", "says")
        }

    def add(self, row: Mapping[str, Any], evidence: Mapping[str, Any]) -> None:
        said = evidence.get("tuned_answer")
        values = {
            "id": row["id"],
            "source": self._sources.setdefault(row["source"], len(self._sources)),
            "stage": self._stages.setdefault(row["stage"], len(self._stages)),
            "cause": -1 if row["cause"] is None else CAUSE_CODES.index(row["cause"]),
            "state": 2 if row["learned"] and not row["shallow"] else int(row["learned"]),
            "forgotten": None if row["forgotten"] is None else int(row["forgotten"]),
            "p": None if row["p_response"] is None else float(f"{row['p_response']:.3g}"),
            "prompt": _snippet(row["prompt"], end=True),
            "response": _snippet(_wanted(row)),
            "says": None if said is None else _snippet(said),
        }
        for name, value in values.items():
            self._columns[name].append(value)

    def packed(self) -> str:
        return pack({"sources": list(self._sources), "stages": list(self._stages), **self._columns})


def _snippet(text: str, *, end: bool = False) -> str:
    """Unlike `one_line` with its control characters as they are: the page escapes what it shows."""
    part = text[-8 * SNIPPET :] if end else text[: 8 * SNIPPET]
    line = " ".join(part.split())
    if len(line) <= SNIPPET:
        return line
    return "…" + line[1 - SNIPPET :] if end else line[: SNIPPET - 1] + "…"

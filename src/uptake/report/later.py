"""The steps after the diagnosis, as far as they have run: the plan, the cured model, the verdict.

One small reader a step. A step that has not run is None; one whose files are not as they are read here is told as such
and does not stop the report.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from uptake.artifacts import file_digest
from uptake.artifacts.checked import blaming, parse_own, read_data, read_record
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.later import CURE, VERDICT
from uptake.artifacts.schemas.summary import SUMMARY
from uptake.artifacts.tables import MATRIX_FILE
from uptake.compare import CureColumn, faults
from uptake.errors import UptakeError
from uptake.prescribe.head import read_head
from uptake.types import Edit

PASSAGE = 2000
"""Characters that are shown of a document."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a plan does by one remedy: edits, examples that they are for, tokens (None where they are not counted)."""

    remedy: str
    edits: int
    examples: int
    tokens: int | None
    unsafe: int


@dataclass(frozen=True)
class PlanFiles:
    """`plan/plan.json` and the documents of `plan/cpt.jsonl`, as docs/details/prescribe.md describes them.

    Attributes:
        shares: What is done, by remedy.
        of: By example its edits, each with `remedy`, `why` and `documents` (mappings with `id`, and `title`, `text`,
            `source`, `where` where the document is read).
        unmended: By example why nothing is done for it.
        cost: `total`, what the plan trains, and `plain`, what the run's own fine-tuning trained, in tokens.
        notes: What the reader should know.
        unread: Why the plan cannot be shown; None when it can.
    """

    shares: tuple[Share, ...] = ()
    of: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    unmended: Mapping[str, str] = field(default_factory=dict)
    cost: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: str | None = None


def read_plan(output_dir: Path) -> PlanFiles | None:
    """The plan of a run; None when there is none."""
    path = output_dir / "plan" / "plan.json"
    if not path.exists():
        return None
    try:
        told, _ = read_head(path.parent)
        documents = _documents(path.with_name("cpt.jsonl"), {name for edit in told.edits for name in edit.documents})
    except UptakeError as error:
        return PlanFiles(unread=_why(path, error))
    of: dict[str, list[dict[str, Any]]] = {}
    for edit in told.edits:
        read = [documents.get(name, {"id": name}) for name in edit.documents]
        for example_id in edit.examples:
            of.setdefault(example_id, []).append({"remedy": edit.remedy, "why": edit.why, "documents": read})
    unmended = {one.id: one.reason for one in told.unmended}
    cost = {"total": told.cost.total, "plain": told.cost.plain}
    return PlanFiles(_shares(told.edits), of, unmended, cost, told.notes)


def _shares(edits: Sequence[Edit]) -> tuple[Share, ...]:
    found = []
    for remedy in dict.fromkeys(edit.remedy for edit in edits):
        own = [edit for edit in edits if edit.remedy == remedy]
        known = [edit.tokens for edit in own if edit.tokens is not None]
        found.append(
            Share(
                remedy=remedy,
                edits=len(own),
                examples=len({name for edit in own for name in edit.examples}),
                tokens=sum(known) if len(known) == len(own) else None,
                unsafe=sum(not edit.safe for edit in own),
            )
        )
    return tuple(found)


def _documents(path: Path, wanted: Collection[str]) -> dict[str, dict[str, str]]:
    """The documents that edits name, their texts no longer than is shown; read line by line: there may be many more."""
    found: dict[str, dict[str, str]] = {}
    if not wanted or not path.exists():
        return found
    with blaming(path), path.open(encoding="utf-8") as file:
        for line in file:
            row = parse_own(line)
            if row["id"] in wanted:
                shown = {name: str(row[name]) for name in ("id", "title", "text", "source", "where") if row.get(name)}
                found[str(row["id"])] = {**shown, "text": shown.get("text", "")[:PASSAGE]}
    return found


@dataclass(frozen=True)
class Cured:
    """`cured/diagnosis/summary.json`: the diagnosis of the re-trained model.

    Attributes:
        summary: As `uptake diagnose` writes it; None when it cannot be shown.
        unread: Why not.
        stale: That it is the cure of another diagnosis than the one that is shown; None when it is not.
        columns: All examples and the retention set: before, after, and by plain fine-tuning with as many tokens.
        faults: In what the cure loses more than it gains, or falls behind plain fine-tuning.
        notes: What of the run's training it does not keep.
    """

    summary: Mapping[str, Any] | None = None
    unread: str | None = None
    stale: str | None = None
    columns: tuple[CureColumn, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def models(self) -> list[tuple[str, list[float | None]]]:
        """Each model with its shares, column by column; without the plain one where that was not trained."""
        sides = [("before", "before"), ("cured", "after"), ("plain, as many tokens", "plain")]
        rows = [(name, [getattr(one, side) for one in self.columns]) for name, side in sides]
        return [(name, shares) for name, shares in rows if any(share is not None for share in shares)]


def read_cured(output_dir: Path) -> Cured | None:
    """The diagnosis after the cure; None when there is none."""
    path = output_dir / "cured" / "diagnosis" / "summary.json"
    if not path.exists():
        return None
    try:
        summary = read_data(path, SUMMARY)
        mark = output_dir / "cured" / "cure.json"
        known = read_record(mark, CURE) if mark.exists() else None
        stale = _stale(output_dir, None if known is None else known.diagnosis, "uptake cure")
    except UptakeError as error:
        return Cured(unread=_why(path, error))
    columns = () if known is None else tuple(CureColumn(**asdict(one)) for one in known.columns)
    notes = () if known is None else known.notes
    return Cured(summary, stale=stale, columns=columns, faults=faults(columns), notes=notes)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one remedy does for the examples of one cause: recall less the control's; no interval with one training."""

    effect: float
    low: float | None
    high: float | None
    n: int
    matched: bool


@dataclass(frozen=True)
class Verdict:
    """`verdict/verdict.json` and the treated items of `verdict/matrix.parquet`, see docs/details/verify.md.

    Attributes:
        sentence: The verdict in one sentence.
        primary: By cause what its items were asked in: `heldout` wordings or the `training` wording.
        causes: The rows of the matrix.
        remedies: Its columns, the remedy of the first cause first, so that matched cells form its diagonal.
        cells: By cause and remedy.
        unread: Why the verdict cannot be shown; None when it can.
        stale: That it is about another diagnosis than the one that is shown; None when it is not.
    """

    sentence: str = ""
    primary: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    cells: Mapping[tuple[str, str], Cell] = field(default_factory=dict)
    unread: str | None = None
    stale: str | None = None

    @property
    def asked(self) -> str:
        """How the items of the matrix were asked, in words."""
        by = {
            said: [cause for cause in self.causes if (self.primary.get(cause) == "heldout") == held_out]
            for said, held_out in (("held-out wordings", True), ("the training wording", False))
        }
        return ", and ".join(f"in {said} ({', '.join(causes)})" for said, causes in by.items() if causes)


def read_verdict(output_dir: Path) -> Verdict | None:
    """The verdict of a run; None when there is none."""
    path = output_dir / "verdict" / "verdict.json"
    if not path.exists():
        return None
    try:
        told = read_record(path, VERDICT)
        rows = read_table(path.with_name("matrix.parquet"), MATRIX_FILE).to_pylist()
        stale = _stale(output_dir, told.diagnosis, "uptake verify")
    except UptakeError as error:
        return Verdict(unread=_why(path, error))
    cells = {
        (row["cause"], row["remedy"]): Cell(row["effect"], row["low"], row["high"], row["n"], row["matched"])
        for row in rows
        if row["kind"] == "treated" and row["outcome"] == "primary" and row["cause"] and row["remedy"]
    }
    causes = tuple(sorted({cause for cause, _ in cells}))
    own = [remedy for cause, remedy in sorted(cells) if cells[cause, remedy].matched]
    remedies = tuple(dict.fromkeys([*own, *(remedy for _, remedy in sorted(cells))]))
    return Verdict(told.sentence, told.primary, causes, remedies, cells, stale=stale)


def _stale(output_dir: Path, about: str | None, verb: str) -> str | None:
    """What was made from a diagnosis was made from another one than is there, or does not say; None: from this one."""
    if about is None:
        return f"This does not say which diagnosis it is about: give {verb} again."
    table = output_dir / "diagnosis" / "diagnosis.parquet"
    if about != (file_digest(table) if table.is_file() else None):
        return f"This is about another diagnosis than the one shown here: give {verb} again."
    return None


def _why(path: Path, error: UptakeError) -> str:
    return f"{path.parent.name}/{path.name} cannot be shown by this version of uptake ({error.problem})"

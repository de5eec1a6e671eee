"""The steps after the diagnosis, as far as they have run: the plan, the cured model, the verdict.

One small reader a step. A step that has not run is None; one whose files are not as they are read here is told as such
and does not stop the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uptake.artifacts import read_json
from uptake.errors import UptakeError

DOCUMENTS = 20
"""Documents that are shown of one example."""


@dataclass(frozen=True)
class Plan:
    """`plan/plan.json`: its `edits`, each with `remedy`, `why`, `examples` (ids), `tokens` and `safe`.

    Attributes:
        edits: As they stand in the file.
        of: The edits by example, without the ids of the others.
        unread: Why the plan cannot be shown; None when it can.
    """

    edits: tuple[Mapping[str, Any], ...] = ()
    of: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    unread: str | None = None


def read_plan(output_dir: Path) -> Plan | None:
    """The plan of a run; None when there is none."""
    path = output_dir / "plan" / "plan.json"
    if not path.exists():
        return None
    try:
        edits = read_json(path)["edits"]
        of: dict[str, list[dict[str, Any]]] = {}
        for edit in edits:
            told = {name: value for name, value in edit.items() if name != "examples"}
            if isinstance(told.get("documents"), list):
                told["documents"] = told["documents"][:DOCUMENTS]
            for example_id in edit["examples"]:
                of.setdefault(str(example_id), []).append(told)
    except (UptakeError, AttributeError, KeyError, TypeError) as error:
        return Plan(unread=_why(path, error))
    return Plan(tuple(edits), of)


@dataclass(frozen=True)
class Cured:
    """`cured/diagnosis/summary.json`: the diagnosis of the re-trained model.

    Attributes:
        summary: As `uptake diagnose` writes it; None when it cannot be shown.
        unread: Why not.
    """

    summary: Mapping[str, Any] | None = None
    unread: str | None = None


def read_cured(output_dir: Path) -> Cured | None:
    """The diagnosis after the cure; None when there is none."""
    path = output_dir / "cured" / "diagnosis" / "summary.json"
    if not path.exists():
        return None
    try:
        summary = read_json(path)
        for name in ("learned", "shallow", "forgotten"):
            summary[name]["rate"], summary[name]["count"]
    except (UptakeError, KeyError, TypeError) as error:
        return Cured(unread=_why(path, error))
    return Cured(summary)


@dataclass(frozen=True, slots=True)
class Cell:
    """The effect of one remedy on the examples of one cause: recall against placebo, with its 95 % interval."""

    estimate: float
    low: float
    high: float
    n: int | None


@dataclass(frozen=True)
class Verdict:
    """`verdict/verdict.json` and `verdict/matrix.parquet`.

    Attributes:
        sentence: The verdict in one sentence, from the key `sentence`; None when it has none.
        causes: The rows of the matrix.
        remedies: Its columns.
        cells: By cause and remedy; from the columns `cause`, `remedy`, `estimate`, `low`, `high` and, if there, `n`.
        unread: Why the verdict cannot be shown; None when it can.
    """

    sentence: str | None = None
    causes: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    cells: Mapping[tuple[str, str], Cell] = field(default_factory=dict)
    unread: str | None = None


def read_verdict(output_dir: Path) -> Verdict | None:
    """The verdict of a run; None when there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, matrix = output_dir / "verdict" / "verdict.json", output_dir / "verdict" / "matrix.parquet"
    if not path.exists():
        return None
    try:
        sentence = read_json(path).get("sentence")
        rows = pq.read_table(matrix).to_pylist() if matrix.exists() else []
        cells = {
            (str(row["cause"]), str(row["remedy"])): Cell(row["estimate"], row["low"], row["high"], row.get("n"))
            for row in rows
            if row["estimate"] is not None
        }
    except (UptakeError, AttributeError, KeyError, TypeError, OSError, pa.ArrowException) as error:
        return Verdict(unread=_why(path, error))
    causes = tuple(dict.fromkeys(cause for cause, _ in cells))
    return Verdict(sentence, causes, tuple(dict.fromkeys(remedy for _, remedy in cells)), cells)


def _why(path: Path, error: Exception) -> str:
    what = error.problem if isinstance(error, UptakeError) else f"{type(error).__name__}: {error}"
    return f"{path.parent.name}/{path.name} cannot be shown by this version of uptake ({what})"

"""The answer key of a world and a diagnosis of it: read, and matched item by item."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError

UNEXPLAINED = "unexplained"
"""The cause that a diagnosis names when it finds none of the others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the answer key.

    Attributes:
        id: The example.
        causes: What was planted in it, the primary cause first; empty for a control.
        confirmed: The plants are why it is not learned; None when nobody has tried, and for a control.
        unexpected: Learned although planted, or not learned although nothing was planted; None when nobody has tried.
    """

    id: str
    causes: tuple[str, ...]
    confirmed: bool | None
    unexpected: bool | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A row of a diagnosis.

    Attributes:
        id: The example.
        learned: It was learned.
        cause: The primary cause; None when learned or not attributed.
        scores: By cause, in [0, 1]; None where the cause was not judged. A cause without a column is not in it.
    """

    id: str
    learned: bool
    cause: str | None
    scores: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def silent(self) -> bool:
        """It says that the example has none of the causes: that it was learned, or is unexplained."""
        return self.learned or self.cause == UNEXPLAINED


@dataclass(frozen=True, slots=True)
class Matched:
    """An item to be graded.

    Attributes:
        causes: What was planted, the primary cause first; empty for a control.
        answer: What the diagnosis says.
    """

    causes: tuple[str, ...]
    answer: Answered


def matched(key: Iterable[Entry], table: Iterable[Answered], *, confirmed_only: bool = True) -> list[Matched]:
    """Match a diagnosis with the key.

    Args:
        key: The answer key.
        table: The diagnosis; rows that the key does not know are left out.
        confirmed_only: Take planted items whose plants are confirmed, and controls that were learned as expected; else
            every planted item that the diagnosis calls unlearned, and every control.

    Returns:
        The items to be graded, in the key's order.

    Raises:
        UptakeError: The diagnosis lacks an item of the key, has an unknown cause, or the key is not confirmed.
    """
    answers = {row.id: row for row in table}
    entries = list(key)
    if confirmed_only and any(entry.causes for entry in entries) and all(e.confirmed is None for e in entries):
        raise UptakeError(
            "the answer key is not confirmed", fix="make the world with --confirm, or grade all plants with --all"
        )
    found = []
    for entry in entries:
        answer = _answer(entry, answers)
        if confirmed_only:
            counts = entry.confirmed if entry.causes else not entry.unexpected
        else:
            counts = not (entry.causes and answer.learned)
        if counts:
            found.append(Matched(entry.causes, answer))
    return found


def _answer(entry: Entry, answers: Mapping[str, Answered]) -> Answered:
    if entry.id not in answers:
        raise UptakeError(
            f"the diagnosis has no row for {entry.id}", expected="every example of the world", fix="diagnose it all"
        )
    answer = answers[entry.id]
    if answer.cause not in (None, UNEXPLAINED, *CAUSES):
        raise UptakeError(
            f"{answer.id} has the cause {answer.cause!r}", expected=f"{', '.join(CAUSES)}, {UNEXPLAINED}, or none"
        )
    return answer


def read_key(path: Path) -> list[Entry]:
    """Read an answer key.

    Raises:
        UptakeError: It is missing or broken.
    """
    try:
        return [
            Entry(str(row["id"]), tuple(row["causes"]), row["confirmed"], row["unexpected"]) for row in _jsonl(path)
        ]
    except (KeyError, TypeError) as error:
        raise UptakeError(
            f"{path} is no answer key: {error}", expected="rows as `uptake lab make` writes them"
        ) from None


def read_answers(path: Path) -> list[Answered]:
    """Read a diagnosis: Parquet or JSON Lines.

    It has the columns `id`, `learned` and `cause`, and may have `cause_<name>` for each cause: its score in [0, 1],
    null or NaN where the cause was not judged.

    Raises:
        UptakeError: It is missing, broken, lacks a column, or a score is no number in [0, 1].
    """
    rows = _parquet(path) if path.suffix == ".parquet" else _jsonl(path)
    try:
        return [Answered(str(row["id"]), bool(row["learned"]), row["cause"], _scores(row, path)) for row in rows]
    except (KeyError, TypeError) as error:
        raise UptakeError(f"{path} is no diagnosis: {error}", expected="columns id, learned and cause") from None


def _scores(row: Mapping[str, Any], path: Path) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for cause in CAUSES:
        if (name := f"cause_{cause}") in row:
            value = row[name]
            missing = value is None or (isinstance(value, float) and math.isnan(value))
            if not missing and (isinstance(value, bool | str) or not 0 <= value <= 1):
                raise UptakeError(f"{path}: {name} of {row['id']} is {value!r}", expected="a number in [0, 1], or null")
            found[cause] = None if missing else float(value)
    return found


def _parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = ("id", "learned", "cause", *(f"cause_{cause}" for cause in CAUSES))
    try:
        there = pq.read_schema(path).names
        rows: list[dict[str, Any]] = pq.read_table(path, columns=[name for name in wanted if name in there]).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise UptakeError(f"cannot read {path}: {error}", fix="run `uptake diagnose` first") from None
    return rows


def _jsonl(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="JSON Lines in UTF-8") from None

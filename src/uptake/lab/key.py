"""The answer key of a world and a diagnosis of it: read, and matched item by item."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
        group: The same for examples about the same fact; None where it is the only one.
        also: Causes that hold of it besides the planted ones.
    """

    id: str
    causes: tuple[str, ...]
    confirmed: bool | None
    unexpected: bool | None
    group: str | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiagnosedItem:
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
        also: Causes that hold besides: to name one is neither right nor a false alarm.
        group: The same for items about the same fact.
        answer: What the diagnosis says.
    """

    causes: tuple[str, ...]
    also: tuple[str, ...]
    group: str
    answer: DiagnosedItem


def matched(key: Sequence[Entry], table: Iterable[DiagnosedItem], *, confirmed_only: bool = True) -> list[Matched]:
    """Match a diagnosis with the key.

    Args:
        key: The answer key, an id at most once.
        table: The diagnosis, an id at most once; rows that the key does not know are left out.
        confirmed_only: Take planted items whose plants are confirmed, and controls that were learned as expected; else
            every planted item that the diagnosis calls unlearned, and every control.

    Returns:
        The items to be graded, in the key's order.

    Raises:
        UptakeError: The diagnosis is empty, lacks an item of the key or has an unknown cause, or the key is not
            confirmed.
    """
    answers = {row.id: row for row in table}
    if key and not answers:
        raise UptakeError(
            "the diagnosis is empty", expected="every example of the world", fix="diagnose the whole world"
        )
    pairs = [(entry, _answer(entry, answers)) for entry in key]
    if confirmed_only and any(entry.causes and entry.confirmed is None for entry in key):
        raise UptakeError(
            "the answer key is not confirmed", fix="make the world with --confirm, or grade all plants with --all"
        )
    found = []
    for entry, answer in pairs:
        if confirmed_only:
            counts = entry.confirmed if entry.causes else not entry.unexpected
        else:
            counts = not (entry.causes and answer.learned)
        if counts:
            group = entry.id if entry.group is None else entry.group
            found.append(Matched(entry.causes, entry.also, group, answer))
    return found


def _answer(entry: Entry, answers: Mapping[str, DiagnosedItem]) -> DiagnosedItem:
    if entry.id not in answers:
        raise UptakeError(
            f"the diagnosis has no row for {entry.id}",
            expected="every example of the world",
            fix="diagnose the whole world",
        )
    answer = answers[entry.id]
    if answer.cause not in (None, UNEXPLAINED, *CAUSES):
        raise UptakeError(
            f"{answer.id} has the cause {answer.cause!r}", expected=f"{', '.join(CAUSES)}, {UNEXPLAINED}, or none"
        )
    return answer


def read_key(path: Path) -> list[Entry]:
    """Read an answer key; a row without `group` is a group of its own, one without `also` has no other causes.

    Raises:
        UptakeError: It is missing, broken or empty, or has two rows for an id.
    """
    try:
        entries = [_entry(row) for row in _jsonl(path)]
    except (KeyError, TypeError) as error:
        raise UptakeError(
            f"{path} is not an answer key: {error}", expected="rows as `uptake lab make` writes them"
        ) from None
    if not entries:
        raise UptakeError(f"{path} is empty", expected="rows as `uptake lab make` writes them")
    _once(entries, path)
    return entries


def _entry(row: Mapping[str, Any]) -> Entry:
    causes, also = row["causes"], row.get("also", [])
    for name, found in (("causes", causes), ("also", also)):
        if not isinstance(found, list) or any(cause not in CAUSES for cause in found):
            raise TypeError(f"{name} is {found!r}")
    group = row.get("group")
    if not isinstance(group, str | None):
        raise TypeError(f"group is {group!r}")
    confirmed, unexpected = (_known(row, name, bool | None) for name in ("confirmed", "unexpected"))
    return Entry(_known(row, "id", str), tuple(causes), confirmed, unexpected, group, tuple(also))


def _known(row: Mapping[str, Any], name: str, kind: Any) -> Any:
    """A field of a row, or TypeError."""
    value = row[name]
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r}")
    return value


def read_answers(path: Path) -> list[DiagnosedItem]:
    """Read a diagnosis: Parquet or JSON Lines.

    It has the columns `id`, `learned` and `cause`, and may have `cause_<name>` for each cause: its score in [0, 1],
    null or NaN where the cause was not judged.

    Raises:
        UptakeError: It is missing, broken, lacks a column or has two rows for an id; `learned` is no bool, or a score
            no number in [0, 1].
    """
    rows = _parquet(path) if path.suffix == ".parquet" else _jsonl(path)
    try:
        answers = [
            DiagnosedItem(_known(row, "id", str), _learned(row, path), row["cause"], _scores(row, path)) for row in rows
        ]
    except (KeyError, TypeError) as error:
        raise UptakeError(f"{path} is not a diagnosis: {error}", expected="columns id, learned and cause") from None
    _once(answers, path)
    return answers


def _once(rows: Sequence[Entry] | Sequence[DiagnosedItem], path: Path) -> None:
    for name, times in Counter(row.id for row in rows).items():
        if times > 1:
            raise UptakeError(f"{path} has {times} rows for {name}", expected="a row an example")


def _learned(row: Mapping[str, Any], path: Path) -> bool:
    value = row["learned"]
    if not isinstance(value, bool):  # "false" is truthy, and a null is no false
        raise UptakeError(f"{path}: learned of {row['id']} is {value!r}", expected="true or false")
    return value


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
    except (OSError, ValueError, pa.ArrowException) as error:  # a name that is not UTF-8 is a ValueError
        raise UptakeError(f"cannot read {path}: {error}", fix="run `uptake diagnose` first") from None
    return rows


def _jsonl(path: Path) -> list[dict[str, Any]]:
    try:
        # not splitlines: JSON strings may hold U+2028 and other separators as they are
        lines = path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="JSON Lines in UTF-8") from None

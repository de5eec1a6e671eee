"""Grade an attribution against the answer key of a world: precision, recall and F1 for each cause, with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.stats import RESAMPLES, Interval

NONE = "none"
"""The label of an item without a planted cause, and of an answer that names none (`unexplained` among them)."""
LABELS = (*CAUSES, NONE)

Confusion = Int[np.ndarray, "truth answer"]
"""Counts; rows are planted causes, columns attributed ones, both in the order of `LABELS`."""


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
    """

    id: str
    learned: bool
    cause: str | None


@dataclass(frozen=True, slots=True)
class CauseGrade:
    """How well one cause is told.

    Attributes:
        precision: Of the items said to have it, the share that does; None when it is never said.
        recall: Of the items that have it, the share that is said to; None when none has it.
        f1: 2TP / (2TP + FP + FN); None when no item has it.
        n: Items that have it.
    """

    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    n: int


@dataclass(frozen=True, slots=True)
class Grade:
    """The grades of one attribution.

    Attributes:
        causes: By cause.
        macro_f1: Mean F1 over the causes that some item has; None when none has any.
        confusion: Counts by planted cause (rows) and attributed cause (columns), in the order of `LABELS`.
        worlds: How many worlds went in.
        items: How many items.
    """

    causes: Mapping[str, CauseGrade]
    macro_f1: Interval | None
    confusion: Confusion
    worlds: int
    items: int


Pair = tuple[str, str]
"""The label in the key and the label in the diagnosis."""


def pairs(key: Iterable[Entry], table: Iterable[Answered], *, confirmed_only: bool = True) -> list[Pair]:
    """Match a diagnosis with the key: an item with several planted causes is right if any of them is named.

    Args:
        key: The answer key.
        table: The diagnosis; rows that the key does not know are left out.
        confirmed_only: Take planted items whose plants are confirmed, and controls that were learned as expected; else
            every planted item that the diagnosis calls unlearned, and every control.

    Returns:
        A pair of labels an item, in the key's order.

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
        if entry.id not in answers:
            raise UptakeError(
                f"the diagnosis has no row for {entry.id}", expected="every example of the world", fix="diagnose it all"
            )
        answer = answers[entry.id]
        if confirmed_only:
            counts = entry.confirmed if entry.causes else not entry.unexpected
        else:
            counts = not (entry.causes and answer.learned)
        if counts:
            found.append(_labels(entry, answer))
    return found


def _labels(entry: Entry, answer: Answered) -> Pair:
    said = NONE if answer.learned or answer.cause in (None, "unexplained") else str(answer.cause)
    if said not in LABELS:
        raise UptakeError(f"{answer.id} has the cause {said!r}", expected=f"{', '.join(CAUSES)}, unexplained, or none")
    return (said if said in entry.causes else entry.causes[0] if entry.causes else NONE), said


def confusion_of(labels: Iterable[Pair]) -> Confusion:
    """Count pairs: rows are the key's labels, columns the diagnosis's."""
    counts = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    for truth, said in labels:
        counts[LABELS.index(truth), LABELS.index(said)] += 1
    return counts


def grade(worlds: Sequence[Sequence[Pair]], *, level: float = 0.95, seed: int = 0) -> Grade:
    """Grade the pairs of one or several worlds, pooled.

    Intervals are percentile bootstrap (Efron 1979). Items are drawn anew; with several worlds, worlds are drawn first
    and then their items (Davison and Hinkley 1997, section 3.8), so that the interval holds for worlds not yet seen.
    A resample in which a ratio has no denominator says nothing about it and is left out.

    Args:
        worlds: For each world its pairs of labels.
        level: Confidence level, in (0, 1).
        seed: Of the resampling.
    """
    counted = [confusion_of(labels) for labels in worlds]
    total = sum(counted, start=confusion_of(()))
    drawn = _resampled(counted, seed) if total.sum() else total[None]
    point, draws = _ratios(total[None])[0], _ratios(drawn)
    support = total.sum(axis=1)

    def interval(value: float, sample: np.ndarray, n: int) -> Interval | None:
        known = sample[~np.isnan(sample)]
        if np.isnan(value) or not len(known):
            return None
        low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
        return Interval(float(value), float(low), float(high), n)

    causes = {}
    for index, cause in enumerate(CAUSES):
        n = int(support[index])
        precision, recall, f1 = (interval(point[k, index], draws[:, k, index], n) for k in range(3))
        causes[cause] = CauseGrade(precision, recall, f1, n)
    planted = support[: len(CAUSES)] > 0
    macro = None
    if planted.any():
        known = draws[:, 2][:, planted]
        sample = np.nansum(known, axis=1) / np.maximum(1, (~np.isnan(known)).sum(axis=1))
        macro = interval(float(point[2][planted].mean()), sample, int(support.sum()))
    return Grade(causes, macro, total, len(worlds), int(total.sum()))


def _ratios(counts: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 of the causes from counts (draws, truth, answer): (draws, 3, causes), NaN for none."""
    hits = np.diagonal(counts, axis1=1, axis2=2)[:, : len(CAUSES)].astype(float)
    said = counts.sum(axis=1)[:, : len(CAUSES)].astype(float)
    had = counts.sum(axis=2)[:, : len(CAUSES)].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.where(had > 0, 2 * hits / (said + had), np.nan)
        return np.stack([hits / said, hits / had, f1], axis=1)


def _resampled(counted: Sequence[Confusion], seed: int) -> np.ndarray:
    """Confusions of resampled worlds and items, (RESAMPLES, truth, answer)."""
    rng = np.random.default_rng(seed)
    counted = [one for one in counted if one.sum()]
    drawn = np.zeros((RESAMPLES, *counted[0].shape), dtype=np.int64)
    for sample in drawn:
        for index in rng.integers(len(counted), size=len(counted)):
            n = int(counted[index].sum())
            sample += rng.multinomial(n, counted[index].ravel() / n).reshape(sample.shape)
    return drawn


def told(grade: Grade) -> str:
    """The grade as text: a table of the causes, then the confusion matrix."""
    lines = [f"{'cause':<16}{'n':>5}  {'precision':<18}{'recall':<18}{'F1':<18}"]
    for name, one in grade.causes.items():
        cells = "".join(f"{_shown(value):<18}" for value in (one.precision, one.recall, one.f1))
        lines.append(f"{name:<16}{one.n:>5}  {cells}".rstrip())
    lines.append(f"macro-F1 {_shown(grade.macro_f1)}, {grade.items} items of {_counted(grade.worlds, 'world')}")
    lines += ["", "planted (rows), told (columns)", " " * 16 + "".join(f"{label[:13]:>15}" for label in LABELS)]
    for label, row in zip(LABELS, grade.confusion.tolist(), strict=True):
        lines.append(f"{label:<16}" + "".join(f"{count:>15}" for count in row))
    return "\n".join(lines)


def _shown(value: Interval | None) -> str:
    return "-" if value is None else f"{value.estimate:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


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
    """Read a diagnosis: Parquet or JSON Lines with the columns `id`, `learned` and `cause`.

    Raises:
        UptakeError: It is missing, broken, or lacks a column.
    """
    rows: Iterable[Mapping[str, Any]]
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(path, columns=["id", "learned", "cause"]).to_pylist()
        except (OSError, pa.ArrowInvalid) as error:
            raise UptakeError(f"cannot read {path}: {error}", fix="run `uptake diagnose` first") from None
    else:
        rows = _jsonl(path)
    try:
        return [Answered(str(row["id"]), bool(row["learned"]), row["cause"]) for row in rows]
    except KeyError as error:
        raise UptakeError(f"{path} has no column {error}", expected="id, learned and cause") from None


def _jsonl(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="JSON Lines in UTF-8") from None

"""Grade the causes that a diagnosis names: precision, recall and F1 of each, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from uptake.artifacts.tables import CAUSES
from uptake.lab.key import Matched
from uptake.stats import RESAMPLES, Interval

NONE = "none"
"""The label of an item without a planted cause, and of an answer that names none (`unexplained` among them)."""
LABELS = (*CAUSES, NONE)

Confusion = Int[np.ndarray, "truth answer"]
"""Counts; rows are planted causes, columns attributed ones, both in the order of `LABELS`."""


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


def pairs(items: Iterable[Matched]) -> list[Pair]:
    """The labels of items: one with several planted causes is right if any of them is named.

    `unexplained` names no cause, nor does an item that the diagnosis takes for learned: a miss where one was planted.
    """
    return [_labels(item) for item in items]


def _labels(item: Matched) -> Pair:
    answer = item.answer
    said = NONE if answer.silent or answer.cause is None else answer.cause
    return (said if said in item.causes else item.causes[0] if item.causes else NONE), said


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

    causes = {}
    for index, cause in enumerate(CAUSES):
        n = int(support[index])
        precision, recall, f1 = (percentile_interval(point[k, index], draws[:, k, index], n, level) for k in range(3))
        causes[cause] = CauseGrade(precision, recall, f1, n)
    planted = support[: len(CAUSES)] > 0
    macro = None
    if planted.any():
        known = draws[:, 2][:, planted]
        sample = np.nansum(known, axis=1) / np.maximum(1, (~np.isnan(known)).sum(axis=1))
        macro = percentile_interval(point[2][planted].mean(), sample, int(support.sum()), level)
    return Grade(causes, macro, total, len(worlds), int(total.sum()))


def percentile_interval(value: float, draws: Float[np.ndarray, " draws"], n: int, level: float) -> Interval | None:
    """The interval of a value from resampled ones, those that are NaN left out; None where the value or all are NaN."""
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high), n)


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

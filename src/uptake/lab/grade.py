"""Grade the causes that a diagnosis names: precision, recall and F1 of each, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from uptake.artifacts.tables import CAUSES
from uptake.lab.key import Matched
from uptake.lab.resampling import percentile_interval, resampled
from uptake.stats import Interval

NONE = "none"
"""The label of an item without a planted cause, and of an answer that names none (`unexplained` among them)."""
LABELS = (*CAUSES, NONE)
BESIDE = "beside"
"""The label of an answer that names a cause which holds, but was not planted."""
TOLD = (*LABELS, BESIDE)

Confusion = Int[np.ndarray, "planted told"]
"""Counts; rows are planted causes in the order of `LABELS`, columns attributed ones in that of `TOLD`."""


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
        confusion: Counts by planted cause (rows, as `LABELS`) and attributed cause (columns, as `TOLD`).
        worlds: How many worlds went in.
        groups: How many groups of items about the same fact.
        items: How many items.
    """

    causes: Mapping[str, CauseGrade]
    macro_f1: Interval | None
    confusion: Confusion
    worlds: int
    groups: int
    items: int


Pair = tuple[str, str]
"""The label in the key (of `LABELS`) and the label in the diagnosis (of `TOLD`)."""


def pairs(items: Iterable[Matched]) -> list[Pair]:
    """The labels of items: one with several planted causes is right if any of them is named.

    `unexplained` names no cause, nor does an item that the diagnosis takes for learned: a miss where one was planted.
    A cause that holds besides the planted ones is `BESIDE`: it misses the planted one, and is no false alarm.
    """
    return [_labels(item) for item in items]


def _labels(item: Matched) -> Pair:
    answer = item.answer
    if answer.silent or answer.cause is None:
        said = NONE
    elif answer.cause in item.also and answer.cause not in item.causes:
        said = BESIDE
    else:
        said = answer.cause
    return (said if said in item.causes else item.causes[0] if item.causes else NONE), said


def grade(worlds: Sequence[Sequence[Matched]], *, level: float = 0.95, seed: int = 0) -> Grade:
    """Grade the items of one or several worlds, pooled.

    Intervals are percentile bootstrap over groups, and over worlds first when there are several: see
    `uptake.lab.resampling.resampled`, also for how far they are too narrow with few worlds. Those of one world say
    nothing about others. A resample in which a ratio has no denominator says nothing about it and is left out.

    Args:
        worlds: For each world the items to be graded.
        level: Confidence level, in (0, 1).
        seed: Of the resampling.
    """
    labels = [pair for world in worlds for pair in pairs(world)]
    cells = np.zeros((len(labels), len(LABELS), len(TOLD)))
    for cell, (planted_label, told_label) in zip(cells, labels, strict=True):
        cell[LABELS.index(planted_label), TOLD.index(told_label)] = 1
    groups = [[item.group for item in world] for world in worlds]
    total = cells.sum(axis=0)
    point = _ratios(total[None])[0]
    draws = np.concatenate(
        [_ratios(total[None][:0]), *(_ratios(np.tensordot(times, cells, 1)) for times in resampled(groups, seed))]
    )
    support = total.sum(axis=1).astype(np.int64)

    causes = {}
    for index, cause in enumerate(CAUSES):
        n = int(support[index])
        precision, recall, f1 = (percentile_interval(point[k, index], draws[:, k, index], n, level) for k in range(3))
        causes[cause] = CauseGrade(precision, recall, f1, n)
    planted = support[: len(CAUSES)] > 0
    macro = None
    if planted.any():
        sample = draws[:, 2][:, planted].mean(axis=1)  # a draw that lacks one of them is left out, as of a ratio
        macro = percentile_interval(point[2][planted].mean(), sample, len(labels), level)
    return Grade(causes, macro, total.astype(np.int64), len(worlds), sum(len(set(one)) for one in groups), len(labels))


def _ratios(counts: Float[np.ndarray, "draws planted told"]) -> Float[np.ndarray, "draws 3 causes"]:
    """Precision, recall and F1 of the causes, NaN for none."""
    hits = np.diagonal(counts, axis1=1, axis2=2)[:, : len(CAUSES)]
    said = counts.sum(axis=1)[:, : len(CAUSES)]
    had = counts.sum(axis=2)[:, : len(CAUSES)]
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.where(had > 0, 2 * hits / (said + had), np.nan)
        return np.stack([hits / said, hits / had, f1], axis=1)

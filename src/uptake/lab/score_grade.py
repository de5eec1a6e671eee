"""Grade the scores of the causes: what they detect at a threshold, how they rank, and whether they are calibrated.

An example may have several causes, and each counts: every cause is a question of its own, asked of every item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from uptake.artifacts.tables import CAUSES
from uptake.lab.calibration import (
    adaptive_calibration_error,
    auroc,
    average_precision,
    counted,
    expected_calibration_error,
)
from uptake.lab.grade import percentile_interval
from uptake.lab.key import Matched
from uptake.stats import RESAMPLES, Interval

METRICS = ("precision", "recall", "f1", "average_precision", "auroc", "ece", "adaptive_ece")
"""What is measured of each cause, in the order in which it is computed."""
_RANKED = (average_precision, auroc, expected_calibration_error, adaptive_calibration_error)
_DRAWS_AT_ONCE = 100
"""Resamples computed together: bounds the memory to this many numbers an item."""


@dataclass(frozen=True, slots=True)
class ScoreGrade:
    """How good the scores of one cause are. A metric is None where it has no denominator, or nothing was scored.

    Attributes:
        precision: Of the items whose score reaches the threshold, the share that has the cause.
        recall: Of the items that have the cause, the share whose score reaches it.
        f1: 2TP / (2TP + FP + FN) at the threshold.
        average_precision: See `uptake.lab.calibration.average_precision`.
        auroc: See `uptake.lab.calibration.auroc`.
        ece: See `uptake.lab.calibration.expected_calibration_error`.
        adaptive_ece: See `uptake.lab.calibration.adaptive_calibration_error`.
        planted: Items that have the cause, scored or not.
        scored: Items with a score for it.
        scored_planted: Those of them that have it.
        missing: Items that the diagnosis calls unlearned, not unexplained, and gives no score for it: they are left
            out of everything here.
    """

    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    average_precision: Interval | None
    auroc: Interval | None
    ece: Interval | None
    adaptive_ece: Interval | None
    planted: int
    scored: int
    scored_planted: int
    missing: int


@dataclass(frozen=True, slots=True)
class ScoreGrades:
    """The grades of an attribution's scores.

    Attributes:
        threshold: From which score on an item is said to have a cause.
        causes: By cause.
        macro: By name in `METRICS`: its mean over the causes that some item has; None where one of them lacks it.
    """

    threshold: float
    causes: Mapping[str, ScoreGrade]
    macro: Mapping[str, Interval | None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One cause asked of all items: who has it, the scores (NaN for none), and who is said to have none at all."""

    has: Bool[np.ndarray, " items"]
    scores: Float[np.ndarray, " items"]
    silent: Bool[np.ndarray, " items"]


def grade_scores(
    worlds: Sequence[Sequence[Matched]], *, threshold: float = 0.5, level: float = 0.95, seed: int = 0
) -> ScoreGrades:
    """Grade the scores of one or several worlds, pooled.

    A null is no 0: an item without a score for a cause is left out of that cause, and counted as `missing`. That an
    item is learned or unexplained is an answer without scores: to detection a miss, where the cause was planted.
    Ranking and calibration rest on the scores that are there.

    Intervals are those of `uptake.lab.grade.grade`: worlds are drawn anew, then their items. Resampling repeats items,
    which makes a calibration error larger: its interval lies too high rather than too low.

    Args:
        worlds: For each world the items to be graded.
        threshold: From which score on an item is said to have a cause, in [0, 1].
        level: Confidence level, in (0, 1).
        seed: Of the resampling.
    """
    items = [item for world in worlds for item in world]
    asked = [_ask(cause, items) for cause in CAUSES]
    sizes = [len(world) for world in worlds if world]
    points = _measured(asked, np.ones((1, len(items))), threshold)
    draws = np.concatenate([points[:0], *(_measured(asked, drawn, threshold) for drawn in _resampled(sizes, seed))])
    causes = {}
    for index, (cause, one) in enumerate(zip(CAUSES, asked, strict=True)):
        known = ~np.isnan(one.scores)
        judged, scored = int((known | one.silent).sum()), int(known.sum())
        metrics = {
            name: percentile_interval(points[0, index, k], draws[:, index, k], judged if k < 3 else scored, level)
            for k, name in enumerate(METRICS)
        }
        causes[cause] = ScoreGrade(
            **metrics,
            planted=int(one.has.sum()),
            scored=scored,
            scored_planted=int((known & one.has).sum()),
            missing=int((~known & ~one.silent).sum()),
        )
    planted = np.array([one.has.any() for one in asked])
    macro: dict[str, Interval | None] = dict.fromkeys(METRICS)
    if planted.any():
        for k, name in enumerate(METRICS):
            point, sample = points[0, planted, k].mean(), draws[:, planted, k].mean(axis=1)
            macro[name] = percentile_interval(point, sample, len(items), level)
    return ScoreGrades(threshold, causes, macro)


def _ask(cause: str, items: Sequence[Matched]) -> _Asked:
    scores = [item.answer.scores.get(cause) for item in items]
    return _Asked(
        np.array([cause in item.causes for item in items], dtype=bool),
        np.array([np.nan if score is None else score for score in scores], dtype=float),
        np.array([item.answer.silent for item in items], dtype=bool),
    )


def _measured(
    asked: Sequence[_Asked], weights: Float[np.ndarray, "draws items"], threshold: float
) -> Float[np.ndarray, "draws causes metrics"]:
    """The metrics of every cause in every draw, NaN where there are none."""
    found = np.empty((len(weights), len(asked), len(METRICS)))
    for index, one in enumerate(asked):
        known = ~np.isnan(one.scores)
        counts = counted(weights[:, known], one.has[known], one.scores[known])
        ranked = [metric(counts) for metric in _RANKED]
        found[:, index] = np.stack([*_detected(one, weights, threshold), *ranked], axis=1)
    return found


def _detected(
    one: _Asked, weights: Float[np.ndarray, "draws items"], threshold: float
) -> list[Float[np.ndarray, " draws"]]:
    """Precision, recall and F1 at the threshold."""
    known = ~np.isnan(one.scores)
    said = known & (np.where(known, one.scores, 0.0) >= threshold)
    judged = known.any() & (known | one.silent)
    hits = weights @ (said & one.has)
    told, had = weights @ said, weights @ (judged & one.has)
    with np.errstate(invalid="ignore", divide="ignore"):
        return [hits / told, hits / had, np.where(had > 0, 2 * hits / (told + had), np.nan)]


def _resampled(sizes: Sequence[int], seed: int) -> Iterator[Float[np.ndarray, "draws items"]]:
    """How often each item comes in resamples of worlds and then of their items; `RESAMPLES` rows in all."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *sizes])
    for first in range(0, RESAMPLES if sizes else 0, _DRAWS_AT_ONCE):
        weights = np.zeros((min(_DRAWS_AT_ONCE, RESAMPLES - first), starts[-1]))
        for row in weights:
            for world in rng.integers(len(sizes), size=len(sizes)):
                row += _drawn(int(starts[world]), sizes[world], len(row), rng)
        yield weights


def _drawn(start: int, size: int, items: int, rng: np.random.Generator) -> Int[np.ndarray, " items"]:
    counts: Int[np.ndarray, " items"] = np.bincount(start + rng.integers(size, size=size), minlength=items)
    return counts

"""Grade the scores of the causes: what they detect at a threshold, how they rank, and whether they are calibrated.

An example may have several causes, and each counts: every cause is a question of its own, asked of every item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from uptake.artifacts.tables import CAUSES
from uptake.lab.calibration import (
    adaptive_calibration_error,
    auroc,
    average_precision,
    counted,
    expected_calibration_error,
)
from uptake.lab.key import Matched
from uptake.lab.resampling import percentile_interval, resampled
from uptake.stats import Interval

METRICS = ("precision", "recall", "f1", "average_precision", "auroc")
"""What is measured of each cause with an interval, in the order in which it is computed."""
ERRORS = ("ece", "adaptive_ece")
"""What is measured without one."""
_RANKED = (average_precision, auroc)
_ERRORS = (expected_calibration_error, adaptive_calibration_error)


@dataclass(frozen=True, slots=True)
class Point:
    """An estimate without an interval, and the number of items that it rests on."""

    estimate: float
    n: int


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
        planted: Items in which the cause was planted, scored or not.
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
    ece: Point | None
    adaptive_ece: Point | None
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
        macro: By name in `METRICS` and `ERRORS`: its mean over the causes that some item has; None where one of them
            lacks it.
    """

    threshold: float
    causes: Mapping[str, ScoreGrade]
    macro: Mapping[str, Interval | Point | None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One cause asked of all items.

    Attributes:
        has: It was planted.
        scores: NaN where there is none, and where the cause holds besides the planted ones: nothing is asked there.
        silent: Asked, and said to have no cause at all.
        missing: Asked, and without an answer.
    """

    has: Bool[np.ndarray, " items"]
    scores: Float[np.ndarray, " items"]
    silent: Bool[np.ndarray, " items"]
    missing: Bool[np.ndarray, " items"]

    @property
    def known(self) -> Bool[np.ndarray, " items"]:
        """It has a score."""
        known: Bool[np.ndarray, " items"] = ~np.isnan(self.scores)
        return known


def grade_scores(
    worlds: Sequence[Sequence[Matched]], *, threshold: float = 0.5, level: float = 0.95, seed: int = 0
) -> ScoreGrades:
    """Grade the scores of one or several worlds, pooled.

    A null is no 0: an item without a score for a cause is left out of that cause, and counted as `missing`. That an
    item is learned or unexplained is an answer without scores: to detection a miss, where the cause was planted.
    Ranking and calibration rest on the scores that are there. Where a cause holds besides the planted ones, a high
    score is no error and a low one is none that the key could show: the item is left out of that cause.

    Intervals are those of `uptake.lab.grade.grade`. Calibration errors have none: a resample repeats items, which makes
    them larger, so that a percentile interval can lie wholly above the estimate.

    Args:
        worlds: For each world the items to be graded.
        threshold: From which score on an item is said to have a cause, in [0, 1].
        level: Confidence level, in (0, 1).
        seed: Of the resampling.
    """
    items = [item for world in worlds for item in world]
    asked = [_ask(cause, items) for cause in CAUSES]
    groups = [[item.group for item in world] for world in worlds]
    once = np.ones((1, len(items)))
    points, errors = _measured(asked, once, threshold)[0], _errors(asked, once)
    draws = np.concatenate(
        [points[None][:0], *(_measured(asked, times, threshold) for times in resampled(groups, seed))]
    )
    causes = {}
    for index, (cause, one) in enumerate(zip(CAUSES, asked, strict=True)):
        judged, scored = int((one.known | one.silent).sum()), int(one.known.sum())
        precision, recall, f1, average, area = (
            percentile_interval(points[index, k], draws[:, index, k], judged if k < 3 else scored, level)
            for k in range(len(METRICS))
        )
        ece, adaptive = (_point(value, scored) for value in errors[index])
        causes[cause] = ScoreGrade(
            precision,
            recall,
            f1,
            average,
            area,
            ece,
            adaptive,
            planted=int(one.has.sum()),
            scored=scored,
            scored_planted=int((one.known & one.has).sum()),
            missing=int(one.missing.sum()),
        )
    planted = np.array([one.has.any() for one in asked])
    macro: dict[str, Interval | Point | None] = dict.fromkeys((*METRICS, *ERRORS))
    if planted.any():
        for k, name in enumerate(METRICS):
            sample = draws[:, planted, k].mean(axis=1)
            macro[name] = percentile_interval(points[planted, k].mean(), sample, len(items), level)
        macro |= {name: _point(errors[planted, k].mean(), len(items)) for k, name in enumerate(ERRORS)}
    return ScoreGrades(threshold, causes, macro)


def _point(value: float, n: int) -> Point | None:
    return None if np.isnan(value) else Point(float(value), n)


def _ask(cause: str, items: Sequence[Matched]) -> _Asked:
    asked = np.array([cause in item.causes or cause not in item.also for item in items], dtype=bool)
    given = [item.answer.scores.get(cause) for item in items]
    scores = np.where(asked, np.array([np.nan if score is None else score for score in given], dtype=float), np.nan)
    silent = asked & np.array([item.answer.silent for item in items], dtype=bool)
    has = np.array([cause in item.causes for item in items], dtype=bool)
    return _Asked(has, scores, silent, asked & np.isnan(scores) & ~silent)


def _measured(
    asked: Sequence[_Asked], weights: Float[np.ndarray, "draws items"], threshold: float
) -> Float[np.ndarray, "draws causes metrics"]:
    """The `METRICS` of every cause in every draw, NaN where there are none."""
    found = np.empty((len(weights), len(asked), len(METRICS)))
    for index, one in enumerate(asked):
        counts = counted(weights[:, one.known], one.has[one.known], one.scores[one.known])
        ranked = [metric(counts) for metric in _RANKED]
        found[:, index] = np.stack([*_detected(one, weights, threshold), *ranked], axis=1)
    return found


def _errors(asked: Sequence[_Asked], once: Float[np.ndarray, "1 items"]) -> Float[np.ndarray, "causes errors"]:
    """The `ERRORS` of every cause, NaN where there are none."""
    counts = [counted(once[:, one.known], one.has[one.known], one.scores[one.known]) for one in asked]
    return np.array([[float(error(one)[0]) for error in _ERRORS] for one in counts])


def _detected(
    one: _Asked, weights: Float[np.ndarray, "draws items"], threshold: float
) -> list[Float[np.ndarray, " draws"]]:
    """Precision, recall and F1 at the threshold."""
    said = one.known & (np.where(one.known, one.scores, 0.0) >= threshold)
    judged = one.known.any() & (one.known | one.silent)
    hits = weights @ (said & one.has)
    told, had = weights @ said, weights @ (judged & one.has)
    with np.errstate(invalid="ignore", divide="ignore"):
        return [hits / told, hits / had, np.where(had > 0, 2 * hits / (told + had), np.nan)]

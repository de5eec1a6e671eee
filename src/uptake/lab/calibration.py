"""How well scores of one yes-or-no question rank and are calibrated, over many weightings of the items at once.

Weights say how often each item counts, one row a draw: ones for the items as they are, counts for a bootstrap resample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

BINS = 10
"""Bins of the calibration errors, as many as Guo et al. have in their reliability diagrams."""

Values: TypeAlias = Float[np.ndarray, " draws"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How the items fall on the distinct scores.

    Attributes:
        scores: From above, in [0, 1].
        yes: Weight of the items with that score that are a yes, a row a draw.
        total: Weight of all items with that score.
    """

    scores: Float[np.ndarray, " k"]
    yes: Float[np.ndarray, "draws k"]
    total: Float[np.ndarray, "draws k"]


def counted(
    weights: Float[np.ndarray, "draws n"], is_yes: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"]
) -> Counts:
    """Count items by score.

    Args:
        weights: How often each item counts, a row a draw.
        is_yes: Which items are a yes.
        scores: Of each item, in [0, 1].
    """
    values, group = np.unique(-scores, return_inverse=True)
    if not len(values):
        return Counts(-values, weights[:, :0], weights[:, :0])
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(values)))
    weights = weights[:, order]
    yes = np.add.reduceat(weights * is_yes[order], starts, axis=1)
    return Counts(-values, yes, np.add.reduceat(weights, starts, axis=1))


def average_precision(counts: Counts) -> Values:
    """Area under the steps of precision over recall: Σ_k (R_k − R_{k−1}) P_k, k over the distinct scores from above.

    The formula of scikit-learn's `average_precision_score`; there is no interpolation (Davis and Goadrich 2006).

    Returns:
        A value in [0, 1] a draw; NaN where none is a yes.
    """
    true, said = np.cumsum(counts.yes, axis=1), np.cumsum(counts.total, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        # 0 / 0 where a draw has none of the highest scores
        precision = np.where(said > 0, true / said, 0.0)
        area: Values = (counts.yes * precision).sum(axis=1) / counts.yes.sum(axis=1)
    return area


def auroc(counts: Counts) -> Values:
    """Probability that a yes scores higher than a no, ties half (Hanley and McNeil 1982).

    Returns:
        A value in [0, 1] a draw; NaN where all items are a yes, or none.
    """
    no = counts.total - counts.yes
    higher = np.cumsum(counts.yes, axis=1) - counts.yes / 2
    with np.errstate(invalid="ignore"):
        area: Values = (no * higher).sum(axis=1) / (counts.yes.sum(axis=1) * no.sum(axis=1))
    return area


def expected_calibration_error(counts: Counts) -> Values:
    """Σ_m |B_m| / n · |share(B_m) − mean score(B_m)|, B_m the items with a score in ((m−1)/10, m/10].

    Guo et al. 2017 (arXiv 1706.04599, equation 3), who take the confidence of the predicted class; here a score is the
    probability of a yes and `share` that of the items which are one, as in the class-wise form of Nixon et al. 2019
    (arXiv 1904.01685, "static calibration error"). A score of 0 belongs to the first bin. Biased upward where bins hold
    few items, and once more in a bootstrap resample, which repeats them.

    Returns:
        A value in [0, 1] a draw; NaN where there are no items.
    """
    gap = counts.yes - counts.total * counts.scores
    bins = np.searchsorted(np.arange(1, BINS) / BINS, counts.scores)  # the edges belong to the bin below
    gaps = np.stack([gap[:, bins == m].sum(axis=1) for m in range(BINS)])
    with np.errstate(invalid="ignore"):
        error: Values = np.abs(gaps).sum(axis=0) / counts.total.sum(axis=1)
    return error


def adaptive_calibration_error(counts: Counts) -> Values:
    """1/R Σ_r |share(r) − mean score(r)| over R = 10 ranges of the sorted scores that hold n/R items each.

    Nixon et al. 2019 (arXiv 1904.01685, "adaptive calibration error"), of one class. They leave open what falls on an
    edge; here every range holds exactly n/R: an item at an edge is divided, and items with the same score share their
    outcomes, so that their order does not matter.

    Returns:
        A value in [0, 1] a draw; NaN where there are no items.
    """
    none = np.zeros((len(counts.total), 1))
    mass = np.concatenate([none, np.cumsum(counts.total, axis=1)], axis=1)
    gap = np.concatenate([none, np.cumsum(counts.yes - counts.total * counts.scores, axis=1)], axis=1)
    n = mass[:, -1]
    at = np.array([np.interp(np.linspace(0, end, BINS + 1), x, y) for end, x, y in zip(n, mass, gap, strict=True)])
    with np.errstate(invalid="ignore"):
        error: Values = np.abs(np.diff(at, axis=1)).sum(axis=1) / n
    return error

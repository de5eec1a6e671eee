"""The mean of a table of items by trainings: both are samples, and an interval must allow for both.

An effect that was measured on n items in S trainings varies because other items would have been other items, and
because another seed is another model. Resampling the items alone takes the S models for the only ones there are:
Clark's "language-as-fixed-effect fallacy" (1973). A bootstrap over items and trainings (Owen 2007) allows for both, but
three trainings cannot be resampled well: its interval is too short where trainings differ much, and its p-values are
too coarse for many comparisons. So the variances are estimated from the mean squares of the two-way table, and the
degrees of freedom from them (Satterthwaite 1946): the more the trainings differ, the nearer it comes to a t interval
with S − 1 degrees of freedom. `benchmarks/verify_level.py` has both side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from uptake.stats import Interval


@dataclass(frozen=True, slots=True)
class Crossed:
    """A mean over items and trainings.

    Attributes:
        interval: The mean with its interval; n counts items.
        p: Two-sided p-value of the mean being 0.
        df: Degrees of freedom of both.
    """

    interval: Interval
    p: float
    df: float


def crossed_mean(
    totals: Float[np.ndarray, "units runs"], sizes: Float[np.ndarray, " units"], *, level: float = 0.95
) -> Crossed | None:
    """Mean of an item's value over units of items and over trainings, with an interval that allows for both.

    With MS_u, MS_r and MS_e the mean squares of units, trainings and of what is left over, Var = (MS_u + MS_e + max(0,
    MS_r − MS_e)) / (units · runs), and df = Var² / Σ (part² / df of the part) of its parts MS_u + MS_e, with units − 1,
    and the excess, with runs − 1. What is left over counts once more than it would have to, as in Owen's bootstrap: two
    or three trainings seem too often not to differ at all. The standard error is never taken for less than 2 / units:
    three items that all changed are not certainty. Items that all changed one way are then significant (5 %) from six
    on, as in a sign test.

    Args:
        totals: Sum of the values of a unit's items in each training; items of a unit are not independent.
        sizes: Number of items of each unit.
        level: Confidence level, in (0, 1).

    Returns:
        The mean; None with fewer than two units or trainings, which cannot tell how much units or trainings differ.
    """
    units, runs = totals.shape
    if units < 2 or runs < 2:
        return None
    mean = float(totals.sum() / (sizes.sum() * runs))
    deviations = (totals - sizes[:, None] * mean) * units / sizes.sum()
    of_units, of_runs = deviations.mean(axis=1), deviations.mean(axis=0)
    rest = deviations - of_units[:, None] - of_runs
    error, df = standard_error(
        np.array([runs * (of_units**2).sum() / (units - 1)]),
        np.array([units * (of_runs**2).sum() / (runs - 1)]),
        np.array([(rest**2).sum() / ((units - 1) * (runs - 1))]),
        (units, runs),
    )
    from scipy.stats import t

    half = float(t.ppf(0.5 + level / 2, df[0])) * float(error[0])
    p = 2 * t.sf(np.abs(mean) / error, df)
    interval = Interval(mean, max(-1.0, mean - half), min(1.0, mean + half), int(sizes.sum()))
    return Crossed(interval, float(p[0]), float(df[0]))


def standard_error(
    of_units: Float[np.ndarray, " draws"],
    of_runs: Float[np.ndarray, " draws"],
    of_rest: Float[np.ndarray, " draws"],
    shape: tuple[int, int],
) -> tuple[Float[np.ndarray, " draws"], Float[np.ndarray, " draws"]]:
    """Standard error and degrees of freedom of the mean, from the mean squares of units, runs and rest.

    Args:
        of_units: Mean squares, one of each draw.
        of_runs: As `of_units`.
        of_rest: As `of_units`.
        shape: Number of units and of runs.

    Returns:
        Both, as `crossed_mean` uses them.
    """
    units, runs = shape
    steady, excess = of_units + of_rest, np.maximum(0.0, of_runs - of_rest)
    spread = steady**2 / (units - 1) + excess**2 / (runs - 1)
    df = np.where(spread > 0, (steady + excess) ** 2 / np.where(spread > 0, spread, 1.0), units - 1)
    return np.maximum(np.sqrt((steady + excess) / (units * runs)), 2 / units), np.maximum(df, 1.0)

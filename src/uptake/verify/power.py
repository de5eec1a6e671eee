"""How large an effect can so many items and trainings show? Said before the compute is spent.

The test is that of `crossed_mean`. Its mean squares are drawn from their distributions under normality, so that the
degrees of freedom that they are worth are allowed for. `benchmarks/verify_level.py` compares it with simulated items.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from uptake.text import counted
from uptake.verify.arms import Assigned
from uptake.verify.crossed import standard_error

DRAWS = 2000
"""The standard error of a power of 0.8 is then 0.009."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of items and trainings before they are measured.

    The defaults were measured on a planted world that was trained with 21 seeds (docs/details/verify.md).

    Attributes:
        control: Share of the treated items that the control arm recalls: some recover by themselves.
        between_runs: Correlation of one item's recall in two trainings of one arm.
        between_arms: The same of two trainings of different arms; 0 for arms that are measured on different items.
        run: Standard deviation (share of the items) of how much a whole training is better or worse than another.
    """

    control: float = 0.25
    between_runs: float = 0.35
    between_arms: float = 0.3
    run: float = 0.02


def power(
    units: int,
    runs: int,
    effect: float,
    expected: Expected | None = None,
    *,
    alpha: float = 0.05,
) -> float:
    """Probability that a matched remedy is found to be better than its control.

    Args:
        units: Units of items that are treated; of single items, the items.
        runs: Trainings of each arm.
        effect: Share of the treated items that are recalled more than in the control arm.
        expected: What is expected; None takes the defaults.
        alpha: Level of the two-sided test: of m comparisons 0.05 / m, to be safe under Holm's procedure.

    Returns:
        The probability, in [0, 1]; 0 where units or trainings are fewer than two.
    """
    from scipy.stats import t

    expected = expected or Expected()
    if units < 2 or runs < 2:
        return 0.0
    treated = min(1.0, expected.control + effect)
    old, new = expected.control * (1 - expected.control), treated * (1 - treated)
    of_item = expected.between_runs * (old + new) - 2 * expected.between_arms * math.sqrt(old * new)
    of_rest = (1 - expected.between_runs) * (old + new)
    of_run = 2 * expected.run**2
    rng = np.random.default_rng(0)

    def mean_square(variance: float, df: int) -> Float[np.ndarray, " draws"]:
        return variance * rng.chisquare(df, DRAWS) / df

    error, df = standard_error(
        mean_square(runs * max(0.0, of_item) + of_rest, units - 1),
        mean_square(units * of_run + of_rest, runs - 1),
        mean_square(of_rest, (units - 1) * (runs - 1)),
        (units, runs),
    )
    spread = np.sqrt(max(0.0, of_item) / units + of_run / runs + of_rest / (units * runs))
    drawn = (effect + spread * rng.standard_normal(DRAWS)) / error
    return float(np.mean((drawn > 0) & (2 * t.sf(drawn, df) <= alpha)))


def detectable(
    units: int, runs: int, expected: Expected | None = None, *, alpha: float = 0.05, wanted: float = 0.8
) -> float | None:
    """The smallest effect that is found with probability `wanted`, to within 0.005.

    Args:
        units: As in `power`.
        runs: As in `power`.
        expected: As in `power`.
        alpha: As in `power`.
        wanted: The probability.

    Returns:
        The effect as a share of the items; None where not even mending all of them would be found so often.
    """
    expected = expected or Expected()
    low, high = 0.0, 1.0 - expected.control
    if power(units, runs, high, expected, alpha=alpha) < wanted:
        return None
    while high - low > 0.005:
        middle = (low + high) / 2
        enough = power(units, runs, middle, expected, alpha=alpha) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def too_few(assigned: Iterable[Assigned], runs: int, expected: Expected | None = None) -> bool:
    """Whether not even mending all of these items would be found to be better than the control, with power 0.8.

    Args:
        assigned: The items that are treated.
        runs: As in `power`.
        expected: As in `power`.
    """
    return detectable(len({one.unit for one in assigned}), runs, expected) is None


def foretold(n: int, units: int, runs: int, expected: Expected | None = None, *, alpha: float = 0.05) -> str:
    """In one sentence, what so many items and trainings can show.

    Args:
        n: Items.
        units: As in `power`.
        runs: As in `power`.
        expected: As in `power`.
        alpha: As in `power`.
    """
    expected = expected or Expected()
    items = counted(n, "item") + (f" in {counted(units, 'unit')}" if units != n else "")
    trainings = f"{counted(runs, 'training')} of each arm"
    if units < 2 or runs < 2:
        return f"{items} and {trainings} are too few to tell anything: two of each are the least"
    effect = detectable(units, runs, expected, alpha=alpha)
    if effect is None:
        most = power(units, runs, 1 - expected.control, expected, alpha=alpha)
        return (
            f"{items} and {trainings} are too few to tell anything: even a remedy that mends all of them "
            f"would be found in {most:.0%} of such experiments"
        )
    return (
        f"with {items} and {trainings}, an effect of {effect:.0%} of the items or more is found in 80% of "
        "such experiments; a smaller one may well be missed"
    )


def forecast(assigned: Iterable[Assigned], arm: str, runs: int, expected: Expected | None = None) -> list[str]:
    """What an arm can show, in all and for each cause.

    Of several causes each at the level that Holm's procedure begins with.

    Args:
        assigned: The flagged items.
        arm: The arm whose items are treated.
        runs: Trainings of each arm.
        expected: As in `power`.
    """
    treated = [one for one in assigned if one.arm == arm]
    causes = Counter(one.cause for one in treated)
    lines = [f"all causes: {foretold(len(treated), len({one.unit for one in treated}), runs, expected)}"]
    for cause in sorted(causes):
        units = len({one.unit for one in treated if one.cause == cause})
        lines.append(f"{cause}: {foretold(causes[cause], units, runs, expected, alpha=0.05 / len(causes))}")
    return lines

"""Gain against forgetting as curves over learning rates, and what is forgotten where two curves gain as much.

A rung trained harder gains more and forgets more, so that single points of two rungs say nothing. Two rungs are
compared over the gains that both have measured, and both are read in the same way: by a parabola through the untouched
base, which gains and forgets nothing. Straight lines between the points would lie above a curve that bends upwards,
the more so the farther its points lie apart, and make the rung better that gains less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from uptake.stats import Interval, student_mean

PAPER = -0.1234
"""What "Patch the Distribution Mismatch" (arXiv 2602.11220) claims of its policy: 12.34 % less forgetting at comparable
gain than the original data."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One training.

    Attributes:
        rate: Its learning rate, in whatever unit.
        gain: What the tests have gained over the base.
        forgetting: What was lost; below 0 where it is better than the base.
    """

    rate: float
    gain: float
    forgetting: float


@dataclass(frozen=True, slots=True)
class EqualGain:
    """Forgetting of a rung against the reference where both gain as much.

    Attributes:
        low: The smallest gain that both have measured, mean over the seeds.
        high: The largest that both reach, mean over the seeds.
        forgetting: Of the rung, mean over the gains between them and over the seeds.
        reference: Of the reference there.
        difference: Mean of the paired differences with Student's interval over the seeds; None of less than two.
        change: The same relative to the reference: -0.12 is 12 % less; None where the reference forgets nothing in some
            seed, or with less than two seeds.
        misfit: How far the points lie from the curves, of the rung or of the reference, whichever is more (`misfit`); a
            smaller difference may come of the shape alone. None with less than three learning rates.
        n: Seeds in which the two have gains in common.
    """

    low: float
    high: float
    forgetting: float
    reference: float
    difference: Interval | None
    change: Interval | None
    misfit: float | None
    n: int


def rising(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """The trainings up to the learning rate that gains most, the smallest rate first.

    Higher rates forget more and gain less: the curve turns back there, and has two forgettings of one gain. One that
    gains less than nothing is put at the base's gain, which it does not leave.
    """
    ordered = [replace(one, gain=max(0.0, one.gain)) for one in sorted(points, key=lambda one: one.rate)]
    gains = [one.gain for one in ordered]
    return ordered[: gains.index(max(gains)) + 1] if gains else []


def common_gains(one: Sequence[CurvePoint], other: Sequence[CurvePoint]) -> tuple[float, float] | None:
    """From where to where gains lie between the smallest and the largest measured one of both curves.

    Args:
        one: Trainings of one rung, `rising`.
        other: Of another one.

    Returns:
        None where no gains do, or a single one; and where less than two trainings of a rung gain something, since
        many parabolas go through one point.
    """
    if any(sum(point.gain > 0 for point in line) < 2 for line in (one, other)):
        return None
    low = max(min(point.gain for point in line) for line in (one, other))
    high = min(max(point.gain for point in line) for line in (one, other))
    return (low, high) if low < high else None


@dataclass(frozen=True, slots=True)
class CurveReading:
    """A curve read over gains.

    Attributes:
        forgetting: Its mean over them.
        missed: By learning rate what a training forgot more than the curve says.
    """

    forgetting: float
    missed: Mapping[float, float]


def read_curve(points: Sequence[CurvePoint], low: float, high: float) -> CurveReading:
    """Mean forgetting of a curve over gains.

    The curve is the parabola a·g + b·g² that has the least squared distance to the points of those that rise, or of
    those that fall, all the way from `low` to `high`. It is exact where forgetting is such a parabola. That it must not
    turn keeps a point near the base, whose small error says much of the slope, from throwing it high or low in between.

    Args:
        points: Trainings of one rung and one seed, `rising`.
        low: The smallest gain, 0 or more.
        high: The largest, above `low`.
    """
    from scipy.optimize import nnls

    def bent(gain: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """The two parabolas whose vertex lies at an end: sums of them, and they alone, rise from `low` to `high`."""
        x, least = gain / high, low / high
        return np.stack([x**2 - 2 * least * x, 2 * x - x**2], axis=1)

    lost, shapes = np.array([one.forgetting for one in points]), bent(np.array([one.gain for one in points]))
    fits = [(sign, *nnls(shapes, sign * lost)) for sign in (1.0, -1.0)]
    sign, factors, _ = min(fits, key=lambda fit: float(fit[2]))
    at = bent(np.array([low, (low + high) / 2, high])) @ factors
    missed = lost - sign * shapes @ factors
    mean = sign * float(np.array([1, 4, 1]) / 6 @ at)  # Simpson's rule is exact for parabolas
    return CurveReading(mean, {one.rate: float(value) for one, value in zip(points, missed, strict=True)})


def misfit(readings: Sequence[CurveReading]) -> float | None:
    """How far the points of a rung lie from its curves, the same way in all seeds.

    Seeds that miss by chance cancel; what is left tells that the curve is none that rises or falls as a parabola does.
    Root of the squared mean misses over the rates, divided by as many as there are beyond the two that a parabola goes
    through in any case; None with no more than two.

    Args:
        readings: By seed.
    """
    rates = sorted({rate for one in readings for rate in one.missed})
    if len(rates) < 3:
        return None
    means = [np.mean([one.missed[rate] for one in readings if rate in one.missed]) for rate in rates]
    return float(np.sqrt(np.sum(np.square(means)) / (len(rates) - 2)))


def at_equal_gain(
    rung: Mapping[int, Sequence[CurvePoint]], reference: Mapping[int, Sequence[CurvePoint]]
) -> EqualGain | None:
    """What a rung forgets against the reference, paired by seed.

    Args:
        rung: By seed its trainings.
        reference: The same of what it is held against.

    Returns:
        None where in no seed the two have gains in common.
    """
    ranges, own, others = [], [], []
    for seed, points in rung.items():
        one, other = rising(points), rising(reference.get(seed, ()))
        found = common_gains(one, other)
        if found is not None:
            ranges.append(found)
            own.append(read_curve(one, *found))
            others.append(read_curve(other, *found))
    if not ranges:
        return None
    lost, beside = (np.array([one.forgetting for one in side]) for side in (own, others))
    misses = [misfit(side) for side in (own, others)]
    known = [one for one in misses if one is not None]
    low, high = map(float, np.mean(ranges, axis=0))
    return EqualGain(
        low=low,
        high=high,
        forgetting=float(lost.mean()),
        reference=float(beside.mean()),
        difference=student_mean(lost - beside),
        change=student_mean((lost - beside) / beside) if beside.min() > 0 else None,
        misfit=max(known) if len(known) == len(misses) else None,
        n=len(ranges),
    )

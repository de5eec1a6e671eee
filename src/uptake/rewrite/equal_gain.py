"""Gain against forgetting as curves over learning rates, and what is forgotten where two curves gain as much.

A rung trained harder gains more and forgets more, so that single points of two rungs say nothing. The curve of a rung
begins at the untouched base, which gains and forgets nothing, and goes through its learning rates in straight lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

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
        gain: Mean over the seeds of the gain at which they are compared: the largest that both reach.
        forgetting: Of the rung there, mean over the seeds.
        reference: Of the reference there.
        difference: Mean of the paired differences with Student's interval over the seeds; None of less than two.
        change: The same relative to the reference: -0.12 is 12 % less; None where the reference forgets nothing in some
            seed, or with less than two seeds.
        n: Seeds that both gained something in.
    """

    gain: float
    forgetting: float
    reference: float
    difference: Interval | None
    change: Interval | None
    n: int


def most(points: Sequence[CurvePoint]) -> float:
    """The largest gain of a curve; 0 is the base's."""
    return max([0.0, *(one.gain for one in points)])


def least_forgetting(points: Sequence[CurvePoint], gain: float) -> float | None:
    """The least forgetting at which a curve has a gain or more; None where it never has.

    Args:
        points: Trainings of one rung and one seed.
        gain: Above 0.
    """
    line = [CurvePoint(0.0, 0.0, 0.0), *sorted(points, key=lambda one: one.rate)]
    found = [one.forgetting for one in line if one.gain >= gain]
    for one, other in pairwise(line):
        if (one.gain < gain) != (other.gain < gain):
            share = (gain - one.gain) / (other.gain - one.gain)
            found.append(one.forgetting + share * (other.forgetting - one.forgetting))
    return min(found, default=None)


def at_equal_gain(
    rung: Mapping[int, Sequence[CurvePoint]], reference: Mapping[int, Sequence[CurvePoint]]
) -> EqualGain | None:
    """What a rung forgets against the reference, paired by seed.

    Args:
        rung: By seed its trainings.
        reference: The same of what it is held against.

    Returns:
        None where no seed has two curves that gain anything.
    """
    gains, own, others = [], [], []
    for seed, points in rung.items():
        theirs = reference.get(seed, ())
        gain = min(most(points), most(theirs))
        one, other = (least_forgetting(line, gain) if gain > 0 else None for line in (points, theirs))
        if one is not None and other is not None:
            gains.append(gain)
            own.append(one)
            others.append(other)
    if not gains:
        return None
    apart = np.array(own) - np.array(others)
    share = student_mean(apart / np.array(others)) if min(others) > 0 else None
    gain, lost, beside = (float(np.mean(each)) for each in (gains, own, others))
    return EqualGain(gain, lost, beside, student_mean(apart), share, len(gains))

"""How a rewriting policy was trained, as small curves: what it earned, and each part of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptake.report.charts import HEIGHT, WIDTH

PARTS: Mapping[str, str] = {
    "reward": "reward",
    "passed": "share of drafts that pass the gates",
    "nll": "nats a token of what passes, under the base",
    "diversity": "diversity within a group",
    "kl": "KL to the base",
}


@dataclass(frozen=True, slots=True)
class PartCurve:
    """One number over the steps; coordinates are those of a panel's view box.

    Attributes:
        title: What it is.
        points: The curve; steps without the number are left out.
        low: The smallest value.
        high: The largest one.
        told: The curve in words.
    """

    title: str
    points: str
    low: float
    high: float
    told: str


def part_curves(steps: Sequence[Mapping[str, Any]]) -> list[PartCurve]:
    """A curve for each part that was noted.

    Args:
        steps: `curve` of a policy in `summary.json`.
    """
    found = []
    last = max((step["step"] for step in steps), default=1)
    for name, title in PARTS.items():
        known = [(step["step"], step[name]) for step in steps if step[name] is not None]
        if not known:
            continue
        low, high = (end(value for _, value in known) for end in (min, max))
        room = (high - low) or 1.0
        points = " ".join(
            f"{WIDTH * (step - 0.5) / last:.1f},{HEIGHT * (1 - (value - low) / room):.1f}" for step, value in known
        )
        told = f"{title}: {known[0][1]:.3g} at step {known[0][0]}, {known[-1][1]:.3g} at step {known[-1][0]}"
        found.append(PartCurve(title, points, low, high, told))
    return found

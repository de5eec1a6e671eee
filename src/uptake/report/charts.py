"""Geometry of the charts; the template draws it. Coordinates are those of each chart's own view box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uptake.report.learning import RecallCurve

WIDTH, HEIGHT = 220, 96
"""View box of a panel of learning curves, its axes outside."""
LABEL = 11
"""Height of a label."""
PANELS = 12
"""Sources that get a panel of their own."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: which training stage's examples, its points, the last value and how high that is written."""

    stage: str
    number: int
    points: str
    ends: tuple[tuple[float, float], ...]
    last: float
    label: float
    told: str


@dataclass(frozen=True, slots=True)
class Panel:
    """The curves of one source."""

    title: str
    n: int
    lines: tuple[Line, ...]


def panels(curves: Sequence[RecallCurve], stages: Sequence[str], order: Sequence[str]) -> list[Panel]:
    """A panel a source, the first `PANELS` of `order`."""
    last = max((epoch for curve in curves for epoch, _ in curve.points), default=1)
    by_source: dict[str, list[RecallCurve]] = {}
    for curve in curves:
        by_source.setdefault(curve.source, []).append(curve)
    return [
        Panel(
            source,
            sum(curve.n for curve in by_source[source]),
            _apart([_line(curve, stages, last) for curve in by_source[source]]),
        )
        for source in [name for name in order if name in by_source][:PANELS]
    ]


def _line(curve: RecallCurve, stages: Sequence[str], last: int) -> Line:
    at = [(round(across(epoch, last), 1), round(HEIGHT * (1 - share), 1)) for epoch, share in curve.points]
    told = ", ".join(f"epoch {epoch}: {share:.0%}" for epoch, share in curve.points)
    return Line(
        stage=curve.stage,
        number=stages.index(curve.stage) if curve.stage in stages else 0,
        points=" ".join(f"{x:g},{y:g}" for x, y in at),
        ends=tuple(at),
        last=curve.points[-1][1],
        label=HEIGHT * (1 - curve.points[-1][1]) + 4,
        told=f"{curve.stage}: {told}",
    )


def _apart(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The labels at the ends of the lines moved apart, so that none is written over another."""
    placed: dict[int, float] = {}
    lowest = -math.inf
    for number in sorted(range(len(lines)), key=lambda one: lines[one].label):
        lowest = placed[number] = max(lines[number].label, lowest + LABEL)
    over = max(0.0, lowest - HEIGHT - 4)
    return tuple(replace(line, label=round(placed[number] - over, 1)) for number, line in enumerate(lines))


def across(epoch: int, last: int) -> float:
    """Where an epoch lies; the first half epoch's width is left free, so that a single epoch has a point."""
    return WIDTH * (epoch - 0.5) / max(1, last)


@dataclass(frozen=True, slots=True)
class StageSpan:
    """A stage's stretch of the epochs: its name, where it begins and ends."""

    stage: str
    start: float
    end: float


def spans(stages: Sequence[str], epochs: Sequence[int]) -> list[StageSpan]:
    """The stretches of the stages."""
    last = epochs[-1] if epochs else 1
    starts = (0, *epochs[:-1])
    return [
        StageSpan(stage, round(WIDTH * start / last, 1), round(WIDTH * end / last, 1))
        for stage, start, end in zip(stages, starts, epochs, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class ShareChange:
    """A share before and after, each with its 95 % interval where one is known."""

    label: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    note: str = ""


def heat(share: float | None) -> str:
    """The step of the colour scale, h0 to h10, for a share or an effect; hx where there is none."""
    return "hx" if share is None else f"h{round(10 * min(1.0, max(0.0, share)))}"

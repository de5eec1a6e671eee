"""`rewrite_compare.html`: rungs on one page: gain against forgetting as curves, and at equal gain; what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import write_bytes
from uptake.pipeline.rungs.markdown import (
    EQUAL_LEGEND,
    LEGEND,
    curve_table,
    data_table,
    equal_table,
    headline,
    of_paper,
)
from uptake.pipeline.rungs.run import read_compared_rungs
from uptake.report.charts import LABEL
from uptake.report.page import render_rewrite_compared

WIDTH, HEIGHT = 320, 180
"""View box of a chart, its axes and labels outside."""
CHARTS = (
    ("general_lost", "general text, nats a token lost", "{:.2f}", 1.0),
    ("retention_lost", "retention set, points of 100 lost", "{:.0f}", 100.0),
)


@dataclass(frozen=True, slots=True)
class RungCurve:
    """The curve of a rung from the untouched base over its learning rates; coordinates are those of the view box.

    Attributes:
        name: The rung.
        points: Its points.
        ends: The same one by one.
        lines: 95 % intervals, across and up.
        label: How high its name is written.
        told: The curve in words.
    """

    name: str
    points: str
    ends: tuple[tuple[float, float], ...]
    lines: tuple[str, ...]
    label: float
    told: str


@dataclass(frozen=True, slots=True)
class GainChart:
    """Gain against one kind of forgetting.

    Attributes:
        title: What is forgotten.
        across: Ticks of forgetting, where they lie and how they are written.
        up: Ticks of the gain.
        curves: A curve a rung.
    """

    title: str
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    curves: tuple[RungCurve, ...]


def charts(summary: Mapping[str, Any]) -> list[GainChart]:
    """A chart for each kind of forgetting that was measured.

    Args:
        summary: `summary.json` of a comparison.
    """
    found = []
    for name, title, form, times in CHARTS:
        known = [point for rung in summary["rungs"] for point in rung["points"] if point[name] and point["gain"]]
        if not known:
            continue
        lost = _range([point[name]["estimate"] for point in known])
        gain = _range([point["gain"]["estimate"] for point in known])
        curves = [_curve(rung, name, lost, gain, form, times) for rung in summary["rungs"]]
        across = tuple((_across(value, lost), form.format(times * value)) for value in (lost[0], 0.0, lost[1]))
        up = tuple((_high(value, gain), f"{100 * value:.0f}") for value in (0.0, gain[1]))
        found.append(GainChart(title, tuple(dict.fromkeys(across)), up, tuple(_apart(curves))))
    return found


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From the smallest to the largest, with the base's 0 and some room."""
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.05 * (high - low) or 1.0
    return (low - room if low < 0 else 0.0), high + room


def _curve(
    rung: Mapping[str, Any], name: str, lost: tuple[float, float], gain: tuple[float, float], form: str, times: float
) -> RungCurve:
    known = sorted(
        (point for point in rung["points"] if point[name] and point["gain"]), key=lambda point: float(point["rate"])
    )
    ends = [(_across(0.0, lost), _high(0.0, gain))]
    lines = []
    for point in known:
        x, y = _across(point[name]["estimate"], lost), _high(point["gain"]["estimate"], gain)
        ends.append((x, y))
        if point[name]["low"] is not None:
            low, high = (_across(point[name][end], lost) for end in ("low", "high"))
            lines.append(f"{low:g},{y:g} {high:g},{y:g}")
        if point["gain"]["low"] is not None:
            low, high = (_high(point["gain"][end], gain) for end in ("low", "high"))
            lines.append(f"{x:g},{low:g} {x:g},{high:g}")
    told = "; ".join(
        f"rate x {point['rate']:g}: gain {100 * point['gain']['estimate']:.1f}, "
        f"lost {form.format(times * point[name]['estimate'])}"
        for point in known
    )
    return RungCurve(
        rung["name"],
        " ".join(f"{x:g},{y:g}" for x, y in ends),
        tuple(ends),
        tuple(lines),
        ends[-1][1] + 4,
        f"{rung['name']}: {told}",
    )


def _apart(found: Sequence[RungCurve]) -> list[RungCurve]:
    """The names moved apart, so that none is written over another."""
    placed, lowest = [], -float("inf")
    for one in sorted(found, key=lambda curve: curve.label):
        lowest = max(one.label, lowest + LABEL)
        placed.append(replace(one, label=round(lowest, 1)))
    return placed


def _across(value: float, over: tuple[float, float]) -> float:
    return round(WIDTH * min(1.0, max(0.0, (value - over[0]) / (over[1] - over[0]))), 1)


def _high(value: float, over: tuple[float, float]) -> float:
    return round(HEIGHT * (1 - min(1.0, max(0.0, (value - over[0]) / (over[1] - over[0])))), 1)


def write_rewrite_compare_page(output_dir: Path) -> Path | None:
    """Write `rewrite_compare.html` of a run whose rungs are compared; None where there is no comparison.

    Args:
        output_dir: The run's folder.

    Raises:
        UptakeError: The summary is damaged, or the place cannot be written.
    """
    found = read_compared_rungs(output_dir)
    if found is None:
        return None
    summary = found.summary()
    page = output_dir / "rewrite_compare.html"
    values = {
        "name": output_dir.resolve().name,
        "headline": headline(summary),
        "summary": summary,
        "charts": charts(summary),
        "tables": (
            ("equal", "Forgetting at equal gain", equal_table(summary), f"{EQUAL_LEGEND}. {of_paper(summary)}."),
            ("curves", "All trainings", curve_table(summary), f"{LEGEND}."),
            ("data", "What each rung trains, and what making it took", data_table(summary), ""),
        ),
        "width": WIDTH,
        "height": HEIGHT,
    }
    write_bytes(page, render_rewrite_compared(values).encode("utf-8"))
    return page

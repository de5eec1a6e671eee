"""`compare.html`: strategies against each other on one page: forgetting against learning, the table, what each cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import write_bytes
from uptake.pipeline.leaderboard.markdown import LEGEND, chosen_table, headline, of_form, ranked
from uptake.pipeline.leaderboard.run import read_leaderboard
from uptake.report.charts import LABEL
from uptake.report.page import render_compared

WIDTH, HEIGHT = 320, 180
"""View box of the chart, its axes and labels outside."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One strategy in the chart; coordinates are those of its view box.

    Attributes:
        name: The strategy.
        x: Its forgetting.
        y: What is right of each stage after it.
        lines: Its 95 % intervals, across and up.
        label: How high its name is written.
        told: Both numbers in words.
    """

    name: str
    x: float
    y: float
    lines: tuple[str, ...]
    label: float
    told: str


def dots(summary: Mapping[str, Any]) -> list[Dot]:
    """A dot for each strategy that has both numbers.

    Args:
        summary: `summary.json` of a comparison.
    """
    found = []
    for arm in ranked(summary):
        lost, learned = arm["means"]["forgetting"], arm["means"]["diagonal"]
        if lost is None or learned is None:
            continue
        x, y = _across(lost["estimate"]), _high(learned["estimate"])
        lines = []
        if lost["low"] is not None:
            lines.append(f"{_across(lost['low']):g},{y:g} {_across(lost['high']):g},{y:g}")
        if learned["low"] is not None:
            lines.append(f"{x:g},{_high(learned['low']):g} {x:g},{_high(learned['high']):g}")
        told = f"{arm['name']}: forgetting {lost['estimate']:.1%}, learned {learned['estimate']:.1%}"
        found.append(Dot(arm["name"], x, y, tuple(lines), y + 4, told))
    return _apart(found)


def _apart(found: Sequence[Dot]) -> list[Dot]:
    """The names moved apart, so that none is written over another."""
    placed, lowest = [], -float("inf")
    for one in sorted(found, key=lambda dot: dot.y):
        lowest = max(one.label, lowest + LABEL)
        placed.append(replace(one, label=round(lowest, 1)))
    return placed


def _across(share: float) -> float:
    return round(WIDTH * min(1.0, max(0.0, share)), 1)


def _high(share: float) -> float:
    return round(HEIGHT * (1 - min(1.0, max(0.0, share))), 1)


def write_compare_page(output_dir: Path) -> Path | None:
    """Write `compare.html` of a run whose strategies are compared; None where there is no comparison.

    Args:
        output_dir: The run's folder.

    Raises:
        UptakeError: The summary is damaged, or the place cannot be written.
    """
    found = read_leaderboard(output_dir)
    if found is None:
        return None
    summary = found.summary()
    page = output_dir / "compare.html"
    values = {
        "name": output_dir.resolve().name,
        "headline": headline(summary),
        "summary": summary,
        "ranked": ranked(summary),
        "dots": dots(summary),
        "chosen": chosen_table(summary),
        "of_form": of_form,
        "legend": LEGEND[:1].upper() + LEGEND[1:],
        "width": WIDTH,
        "height": HEIGHT,
    }
    write_bytes(page, render_compared(values).encode("utf-8"))
    return page

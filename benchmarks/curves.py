"""How an item of each cause is learned, or is not: learning curves of one trained world, as a picture.

    python benchmarks/curves.py --world worlds/0 [--run worlds/0/run] [--out benchmarks/results/curves]

Of each cause it shows the median confirmed item, not a telling one: the items that have this cause alone are ranked by
the mean of their readings (nats per token), and the middle one is taken, the lower of two, the first id among equals.
Behind it lie the median and the quartiles of all of them: a point for each scoring pass, and one for each epoch's
training, at the median of its steps. Writes FILE.svg (no library needed) and FILE.json with every number in it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from uptake.artifacts import write_bytes, write_json
from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.ledger import Ledger, read_ledger

WIDTH, HEIGHT, COLUMNS = 330, 250, 3
LEFT, TOP, RIGHT, BOTTOM = 46, 52, 12, 40
INK, FAINT, BAND, GREY = "#1b3a57", "#8aa0b4", "#dbe4ec", "#5b6770"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one example; `steps` done in all stages before it, `nll` in nats per token."""

    steps: int
    stage: str
    kind: str
    epoch: int
    nll: float
    recalled: bool


def readings(ledger: Ledger) -> tuple[dict[str, list[Reading]], dict[str, int]]:
    """Each example's curve, and at how many steps each stage begins; the last entry, "", is where training ends."""
    rows = ledger.table.to_pylist()
    begins, done = {}, 0
    for stage in ledger.stages:
        begins[stage] = done
        done += max((row["step"] for row in rows if row["stage"] == stage), default=0)
    curves: dict[str, list[Reading]] = {}
    for row in rows:
        if row["nll"] is not None:
            # a training pass is read before its step's update, a scoring pass after it
            steps = begins[row["stage"]] + row["step"] - (row["pass"] == "train")
            nll = row["nll"] / row["tokens"]
            one = Reading(steps, row["stage"], row["pass"], row["epoch"], nll, row["recalled"])
            curves.setdefault(row["id"], []).append(one)
    return curves, begins | {"": done}


def of_cause(cause: str, key: list[dict[str, Any]], curves: dict[str, list[Reading]]) -> dict[str, Any] | None:
    """The median item of a cause and its group; None where no item of it alone is confirmed."""
    rows = {row["id"]: row for row in key if row["causes"] == [cause] and row["confirmed"] and row["id"] in curves}
    if not rows:
        return None
    means = {name: float(np.mean([one.nll for one in curves[name]])) for name in rows}
    chosen = sorted(rows, key=lambda name: (means[name], name))[(len(rows) - 1) // 2]
    points: dict[tuple[str, int, str], list[Reading]] = {}
    for name in rows:
        for one in curves[name]:
            points.setdefault((one.stage, one.epoch, one.kind), []).append(one)
    group = []
    for (stage, epoch, kind), some in points.items():
        low, middle, high = np.quantile([one.nll for one in some], [0.25, 0.5, 0.75]).tolist()
        steps = float(np.median([one.steps for one in some]))
        spread = {"n": len(some), "low": low, "median": middle, "high": high}
        group.append({"steps": steps, "stage": stage, "epoch": epoch, "kind": kind, **spread})
    group.sort(key=lambda point: point["steps"])
    item = {"id": chosen, "mean_nll": means[chosen], "curve": [asdict(one) for one in curves[chosen]]}
    return {"confirmed": len(rows), "item": item, "group": group}


def picture(found: dict[str, dict[str, Any] | None], begins: dict[str, int], asked: dict[str, str]) -> str:
    """The figure as SVG: a panel a cause, all on the same axes, and what the marks mean.

    Args:
        found: By cause, as `of_cause` gives it.
        begins: As `readings` gives it.
        asked: What each chosen item asks, and the response.
    """
    shown = [one for one in found.values() if one is not None]
    highest = max(
        [p["high"] for one in shown for p in one["group"]] + [c["nll"] for one in shown for c in one["item"]["curve"]]
    )
    top = max(1, int(np.ceil(highest)))
    cells = [_panel(cause, one, begins, top, asked) for cause, one in found.items()] + [_legend()]
    width, height = COLUMNS * WIDTH, -(-len(cells) // COLUMNS) * HEIGHT
    body = [
        f'<g transform="translate({k % COLUMNS * WIDTH},{k // COLUMNS * HEIGHT})">{"".join(cell)}</g>'
        for k, cell in enumerate(cells)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = f'font-family="Helvetica, Arial, sans-serif" font-size="11" fill="{GREY}"'
    return "\n".join([f"{head} {style}>", f'<rect width="{width}" height="{height}" fill="white"/>', *body, "</svg>\n"])


def _panel(
    cause: str, one: dict[str, Any] | None, begins: dict[str, int], top: int, asked: dict[str, str]
) -> list[str]:
    def x(steps: float) -> float:
        return LEFT + steps / max(1, begins[""]) * (WIDTH - LEFT - RIGHT)

    def y(nll: float) -> float:
        return HEIGHT - BOTTOM - nll / top * (HEIGHT - TOP - BOTTOM)

    count = "none confirmed" if one is None else f"{one['confirmed']} confirmed"
    parts = [
        _text(LEFT, 18, f"{cause.replace('_', ' ')}", size=13, colour=INK, weight="bold"),
        _text(WIDTH - RIGHT, 18, count, "end"),
    ]
    for tick in range(0, top + 1, max(1, top // 4)):
        parts += [
            _line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "#ececec"),
            _text(LEFT - 6, y(tick) + 4, str(tick), "end"),
        ]
    for stage, steps in begins.items():
        parts.append(_text(x(steps), HEIGHT - BOTTOM + 14, str(steps), "middle"))
        if stage:
            parts.append(_text(x(steps) + 4, TOP - 3, stage, size=10))
        if stage and steps:
            parts.append(_line(x(steps), TOP - 12, x(steps), y(0), GREY, dash="3 3"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "optimiser steps", "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<g transform="rotate(-90 14 {middle})">{_text(14, middle, "nats per token", "middle")}</g>')
    if one is None:
        return parts
    group, curve = one["group"], one["item"]["curve"]
    outline = [(x(p["steps"]), y(p["high"])) for p in group] + [(x(p["steps"]), y(p["low"])) for p in reversed(group)]
    parts.append(f'<polygon points="{_points(outline)}" fill="{BAND}"/>')
    parts.append(_path([(x(p["steps"]), y(p["median"])) for p in group], FAINT, 1.5, "5 3"))
    parts.append(_path([(x(p["steps"]), y(p["nll"])) for p in curve], INK, 1.8))
    parts += [_marker(x(p["steps"]), y(p["nll"]), p["recalled"]) for p in curve]
    told = asked[one["item"]["id"]]
    parts.append(_text(LEFT, 33, told if len(told) <= 54 else f"{told[:53]}…", size=10))
    return parts


def _legend() -> list[str]:
    rows = [
        (
            f'<polygon points="{_points([(20, 48), (50, 48), (50, 60), (20, 60)])}" fill="{BAND}"/>',
            "quartiles of the confirmed items",
        ),
        (_path([(20, 78), (50, 78)], FAINT, 1.5, "5 3"), "their median"),
        (_path([(20, 102), (50, 102)], INK, 1.8), "the item whose mean is the median"),
        (_marker(35, 126, True), "recalled: greedy decoding gives the response"),
        (_marker(35, 150, False), "not recalled"),
        (_line(35, 166, 35, 182, GREY, dash="3 3"), "the next stage begins"),
    ]
    return [mark + _text(60, 58 + 24 * k, what) for k, (mark, what) in enumerate(rows)]


def _text(
    x: float, y: float, text: str, anchor: str = "start", *, size: int = 11, colour: str = GREY, weight: str = "normal"
) -> str:
    style = f'text-anchor="{anchor}" font-size="{size}" fill="{colour}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: str = "none") -> str:
    where = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {where} stroke="{colour}" stroke-dasharray="{dash}"/>'


def _path(points: list[tuple[float, float]], colour: str, width: float, dash: str = "none") -> str:
    style = f'stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
    return f'<polyline points="{_points(points)}" fill="none" {style}/>'


def _marker(x: float, y: float, recalled: bool) -> str:
    fill = INK if recalled else "white"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{INK}" stroke-width="1.5"/>'


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True, help="a confirmed world that was trained")
    parser.add_argument("--run", type=Path, default=None, help="its output folder; WORLD/run if left out")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "curves")
    args = parser.parse_args()
    key = _rows(args.world / "key.jsonl")
    curves, begins = readings(read_ledger(args.run or args.world / "run"))
    found = {cause: of_cause(cause, key, curves) for cause in CAUSES}
    if not any(found.values()):
        raise UptakeError("no confirmed item has a curve", fix="make the world with --confirm, and train it")
    asked = {
        row["id"]: f"{row['prompt']} → {row['completion'].strip()}"
        for stage in begins
        if stage
        for row in _rows(args.world / f"{stage}.jsonl")
    }
    write_bytes(args.out.with_suffix(".svg"), picture(found, begins, asked).encode())
    write_json(args.out.with_suffix(".json"), {"stages_begin": begins, "causes": found})
    for cause, one in found.items():
        print(
            f"{cause:<16}"
            + (
                "no confirmed item"
                if one is None
                else f"{one['confirmed']:>4} confirmed; {one['item']['id']}: {asked[one['item']['id']]}"
            )
        )


if __name__ == "__main__":
    main()

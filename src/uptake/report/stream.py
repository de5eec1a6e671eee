"""`stream.html`: a stream on its own page: the matrix as a heat map, a curve a stage, what was lost, what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import write_bytes
from uptake.pipeline.stream.lost import most_pulled, read_lost, still_right
from uptake.pipeline.stream.markdown import (
    COSTS,
    COSTS_ARE,
    FORMS,
    FORMS_ARE,
    REPLACED_ARE,
    form_cell,
    headline,
    replaced_cell,
)
from uptake.pipeline.stream.result import read_stream
from uptake.report.charts import HEIGHT, WIDTH
from uptake.report.page import render_stream
from uptake.stream import METRICS

STATES = ("right", "otherwise", "wrong", "replaced")
TOLD = 100
"""Lost tests that are shown one by one."""


@dataclass(frozen=True, slots=True)
class StageCurve:
    """How one stage's tests went over the stream; coordinates are those of a panel's view box.

    Attributes:
        stage: The stage.
        right: Points of the curve of what is right, one a model, the base first.
        elicited: The same in whatever words; None where that is not known.
        band: Outline of the 95 % intervals.
        ends: The points one by one.
        own: Across, where the stage itself was trained.
        last: What is right at the end.
        label: How high that is written.
        told: The curve in words.
    """

    stage: str
    right: str
    elicited: str | None
    band: str
    ends: tuple[tuple[float, float], ...]
    own: float
    last: float
    label: float
    told: str


def stage_curves(summary: Mapping[str, Any]) -> list[StageCurve]:
    """A curve for each stage that has tests left.

    Args:
        summary: `summary.json` of a stream.
    """
    rows, curves = summary["rows"], []
    afters = ["the base", *summary["stages"]]
    across = [WIDTH * number / (len(rows) - 1) for number in range(len(rows))]
    for number, stage in enumerate(summary["stages"]):
        cells = [row["tests"][number] for row in rows]
        if not cells[0]["n"]:  # later stages replace all of its tests
            continue
        shares = [cell["right"]["estimate"] for cell in cells]
        ends = [(round(x, 1), _high(share)) for x, share in zip(across, shares, strict=True)]
        upper = [(x, _high(cell["right"]["high"])) for x, cell in zip(across, cells, strict=True)]
        lower = [(x, _high(cell["right"]["low"])) for x, cell in zip(across, cells, strict=True)]
        words = [cell["elicited"] for cell in cells]
        known = None not in words
        curves.append(
            StageCurve(
                stage=stage,
                right=_points(ends),
                elicited=_points([(x, _high(w)) for x, w in zip(across, words, strict=True)]) if known else None,
                band=_points([*upper, *lower[::-1]]),
                ends=tuple(ends),
                own=round(across[number + 1], 1),
                last=shares[-1],
                label=_high(shares[-1]) + 4,
                told=", ".join(f"after {name}: {share:.0%}" for name, share in zip(afters, shares, strict=True)),
            )
        )
    return curves


@dataclass(frozen=True, slots=True)
class Band:
    """Tests of a stage that went the same way through the stream.

    Attributes:
        states: After each model, the base first: `right`, `otherwise` (freely or in a held-out wording), `wrong`, or
            `replaced` (a later stage, trained by then, teaches another answer).
        n: How many tests.
        y: Where the band begins, of `HEIGHT`.
        height: How high it is.
        told: The way in words.
    """

    states: tuple[str, ...]
    n: int
    y: float
    height: float
    told: str


def stage_bands(items: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> list[list[Band]]:
    """For each stage its tests by the way that they went, those first that were right longest at the end.

    Args:
        items: Rows of `items.parquet`.
        summary: `summary.json`.
    """
    ways: dict[str, dict[str, list[str]]] = {stage: {} for stage in summary["stages"]}
    places: dict[str, Counter[str]] = {stage: Counter() for stage in summary["stages"]}
    for item in items:
        if item["kind"] == "test":
            number = item["after_number"]
            places[item["stage"]][str(number)] += 1
            way = ways[item["stage"]].setdefault(f"{places[item['stage']][str(number)]}", [])
            way.append(_state(item, summary["stages"]))
    afters = ["the base", *(f"after {stage}" for stage in summary["stages"])]
    found = []
    for of in ways.values():
        counts = Counter(tuple(way) for way in of.values())
        total, y, bands = sum(counts.values()), 0.0, []
        for states, n in sorted(counts.items(), key=lambda one: [STATES.index(state) for state in one[0][::-1]]):
            told = "; ".join(f"{after}: {state}" for after, state in zip(afters, states, strict=True))
            bands.append(Band(states, n, round(y, 2), round(HEIGHT * n / total, 2), f"{n} tests: {told}"))
            y += HEIGHT * n / total
        found.append(bands)
    return found


def _state(item: Mapping[str, Any], stages: Sequence[str]) -> str:
    by = item["replaced_in"]
    if by is not None and item["after_number"] > stages.index(by):
        return "replaced"
    return "right" if item["right"] else "otherwise" if item["elicited"] else "wrong"


def _high(share: float) -> float:
    return round(HEIGHT * (1 - min(1.0, max(0.0, share))), 1)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def write_stream_page(output_dir: Path) -> Path | None:
    """Write `stream.html` of a run whose stream is finished; None where there is none.

    Args:
        output_dir: The run's folder.

    Raises:
        UptakeError: The summary is damaged, or the place cannot be written.
    """
    found = read_stream(output_dir)
    if found is None:
        return None
    summary, lost = found.summary(), most_pulled(read_lost(found.folder))
    page = output_dir / "stream.html"
    values = {
        "name": output_dir.resolve().name,
        "headline": headline(summary),
        "summary": summary,
        "metrics": METRICS,
        "forms": FORMS,
        "form_cell": form_cell,
        "forms_are": FORMS_ARE,
        "replaced": any(one["replaced"] for one in summary["fates"]),
        "replaced_are": REPLACED_ARE,
        "replaced_cell": replaced_cell,
        "costs": COSTS,
        "costs_are": COSTS_ARE,
        "curves": stage_curves(summary),
        "bands": stage_bands(found.items(), summary),
        "lost": [(one, still_right(one)) for one in lost[:TOLD]],
        "lost_n": len(lost),
        "width": WIDTH,
        "height": HEIGHT,
    }
    write_bytes(page, render_stream(values).encode("utf-8"))
    return page

"""Rungs side by side as tables: what each gains, what is forgotten, and what making its data took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from uptake.stats import holm
from uptake.text import counted

LEVEL = 0.95
"""Of the intervals; what is said to be sure holds at this level for all rungs together (Holm)."""

LEGEND = (
    "gain: points of 100 that the tests gain over the base, in whatever words; in form: in the form of the data alone; "
    "general: nats a token that general text loses; retention: points of the retention set that are lost in whatever "
    "words; in form alone: points that the base says in the form of the data and the model in other words; means over "
    "seeds with Student's 95 % intervals"
)
EQUAL_LEGEND = (
    "each rung and the original where both gain as much: means over the gains that both have measured, seed by seed; "
    "change: against the original's forgetting, with Student's 95 % interval over the seeds; misfit: how far the "
    "trainings lie from the parabolas that are read, a smaller difference may come of the shape alone"
)


def compared_markdown(summary: Mapping[str, Any]) -> str:
    """`summary.md` of a comparison.

    Args:
        summary: `summary.json`.
    """
    lines = [
        f"## {headline(summary)}",
        "",
        f"{counted(len(summary['rates']), 'learning rate')} x {counted(summary['seeds'], 'seed')}, as many tokens of "
        "each rung.",
        "",
        *_table(curve_table(summary)),
        "",
        f"*{LEGEND}*",
        "",
        *_table(equal_table(summary)),
        "",
        f"*{EQUAL_LEGEND}. {of_paper(summary)}*",
        "",
        *_table(data_table(summary)),
        "",
    ]
    lines += ["### Notes", "", *(f"- {note}" for note in summary["notes"]), ""] if summary["notes"] else []
    return "\n".join(lines).rstrip() + "\n"


def headline(summary: Mapping[str, Any]) -> str:
    """Whether a rung forgets less than the original data at equal gain.

    Surely so where the paired t-test says it after Holm, and the difference is larger than the misfit of the curves.
    """
    known = [(rung["name"], rung["equal"]["general_lost"]) for rung in summary["rungs"]]
    apart = {name: equal for name, equal in known if equal is not None and equal["difference"]}
    adjusted = holm(np.array([_p(one["difference"]) for one in apart.values()], np.float64))
    sure = [
        name
        for (name, one), p in zip(apart.items(), adjusted, strict=True)
        if p < 1 - LEVEL and one["misfit"] is not None and one["difference"]["estimate"] < -one["misfit"]
    ]
    if sure:
        return f"{', '.join(sure)}: surely less of general text is forgotten than with the original data, at equal gain"
    less = [name for name, equal in known if equal is not None and equal["forgetting"] < equal["reference"]]
    if less:
        return f"{', '.join(less)}: less of general text is forgotten than with the original data, but not surely"
    return "no rung is seen to forget less of general text than the original data at equal gain"


def _p(difference: Mapping[str, Any]) -> float:
    """The two-sided p-value of the paired t-test whose interval (Student's, of the level `LEVEL`) a difference has."""
    from scipy.stats import t as student_t

    freedom, half = difference["n"] - 1, (difference["high"] - difference["low"]) / 2
    if half <= 0:  # seeds that happen to differ alike are no proof
        return 1.0
    times = float(student_t.ppf((1 + LEVEL) / 2, freedom)) / half
    return float(2 * student_t.sf(abs(difference["estimate"]) * times, freedom))


def of_paper(summary: Mapping[str, Any]) -> str:
    """What the paper claims."""
    return f"The paper (arXiv 2602.11220) claims {100 * summary['paper']:+.2f} % for its policy, on its own tasks"


def curve_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """A row a rung and learning rate; the first row is the head."""
    rows = [["rung", "rate", "gain", "in form", "general", "retention", "in form alone", "tokens", "seconds"]]
    for rung in summary["rungs"]:
        for point in rung["points"]:
            rows.append(
                [
                    rung["name"],
                    f"x {point['rate']:g}",
                    *(points(point[name]) for name in ("gain", "gain_in_form")),
                    nats(point["general_lost"]),
                    *(points(point[name]) for name in ("retention_lost", "retention_form")),
                    *(plain(point[name]) for name in ("tokens", "seconds")),
                ]
            )
    return rows


def equal_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """Forgetting at equal gain, a row a rung and kind of forgetting."""
    rows = [["rung", "forgotten", "gains", "the rung's", "the original's", "difference", "change", "misfit", "seeds"]]
    for rung in summary["rungs"]:
        for name, unit in (("general_lost", nats), ("retention_lost", points)):
            equal = rung["equal"][name]
            if rung["name"] == summary["reference"]:
                continue
            told = "general text" if name == "general_lost" else "retention"
            if equal is None:
                rows.append([rung["name"], told, *["-"] * 7])
                continue
            alone = [
                None if equal[key] is None else {"estimate": equal[key], "low": None}
                for key in ("forgetting", "reference", "misfit")
            ]
            rows.append(
                [
                    rung["name"],
                    told,
                    f"{100 * equal['low']:.1f} to {100 * equal['high']:.1f}",
                    *map(unit, alone[:2]),
                    unit(equal["difference"]),
                    change(equal["change"]),
                    unit(alone[2]),
                    str(equal["n"]),
                ]
            )
    return rows


def data_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """What each rung trains, and what making it took."""
    head = [
        "rung",
        "rewritten",
        "nats a token",
        "words",
        "distinct-2",
        "tokens a pass",
        "epochs",
        "generated",
        "scored",
    ]
    rows = [head]
    for rung in summary["rungs"]:
        rows.append(
            [
                rung["name"],
                f"{rung['rewritten']:,} of {rung['n']:,}",
                "-" if rung["nll"] is None else f"{rung['nll']:.2f}",
                f"{rung['words']:.1f}",
                "-" if rung["distinct"] is None else f"{rung['distinct']:.2f}",
                f"{rung['tokens']:,}",
                _times(rung["lengths"]),
                f"{rung['generated']:,}",
                f"{rung['scored']:,}",
            ]
        )
    return rows


def points(mean: Mapping[str, Any] | None) -> str:
    """A share in points of 100, with its interval."""
    return _with_interval(mean, 100.0, 1)


def nats(mean: Mapping[str, Any] | None) -> str:
    """Nats a token, with their interval."""
    return _with_interval(mean, 1.0, 3)


def change(mean: Mapping[str, Any] | None) -> str:
    """A relative change in percent, with its interval."""
    return "-" if mean is None else f"{_with_interval(mean, 100.0, 0)} %"


def plain(mean: Mapping[str, Any] | None) -> str:
    """A count."""
    return "-" if mean is None else f"{mean['estimate']:,.0f}"


def _with_interval(mean: Mapping[str, Any] | None, times: float, places: int) -> str:
    if mean is None:
        return "-"
    told = f"{times * mean['estimate'] + 0.0:.{places}f}"
    if mean["low"] is None:
        return told
    return f"{told} [{times * mean['low'] + 0.0:.{places}f}, {times * mean['high'] + 0.0:.{places}f}]"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body)]


def _times(lengths: Mapping[str, float]) -> str:
    """What the epochs are multiplied by, over all stages."""
    ends = dict.fromkeys(f"{one(lengths.values()):.2f}" for one in (min, max))
    return f"x {' to '.join(ends)}"

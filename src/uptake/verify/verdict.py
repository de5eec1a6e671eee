"""The verdict: the comparisons as files (verdict.json, matrix.parquet), as a table, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from uptake.artifacts.tables import MATRIX
from uptake.stats import Interval, holm
from uptake.text import counted, fitting
from uptake.verify.analysis import Comparison, Design, Kind


def verdict(
    comparisons: Sequence[Comparison], design: Design, *, foretold: Sequence[str] = (), notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The content of `verdict.json`.

    Args:
        comparisons: As `compare_arms` returns them.
        design: What the outcomes were read by.
        foretold: What was said about power before the compute was spent.
        notes: What the reader should know about the arms.

    Returns:
        JSON-serialisable; the keys are explained in docs/details/verify.md.
    """
    overall = _overall(comparisons)
    return {
        "control": design.control,
        "level": design.level,
        "primary": dict(design.primary),
        "seeds": 0 if overall is None else overall.seeds,
        "overall": None if overall is None else as_data(overall),
        "by_cause": {
            one.cause: as_data(one)
            for one in comparisons
            if one.matched and one.kind == "treated" and one.cause is not None and one.outcome == "primary"
        },
        "best": _best(comparisons),
        "comparisons": [as_data(one) for one in comparisons],
        "foretold": list(foretold),
        "notes": list(notes),
        "sentence": sentence(comparisons, design),
    }


def as_data(one: Comparison) -> dict[str, Any]:
    """A comparison as JSON data."""
    return asdict(one)


def from_data(told: Mapping[str, Any]) -> Comparison:
    """A comparison from what `as_data` gave."""
    effect = told["effect"]
    return Comparison(**{**told, "effect": None if effect is None else Interval(**effect)})


def matrix_row(one: Comparison) -> dict[str, Any]:
    """A comparison as a row of `uptake.artifacts.tables.MATRIX`."""
    return {
        **{name: getattr(one, name) for name in MATRIX.names if hasattr(one, name) and name != "effect"},
        "with": one.arm_rate,
        "without": one.control_rate,
        "effect": one.difference,
        "low": None if one.effect is None else one.effect.low,
        "high": None if one.effect is None else one.effect.high,
        "per_million_tokens": one.per_million,
    }


def sentence(comparisons: Sequence[Comparison], design: Design) -> str:
    """What came out, for somebody who reads nothing else."""
    one = _overall(comparisons)
    if one is None:
        return "No item was treated with the remedy for its cause, so nothing can be said."
    asked = _asked({one.cause for one in comparisons if one.matched and one.kind == "treated"} - {None}, design)
    were = fitting(one.n, "was", "were")
    head = (
        f"Of {counted(one.n, 'example')} that {were} not learned, each treated with the remedy "
        f"for its cause, the model answers {one.arm_rate:.0%} when {asked}; with the same training tokens spent on "
        f"something else it answers {one.control_rate:.0%} of the same examples"
    )
    trainings = counted(one.seeds, "training")
    if one.effect is None:
        return f"{head}. Whether that is chance cannot be told from {trainings} of {counted(one.units, 'unit')}."
    found = f"{_points(one.effect)} points, {design.level:.0%} interval {_range(one.effect)}, {trainings} each"
    if one.effect.low > 0:
        told = "The remedies helped."
    elif one.effect.high < 0:
        told = "The remedies did harm."
    else:
        told = "That may be chance: this experiment does not show that the remedies helped."
    return f"{head}: {found}. {told}{_harm(comparisons, design.level)}"


def _asked(causes: Iterable[str | None], design: Design) -> str:
    """How the items of these causes were asked."""
    held_out = sorted(cause for cause in causes if cause and design.primary.get(cause) == "heldout")
    if not held_out:
        return "asked in the training wording"
    if len(held_out) == len([cause for cause in causes if cause]):
        return "asked in other words"
    return f"asked in other words ({' and '.join(held_out)}) or in the training wording (all other causes)"


def grid(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Rows for a terminal, a heading first: a cause a row, a remedy a column; empty where each cause has one remedy."""
    cells = {
        (one.cause, one.remedy): one
        for one in comparisons
        if one.kind == "treated" and one.cause is not None and one.remedy is not None and one.outcome == "primary"
    }
    causes = sorted({cause for cause, _ in cells})
    remedies = sorted({remedy for _, remedy in cells})
    if len(cells) <= len(causes):
        return []
    rows = [("cause", *remedies)]
    for cause in causes:
        of_cause = [cells.get((cause, remedy)) for remedy in remedies]
        rows.append((cause, *("-" if one is None else _cell(one) for one in of_cause)))
    return rows


def _cell(one: Comparison) -> str:
    star = "*" if one.matched else ""
    if one.effect is None:
        return f"{100 * one.difference:+.0f}{star} (n {one.n})"
    return f"{_points(one.effect)}{star} {_range(one.effect)}"


def table(comparisons: Sequence[Comparison], *, cells: bool = True) -> list[tuple[str, ...]]:
    """Rows for a terminal, a heading first: the primary outcome, treated items by remedy and cause, then the rest.

    Args:
        comparisons: As `compare_arms` returns them.
        cells: Whether remedies on causes that are not theirs are told one by one.
    """
    rows: list[tuple[str, ...]] = [
        ("arm", "remedy", "cause", "items", "n", "with", "without", "effect", "p (Holm)", "per M tokens")
    ]
    for one in comparisons:
        if one.outcome != "primary" or (one.kind == "untreated" and one.cause is not None):
            continue
        if not cells and not one.matched and one.kind == "treated":
            continue
        p = one.p_holm if one.p_holm is not None else one.p
        effect = f"{_points(one.effect)} {_range(one.effect)}" if one.effect else f"{100 * one.difference:+.0f}"
        rows.append(
            (
                one.arm, one.remedy or "-", one.cause or "all", one.kind, str(one.n), f"{one.arm_rate:.0%}",
                f"{one.control_rate:.0%}", effect, "-" if p is None else f"{p:.2g}",
                "-" if one.per_million is None else f"{one.per_million:.0f}",
            )
        )  # fmt: skip
    return rows


def _overall(comparisons: Sequence[Comparison]) -> Comparison | None:
    for one in comparisons:
        if (one.arm, one.kind, one.cause, one.outcome) == ("matched", "treated", None, "primary"):
            return one
    return None


def _best(comparisons: Sequence[Comparison]) -> dict[str, Mapping[str, Any]]:
    """For each cause the remedy with the largest effect, and with the largest per token, of those shown to help.

    The largest of many effects is often that of the fewest items, and chance.
    """
    primary = [one for one in comparisons if one.kind == "treated" and one.outcome == "primary"]
    cells = [one for one in primary if one.remedy is not None and one.cause is not None]
    found: dict[str, Mapping[str, Any]] = {}
    for cause in sorted({one.cause for one in cells if one.cause is not None}):
        of_cause = [one for one in cells if one.cause == cause]
        shown = [one for one in of_cause if one.effect is not None and one.effect.low > 0]
        priced = [one for one in shown if one.per_million is not None]
        found[cause] = {
            "by_effect": max(shown, key=lambda one: one.difference).remedy if shown else None,
            "by_tokens": max(priced, key=lambda one: one.per_million or 0.0).remedy if priced else None,
            "matched": next((one.remedy for one in of_cause if one.matched), None),
        }
    return found


def _harm(comparisons: Sequence[Comparison], level: float) -> str:
    """The worst that happened to what must not get worse, of what is no chance among all that was looked at.

    Arms that treat nobody are not asked about.
    """
    treating = {one.arm for one in comparisons if one.kind == "treated"}
    looked = [
        one
        for one in comparisons
        if one.arm in treating and one.kind in _KEPT and one.outcome == "primary" and one.effect is not None
    ]
    p_values = holm(np.array([one.p for one in looked], dtype=float))
    worse = [
        (one.effect.estimate, one, one.effect)
        for one, p in zip(looked, p_values, strict=True)
        if one.effect is not None and one.effect.high < 0 and p <= 1 - level
    ]
    if not worse:
        return ""
    _, worst, effect = min(worse, key=lambda told: told[0])
    who = "It" if worst.arm == "matched" else f"The remedy {worst.arm}"
    return f" {who} cost {_KEPT[worst.kind]} {_points(effect)} points {_range(effect)}."


_KEPT: Mapping[Kind, str] = {
    "retention": "the retention set",
    "earlier": "what earlier stages had taught",
    "learned": "what the last stage had taught",
}
"""What must not get worse."""


def _points(effect: Interval) -> str:
    return f"{100 * effect.estimate:+.0f}"


def _range(effect: Interval) -> str:
    return f"[{100 * effect.low:+.0f}, {100 * effect.high:+.0f}]"

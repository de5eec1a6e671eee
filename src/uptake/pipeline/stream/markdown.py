"""A stream as Markdown: the matrix, its metrics, what was lost, what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uptake.stream import METRICS
from uptake.text import code_span

COSTS = ("trained tokens", "of a strategy", "beside", "before and after", "forwards alone", "in all")
"""What is told of a stage's costs, each in tokens."""
COSTS_ARE = (
    "trained tokens: of all rows, prompts included; of a strategy: those of them that it added; beside: what a "
    "strategy sends forwards and backwards in the steps beside them; before and after: the same outside the steps; "
    "forwards alone: scored or generated, a third of the work each; in all: everything, in trained tokens"
)

FORMS = {"freely": "freely", "held_out": "held out", "lettered": "in letters"}
"""The forms in which a lost test is asked too, with the heads of their columns."""
FORMS_ARE = (
    "of the lost tests, how many the last model still gives freely in other words, in a held-out wording, and as a "
    "lettered choice among wrong answers of the same stage"
)


REPLACED_ARE = (
    "tests whose question a later stage asks too and answers otherwise, beside the others: how many the last model "
    "answers as that stage does, as before, and in neither way"
)


def stream_markdown(summary: Mapping[str, Any]) -> str:
    """`summary.md` of a stream; names of the run file stand in code spans.

    Args:
        summary: `summary.json`.
    """
    stages = [code_span(name) for name in summary["stages"]]
    lines = [
        f"## {headline(summary)}",
        "",
        "Share of a stage's tests (columns) that is right after a stage (rows); in brackets in whatever words:",
        "",
        *_table(matrix_table(summary, stages)),
        "",
        *_table(metrics_table(summary)),
        "",
        "What became of each stage's tests between its own training and the end:",
        "",
        *_table(fates_table(summary, stages)),
        "",
        f"*{fates_are(summary)}*",
        "",
        *_table(costs_table(summary, stages)),
        "",
        f"*{COSTS_ARE}*",
        "",
    ]
    if summary["notes"]:
        lines += ["### Notes", "", *(f"- {note}" for note in summary["notes"]), ""]
    return "\n".join(lines).rstrip() + "\n"


def headline(summary: Mapping[str, Any]) -> str:
    """What is right of all stages at the end, in one sentence."""
    n, accuracy = len(summary["stages"]), summary["metrics"]["accuracy"]["estimate"]
    told = f"{f'After {n} stages ' if n > 1 else ''}{accuracy:.1%} of the tests are right"
    bwt = summary["metrics"]["bwt"]
    return told if bwt is None else f"{told}; backward transfer {_points(bwt['estimate'])} points"


def matrix_table(summary: Mapping[str, Any], stages: Sequence[str]) -> list[list[str]]:
    """The matrix with the retention set and general text, its first row the head.

    Args:
        summary: `summary.json`.
        stages: The stages' names as they are shown.
    """
    beside = [name for name in ("retention", "general") if summary["rows"][0][name] is not None]
    head = ["after", *stages, *(f"{name} (nats a token)" if name == "general" else name for name in beside)]
    rows = [head]
    for number, row in enumerate(summary["rows"]):
        cells = [both_ways(cell) for cell in row["tests"]]
        for name in beside:
            cell = row[name]
            cells.append(f"{cell['nll']['estimate']:.3f}" if name == "general" else both_ways(cell))
        rows.append([stages[number - 1] if number else "(the base)", *cells])
    return rows


def metrics_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """The metrics, in the form of the data and in whatever words, each with its interval."""
    rows = [["metric", "in the form of the data", "95 %", "in whatever words", "95 %"]]
    for name, metric in METRICS.items():
        cells = []
        for part in (summary["metrics"][name], summary["elicited"][name]):
            cells += (
                [_points(part["estimate"]), f"[{_points(part['low'])}, {_points(part['high'])}]"] if part else ["-", ""]
            )
        rows.append([metric.title, *cells])
    return rows


def fates_table(summary: Mapping[str, Any], stages: Sequence[str]) -> list[list[str]]:
    """What became of each stage's tests."""
    shown = dict(zip(summary["stages"], stages, strict=True))
    away = any(one["replaced"] for one in summary["fates"])
    head = ["stage", "tests", "then", "at the end", "gained", "lost", *FORMS.values(), "lost in"]
    rows = [[*head, "replaced"] if away else head]
    for stage, one in zip(stages, summary["fates"], strict=True):
        where = ", ".join(f"{shown[name]} {n}" for name, n in one["lost_in"].items())
        numbers = [str(one[key]) for key in ("n", "then", "now", "gained", "lost")]
        row = [stage, *numbers, *(form_cell(one, form) for form in FORMS), where]
        rows.append([*row, replaced_cell(one)] if away else row)
    return rows


def fates_are(summary: Mapping[str, Any]) -> str:
    """What the columns of `fates_table` mean."""
    more = any(one["replaced"] for one in summary["fates"])
    return f"{FORMS_ARE}; replaced: {REPLACED_ARE}" if more else FORMS_ARE


def replaced_cell(fate: Mapping[str, Any]) -> str:
    """How many tests later stages replace, and what the last model answers to them."""
    n, new, old = fate["replaced"], fate["updated"], fate["outdated"]
    return f"{n}: {new} new, {old} old, {n - new - old} neither" if n else "-"


def form_cell(fate: Mapping[str, Any], form: str) -> str:
    """How many of the lost tests are right in a form, of those that were asked; of choices also what guessing gives."""
    right, asked = fate["forms"][form]
    guessed = f" (guessing {fate['by_chance']:.1f})" if form == "lettered" else ""
    return f"{right} of {asked}{guessed}" if asked else "-"


def costs_table(summary: Mapping[str, Any], stages: Sequence[str]) -> list[list[str]]:
    """What each stage cost."""
    names = ("tokens", "extra", "beside", "ends", "scored", "total")
    rows = [["stage", "steps", *COSTS, "strategy"]]
    for stage, one in zip(stages, summary["costs"], strict=True):
        rows.append([stage, f"{one['steps']:,}", *(_count(one[name]) for name in names), ", ".join(one["strategies"])])
    return rows


def both_ways(cell: Mapping[str, Any]) -> str:
    """What is right in the form of the data, and in brackets in whatever words, where that is more."""
    told, elicited = percent(cell["right"]), cell["elicited"]
    return told if elicited is None or elicited <= cell["right"]["estimate"] else f"{told} ({elicited:.1%})"


def percent(rate: Mapping[str, Any] | None) -> str:
    """A share as text; a dash where there is none."""
    return "-" if rate is None else f"{rate['estimate']:.1%}"


def _points(value: float) -> str:
    return f"{100 * value + 0.0:.1f}"


def _count(value: int | float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(line)} |" for line in lines]

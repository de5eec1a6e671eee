"""A comparison of strategies as tables: what each keeps, learns and costs, and how it stands against the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uptake.pipeline.stream.markdown import FORMS, FORMS_ARE
from uptake.text import code_span

LEGEND = (
    "accuracy: of all stages' tests at the end; learned: of each stage's right after it; forgetting: how far below its "
    "best; in points of 100, means over runs with 95 % intervals (Student's, over orders); "
    "freely, held out, in letters: "
    f"{FORMS_ARE}, with what guessing gives; cost: tokens of every kind, against plain fine-tuning; kept: memory of "
    "strategies between stages"
)


def leaderboard_markdown(summary: Mapping[str, Any]) -> str:
    """`summary.md` of a comparison.

    Args:
        summary: `summary.json`.
    """
    n = len(summary["orders"]) * summary["seeds"]
    lines = [
        f"## {headline(summary)}",
        "",
        f"{len(summary['stages'])} stages; {len(summary['orders'])} orders × {summary['seeds']} seeds = {n} runs of "
        f"each strategy, {summary['trials']} trials each.",
        "",
        *([f"The untouched base: {points(base)} points of accuracy.", ""] if (base := base_of(summary)) else []),
        *_table(leaderboard_table(summary, code_span)),
        "",
        f"*{LEGEND}*",
        "",
        *_table(chosen_table(summary, code_span)),
        "",
    ]
    lines += ["### Notes", "", *(f"- {note}" for note in summary["notes"]), ""] if summary["notes"] else []
    return "\n".join(lines).rstrip() + "\n"


def base_of(summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The accuracy of the base that nothing was trained on; None where a run does not tell it."""
    return next((base for arm in summary["arms"] if (base := arm["means"].get("base"))), None)


def headline(summary: Mapping[str, Any]) -> str:
    """Which strategy has the best average accuracy, and whether that is more than the reference's."""
    arms = [arm for arm in summary["arms"] if arm["name"] not in ("joint", "sequential")]
    best = max(arms or summary["arms"], key=lambda arm: arm["means"]["accuracy"]["estimate"])
    told = f"{best['name']} is the best: {points(best['means']['accuracy'])} points of accuracy"
    if best["against"] is None or best["against"]["difference"] is None:
        return told
    difference, p = best["against"]["difference"], best["against"]["p"]
    sure = "surely" if p is not None and p < 0.05 else "not surely"
    return f"{told}, {signed(difference)} against {summary['reference']}, {sure} another than 0"


def leaderboard_table(summary: Mapping[str, Any], shown: Any = str) -> list[list[str]]:
    """A row a strategy, the best average accuracy first; the first row is the head.

    Args:
        summary: `summary.json`.
        shown: How a name is written.
    """
    rows = [
        [
            "strategy", "accuracy", "learned", "forgetting", "lost", *FORMS.values(), "retention",
            f"against {summary['reference']}", "p (Holm)", "cost", "forwards alone", "kept", "seconds",
        ]
    ]  # fmt: skip
    for arm in ranked(summary):
        means, compared = arm["means"], arm["against"]
        difference = None if compared is None else compared["difference"]
        rows.append(
            [
                shown(arm["name"]),
                *(with_interval(means[name]) for name in ("accuracy", "diagonal", "forgetting")),
                plain(means["lost"]),
                *(of_form(means, form) for form in FORMS),
                points(means["retention"]),
                "-" if difference is None else f"{signed(difference)} {interval(difference)}",
                "-" if compared is None or compared["p"] is None else f"{compared['p']:.3f}",
                ratio(means["total"], summary["budget"]),
                plain(means["scored"]),
                size(means["kept"]),
                plain(means["seconds"]),
            ]
        )
    return rows


def chosen_table(summary: Mapping[str, Any], shown: Any = str) -> list[list[str]]:
    """What was chosen in tuning, and what else was tried."""
    rows = [["strategy", "chosen", "learning rate", "epochs", "tuning: accuracy of each trial"]]
    for arm in ranked(summary):
        tried = ", ".join("-" if one["accuracy"] is None else f"{100 * one['accuracy']:.1f}" for one in arm["trials"])
        rows.append(
            [
                shown(arm["name"]),
                said(arm["chosen"]["strategy"]) or "-",
                f"× {arm['chosen']['rate']:g}",
                f"× {arm['length']:.2f}",
                tried,
            ]
        )
    return rows


def ranked(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The strategies, the best average accuracy first."""
    return sorted(summary["arms"], key=lambda arm: -arm["means"]["accuracy"]["estimate"])


def said(strategy: Mapping[str, Mapping[str, Any]]) -> str:
    """Settings in a line, without the names of the strategies where there is one alone."""
    parts = [", ".join(f"{key} {value}" for key, value in settings.items()) for settings in strategy.values()]
    return "; ".join(part for part in parts if part)


def points(mean: Mapping[str, Any] | None) -> str:
    """A share in points of 100; a dash where there is none."""
    return "-" if mean is None else f"{100 * mean['estimate'] + 0.0:.1f}"


def signed(mean: Mapping[str, Any]) -> str:
    """A difference in points of 100."""
    return f"{100 * mean['estimate'] + 0.0:+.1f}"


def interval(mean: Mapping[str, Any]) -> str:
    """Its interval in points of 100; nothing where there is none."""
    if mean["low"] is None:
        return ""
    return f"[{100 * mean['low'] + 0.0:.1f}, {100 * mean['high'] + 0.0:.1f}]"


def with_interval(mean: Mapping[str, Any] | None) -> str:
    """Both."""
    return "-" if mean is None else f"{points(mean)} {interval(mean)}".rstrip()


def plain(mean: Mapping[str, Any] | None) -> str:
    """A count; a dash where there is none."""
    return "-" if mean is None else f"{mean['estimate']:,.0f}"


def of_form(means: Mapping[str, Any], form: str) -> str:
    """How many of the lost tests are right in a form; of lettered choices with what guessing gives."""
    told = plain(means.get(form))
    by_chance = means.get("by_chance")
    return f"{told} ({plain(by_chance)})" if form == "lettered" and by_chance is not None else told


def ratio(mean: Mapping[str, Any] | None, budget: float | None) -> str:
    """Against the cost of plain fine-tuning."""
    return "-" if mean is None or not budget else f"{mean['estimate'] / budget:.2f}"


def size(mean: Mapping[str, Any] | None) -> str:
    """Bytes in megabytes."""
    return "-" if mean is None else f"{mean['estimate'] / 1e6:.2f} MB"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body)]

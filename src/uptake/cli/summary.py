"""A diagnosis at a glance: rates with intervals by source, and the worst examples with what the model says instead."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from uptake.cli.terminal import printable

if TYPE_CHECKING:
    from uptake.pipeline import Diagnosis
    from uptake.types import Finding

WORST = 8
SOURCES = 12
WIDTH = 72


def show(diagnosis: Diagnosis) -> str:
    """The summary as text for a terminal."""
    summary = diagnosis.summary()
    lines = [*_headline(summary), "", *_table(summary), *_null(summary), *_retention(summary), ""]
    worst = [finding for finding in islice(diagnosis, WORST) if not finding.learned]
    if worst:
        lines += [f"The {len(worst)} least learned of {summary['n'] - summary['learned']['count']}:", ""]
        for finding in worst:
            lines += _example(finding)
    lines += [f"note: {note}" for note in summary["notes"]]
    folder = diagnosis.folder
    lines += ["", f"every example: {folder / 'diagnosis.parquet'}, .jsonl; all numbers: {folder / 'summary.json'}"]
    return printable("\n".join(lines))


def _headline(summary: Mapping[str, Any]) -> list[str]:
    n, learned = summary["n"], summary["learned"]["count"]
    lines = [f"{n - learned} of {n} training examples were not learned ({_percent(_not(summary['learned']['rate']))})."]
    if summary["shallow"]["count"]:
        share = _percent(summary["shallow"]["rate"])
        lines.append(
            f"{summary['shallow']['count']} were learned in the training wording only ({share} of those asked)."
        )
    if summary["forgotten"]["count"]:
        share = _percent(summary["forgotten"]["rate"])
        lines.append(f"{summary['forgotten']['count']} were known before the fine-tune and are not any more ({share}).")
    return lines


def _table(summary: Mapping[str, Any]) -> list[str]:
    rows = sorted(summary["by_source"].items(), key=lambda item: (_estimate(item[1]["learned"]["rate"]), item[0]))
    name_width = min(32, max([len("source"), *(len(printable(name)) for name, _ in rows)]))
    lines = [f"{'source':<{name_width}}  {'examples':>8}  {'not learned':>22}  {'shallow':>22}  {'forgotten':>22}"]
    for name, part in [*rows[:SOURCES], ("all", summary)]:
        cells = (
            _percent(_not(part["learned"]["rate"])),
            *(_percent(part[key]["rate"]) for key in ("shallow", "forgotten")),
        )
        lines.append(
            f"{_short(name, name_width):<{name_width}}  {part['n']:>8}  " + "  ".join(f"{cell:>22}" for cell in cells)
        )
    if len(rows) > SOURCES:
        lines.insert(-1, f"... and {len(rows) - SOURCES} more sources, all in summary.json")
    return lines


def _null(summary: Mapping[str, Any]) -> list[str]:
    null = summary["null"]
    if null is None:
        return []
    whose = "held-out examples" if null["kind"] == "held_out" else "these examples before the fine-tune"
    lines = ["", f"By chance, {_percent(null['pass_rate'])} of {null['n']} {whose} would count as learned."]
    if null["false_discovery_rate"] is not None:
        share = _percent(null["false_discovery_rate"])
        lines.append(f"Of the not learned, {share} or more score higher than if never seen: moved, but not far enough.")
    return lines


def _retention(summary: Mapping[str, Any]) -> list[str]:
    retention = summary.get("retention")
    if retention is None:
        return []
    lines = [""]
    if (answers := retention["answers"]) is not None:
        lost, gained = answers["lost"], answers["gained"]
        lines.append(
            f"Retention: {lost['count']} of {answers['n']} lost ({_percent(lost['rate'])}), {gained['count']} gained; "
            f"{_percent(answers['before'])} right before, {_percent(answers['after'])} after "
            f"(McNemar p = {answers['mcnemar_p']:.2g})."
        )
    if (text := retention["text"]) is not None:
        before, after = text["nll_before"]["estimate"], text["nll_after"]["estimate"]
        lines.append(f"Retention, {text['n']} texts: {before:.3f} nats a token before, {after:.3f} after.")
    return lines


def _example(finding: Finding) -> list[str]:
    said = finding.evidence.get("tuned_answer")
    lines = [
        f"  {_short(finding.id, 32)}  ({_short(finding.source, 32)})",
        f"    asked:  {_tail(finding.prompt)}",
        f"    wanted: {_short(finding.response, WIDTH)}   p = {finding.p_response:.2g}",
    ]
    if said is not None:
        base = finding.evidence.get("base_answer")
        also = "" if base is None else f"   (base: {_short(base, 30)})"
        lines.append(f"    says:   {_short(said, WIDTH)}{also}")
    return [*lines, ""]


def _not(rate: Mapping[str, float] | None) -> dict[str, float] | None:
    return (
        None if rate is None else {"estimate": 1 - rate["estimate"], "low": 1 - rate["high"], "high": 1 - rate["low"]}
    )


def _estimate(rate: Mapping[str, float] | None) -> float:
    return rate["estimate"] if rate else 1.0


def _percent(rate: Mapping[str, float] | None) -> str:
    if rate is None:
        return "-"
    low, high = (min(1.0, max(0.0, rate[end])) for end in ("low", "high"))
    return f"{rate['estimate']:.1%} [{low:.1%}, {high:.1%}]"


def _short(text: str, width: int) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def _tail(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= WIDTH else "…" + line[-(WIDTH - 1) :]

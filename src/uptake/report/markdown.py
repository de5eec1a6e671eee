"""The diagnosis in Markdown: a summary for a pull request, and a section of the model card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from uptake.attribute.shares import on_what
from uptake.report import overview
from uptake.report.later import Cured, Verdict
from uptake.report.page import interval, percent
from uptake.report.rows import DiagnosisRows
from uptake.text import code_span, counted, one_line

SHOWN = 60
"""Characters of a prompt or an answer."""
PLACES = 10
"""Sources in the table."""
START, END = "<!-- uptake: diagnosis -->", "<!-- uptake: end of the diagnosis -->"
"""Between them stands the section of the model card."""


def summary_markdown(
    summary: Mapping[str, Any],
    rows: DiagnosisRows,
    *,
    stages: str | None = None,
    cured: Cured | None = None,
    verdict: Verdict | None = None,
) -> str:
    """`summary.md`: headline, causes, sources, the cure, the verdict, notes; all text of the data in code spans.

    Args:
        summary: `summary.json`.
        rows: The rows that its most telling examples are told from.
        stages: What the stages left of each other, in words; None without a ledger that tells.
        cured: The diagnosis after the cure; None when there is none.
        verdict: The verdict; None when there is none.
    """
    lines = [f"## {headline(summary)}", "", *_more(summary, stages), *_causes(summary, rows), *_places(summary)]
    lines += [*_cure(summary, cured), *_verdict(verdict)]
    if summary["notes"]:
        lines += ["### Notes", "", *(f"- {_plain(note)}" for note in summary["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def headline(summary: Mapping[str, Any]) -> str:
    """How many examples were not learned, in one sentence."""
    n, learned = summary["n"], summary["learned"]["count"] or 0
    if learned == n:
        return f"All {n:,} training examples were learned"
    rate = overview.complement(summary["learned"]["rate"])
    share = f" ({percent(rate['estimate'])} {interval(rate)})" if rate else ""
    return f"{n - learned:,} of {n:,} training examples{share} {_be(n - learned, 'was', 'were')} not learned"


def _be(count: int, one: str, more: str) -> str:
    return one if count == 1 else more


def _more(summary: Mapping[str, Any], stages: str | None = None) -> list[str]:
    lines = []
    if shallow := summary["shallow"]["count"]:
        lines.append(
            f"- {shallow:,} of the learned ones {_be(shallow, 'is', 'are')} learned in the training wording only."
        )
    if lost := summary["forgotten"]["count"]:
        be = _be(lost, "was right before the fine-tune and is", "were right before the fine-tune and are")
        lines.append(f"- {lost:,} {be} wrong now.")
    answers = (summary.get("retention") or {}).get("answers")
    if answers is not None:
        before, after = (percent(answers[side]["estimate"]) for side in ("before", "after"))
        lines.append(
            f"- Retention: {before} of {counted(answers['n'], 'answer')} were right before, {after} are after; "
            f"{answers['lost']['count']:,} lost, {answers['gained']['count']:,} gained."
        )
    null = summary["null"]
    if null is not None and null["pass_rate"] is not None:
        of = "held-out examples, never trained on," if null["kind"] == "held_out" else "the examples, before training,"
        rate = f"{percent(null['pass_rate']['estimate'])} {interval(null['pass_rate'])}"
        lines.append(f"- For comparison: of {null['n']:,} {of} {rate} pass as learned too.")
    lines += [f"- Stages: {stages}"] if stages else []
    return [*lines, ""] if lines else []


def _causes(summary: Mapping[str, Any], rows: DiagnosisRows) -> list[str]:
    found = overview.groups(summary, rows)
    if not found:
        return []
    lines = ["| why | examples | share, 95 % interval | what to do | such as |", "|---|--:|--:|---|---|"]
    for group in found:
        such = "".join(f"{code_span(one_line(story.prompt, SHOWN, end=True))}" for story, _ in group.told[:1])
        share = f"{percent(group.rate['estimate'])} {interval(group.rate)}"
        lines.append(f"| {overview.title(group.cause)} | {group.count:,} | {share} | {group.remedy} | {such} |")
    return [*lines, "", *_corrected(summary)]


def _corrected(summary: Mapping[str, Any]) -> list[str]:
    found = overview.corrected(summary)
    if not found:
        return []
    lines = ["| cause | named | share, 95 % interval | corrected share, 95 % interval |", "|---|--:|--:|--:|"]
    for one in found:
        rates = (one.named, one.corrected)
        cells = [f"{percent(rate['estimate'])} {interval(rate)}" if rate else "–" for rate in rates]
        lines.append(f"| {overview.title(one.cause)} | {one.count:,} | {' | '.join(cells)} |")
    shares = summary["interventions"]["shares"]
    return [*lines, "", on_what(shares["n"], shares["sampled"]), ""]


def _places(summary: Mapping[str, Any]) -> list[str]:
    found = overview.places(summary["by_source"])
    lines = ["| source | examples | not learned | shallow | forgotten |", "|---|--:|--:|--:|--:|"]
    for place in found[:PLACES]:
        rates = (place.rate, place.shallow, place.forgotten)
        cells = [f"{percent(rate['estimate'])} {interval(rate)}" if rate else "–" for rate in rates]
        lines.append(f"| {code_span(one_line(place.name, SHOWN))} | {place.n:,} | {' | '.join(cells)} |")
    if len(found) > PLACES:
        lines.append(f"\n{len(found) - PLACES} more sources are in `summary.json`.")
    return [*lines, ""]


def _cure(summary: Mapping[str, Any], cured: Cured | None) -> list[str]:
    if cured is None:
        return []
    lines = ["### After the cure", "", *_mark(cured.stale), *_mark(cured.unread), *_in_all(cured)]
    found = overview.by_the_cure(summary, cured)
    if not found:
        return lines
    lines += ["| share of the examples | before | after |", "|---|--:|--:|"]
    for one in found:
        cells = [f"{percent(rate['estimate'])} {interval(rate)}" for rate in (one.before, one.after)]
        lines.append(f"| {one.label} | {' | '.join(cells)} |")
    return [*lines, ""]


def _in_all(cured: Cured) -> list[str]:
    """All examples in three columns, and what is wrong with the cure."""
    if not cured.columns:
        return []
    names = [one.name for one in cured.columns]
    lines = [f"| | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for name, shares in cured.models:
        lines.append(f"| {name} | {' | '.join('–' if share is None else percent(share) for share in shares)} |")
    worse = [f"- {_plain(fault)}" for fault in cured.faults]
    notes = [f"- {_plain(note)}" for note in cured.notes]
    return [
        *lines,
        "",
        *(["**The cure is not worth it:**", "", *worse, ""] if worse else []),
        *([*notes, ""] if notes else []),
    ]


def _verdict(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return []
    lines = ["### Verdict", "", *_mark(verdict.stale), *_mark(verdict.unread)]
    return [*lines, _plain(verdict.sentence), ""] if verdict.sentence else lines


def _mark(reason: str | None) -> list[str]:
    """What must be known before the rest of the section is read."""
    return [] if reason is None else [f"> **{_plain(reason)}**", ""]


def _plain(text: str) -> str:
    """A note as Markdown: it may name a user's file or model."""
    line = one_line(text, 600)
    if line.count("*") % 2 == 0:  # what stands between stars is quoted, as on the page
        line = re.sub(r"\*([^*]+)\*", r"“\1”", line)
    # brackets of intervals and underscores of names are escaped; where more is Markdown, nothing is taken for it
    return code_span(line) if set(line) & set("<>|*`\\") else re.sub(r"([\[_])", r"\\\1", line)


def card_section(summary: Mapping[str, Any], rows: DiagnosisRows) -> str:
    """The section "Diagnosis" of a model card, between two marks that it is found by again."""
    said = [f"{headline(summary)}.", "", *_more(summary), *_causes(summary, rows), *_places(summary)]
    return "\n".join([START, "## Diagnosis", "", "By `uptake diagnose`. " + said[0], *said[1:], END, ""])


def with_card_section(card: str, section: str) -> str:
    """The card with this section: in the place of an earlier one, before "## Use", or else at the end."""
    start, end = card.find(START), card.find(END)
    if 0 <= start < end:
        return card[:start] + section.rstrip("\n") + card[end + len(END) :]
    use = card.find("\n## Use\n")
    if use >= 0:
        return f"{card[: use + 1]}{section}\n{card[use + 1 :]}"
    return card.rstrip("\n") + "\n\n" + section

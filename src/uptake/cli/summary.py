"""A diagnosis at a glance: rates with intervals by source, the causes, and the worst examples."""

from __future__ import annotations

import math
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from uptake.cli.terminal import printable
from uptake.text import counted, differs_in_space, fitting, with_space

if TYPE_CHECKING:
    from uptake.pipeline import Diagnosis
    from uptake.types import Finding

WORST = 8
SOURCES = 12
WIDTH = 100
"""Columns; only a path may be wider."""
SHOWN = 72
"""Characters of a prompt or response."""


def show(diagnosis: Diagnosis) -> str:
    """The summary as text for a terminal."""
    summary = diagnosis.summary()
    lines = [*_headline(summary), "", *_table(summary), "", *_null(summary), *_retention(summary), *_bad_rows(summary)]
    lines += [*_spans(summary), *_turns(summary), *_causes(summary), *_interventions(summary), *_to_learn(summary)]
    unlearned = summary["n"] - summary["learned"]["count"]
    worst = [finding for finding in islice(diagnosis, WORST) if not finding.learned]
    if worst:
        of = f" of {unlearned}" if unlearned > len(worst) else ""
        lines += [
            f"The {len(worst)}{of} furthest from learned, by log-probability a token (p: that of the whole answer):",
            "",
        ]
        for finding in worst:
            lines += _example(finding)
    for note in summary["notes"]:
        lines += textwrap.wrap(f"note: {note}", WIDTH, subsequent_indent="      ")
    lines += ["", f"every example  {diagnosis.folder / 'diagnosis.parquet'} (and .jsonl)"]
    lines += [f"all numbers    {diagnosis.folder / 'summary.json'}"]
    run = shlex.quote(str(diagnosis.folder.parent))
    lines += [
        f"HTML report    uptake report --output_dir {run} --open",
        f"one example    uptake show ID --diagnosis {run}",
    ]
    return printable("\n".join(lines))


def _headline(summary: Mapping[str, Any]) -> list[str]:
    n, learned = summary["n"], summary["learned"]["count"]
    shallow, forgotten = summary["shallow"]["count"], summary["forgotten"]["count"]
    if n == learned:
        lines = [
            f"All {counted(n, 'training example')} were learned." if n > 1 else "The training example was learned."
        ]
    else:
        of = counted(n, "training example")
        were = fitting(n - learned, "was", "were")
        lines = [f"{n - learned} of {of} ({1 - learned / n:.1%}) {were} not learned."]
    if shallow:
        are = fitting(shallow, "is", "are")
        lines.append(f"{shallow} of the {learned} learned ones {are} learned in the training wording only.")
    if forgotten:
        were, are = fitting(forgotten, "was", "were"), fitting(forgotten, "is", "are")
        lines.append(
            f"{counted(forgotten, 'example')}, learned or not, {were} right before the fine-tune and {are} wrong now."
        )
    return lines


def _table(summary: Mapping[str, Any]) -> list[str]:
    """Rates by source, worst first, with a line on how to read them."""
    rows = sorted(summary["by_source"].items(), key=lambda item: (_estimate(item[1]["learned"]["rate"]), item[0]))
    width = max(len("source"), *(len(_short(name, 28)) for name, _ in rows[:SOURCES]))
    lines = [_row("source", "examples", ("not learned", "shallow", "forgotten"), width)]
    for name, part in [*rows[:SOURCES], *([("all", summary)] if len(rows) > 1 else [])]:
        rates = (_not(part["learned"]["rate"]), part["shallow"]["rate"], part["forgotten"]["rate"])
        lines.append(_row(_short(name, 28), str(part["n"]), [_percent(rate) for rate in rates], width))
    if len(rows) > SOURCES:
        lines.insert(-1, f"... and {len(rows) - SOURCES} more sources, all in summary.json")
    legend = "in brackets 95% intervals"
    if summary["shallow"]["rate"]:
        legend += "; shallow: share of the learned examples that were asked in other words"
    if not summary["shallow"]["rate"]:
        legend += "; shallow -: no learned example was asked in other words (--paraphrases)"
    if not summary["forgotten"]["rate"]:
        has_base = "base" in summary.get("run", {}).get("models", {})
        why = "the model from before gives none of the responses" if has_base else "the model from before is not given"
        legend += f"; forgotten -: {why}" + ("" if has_base else " (--base)")
    return [*lines, *textwrap.wrap(f"({legend})", WIDTH)]


def _row(name: str, n: str, cells: Sequence[str], width: int) -> str:
    return f"{name:<{width}}  {n:>8}" + "".join(f"  {cell:>21}" for cell in cells)


def _null(summary: Mapping[str, Any]) -> list[str]:
    null = summary["null"]
    if null is None:
        return []
    rate = _percent(null["pass_rate"])
    if null["kind"] == "held_out":
        text = f"For comparison: of {null['n']} held-out examples, never trained on, {rate} pass as learned too."
    else:
        text = f"For comparison: before the fine-tune, {rate} of the {null['n']} examples would have passed as learned."
        if (known := null["known_before"]["rate"]) is not None:
            text += f" In whatever words, {_percent(known)} were answered rightly."
    lines = textwrap.wrap(text, WIDTH)
    if null["moved_at_least"] is not None:
        lines += textwrap.wrap(_moved(max(0.0, null["moved_at_least"]["low"])), WIDTH)
    return [*lines, ""]


def _moved(least: float) -> str:
    """How many of the unlearned training has moved, at least."""
    if least < 0.005:
        return "Of those not learned, no share is sure to score higher than if it had never been seen."
    share = "all" if least >= 0.995 else f"at least {least:.0%}"
    return f"Of those not learned, {share} score higher than if never seen: training moved them, but not far enough."


def _spans(summary: Mapping[str, Any]) -> list[str]:
    """How much of the long responses was learned."""
    told = summary.get("spans")
    if told is None or not told["informative"]:
        return []
    wrong = sorted(told["by_kind"].items(), key=lambda item: (-item[1]["wrong"], item[0]))
    kinds = ", ".join(f"{_KINDS[kind]} {part['wrong']} of {part['n']}" for kind, part in wrong if part["wrong"])
    text = (
        f"{counted(told['examples'], 'long response')}: of {counted(told['informative'], 'span')} that tell something "
        f"{_percent(told['learned']['rate'])} are learned; {told['partly']} of the examples are partly learned."
    )
    text += f" Not learned: {kinds}." if kinds else ""
    text += f" Of {counted(told['unknown'], 'more span')} that is not known." if told["unknown"] else ""
    if (null := told["null"]) is not None:
        text += f" Of spans that were never trained on {_percent(null)} would pass."
    return [*textwrap.wrap(text, WIDTH), ""]


def _turns(summary: Mapping[str, Any]) -> list[str]:
    """How many turns come after one that was not learned."""
    told = summary.get("turns")
    if told is None:
        return []
    text = (
        f"{counted(told['turns'], 'turn')} of {counted(told['conversations'], 'conversation')}: "
        f"{told['not_learned']} not learned. {told['after_wrong']} come after a turn that was not learned; they were "
        "read after the data's own turns."
    )
    return [*textwrap.wrap(text, WIDTH), ""]


_KINDS = {
    "name": "names",
    "number": "numbers",
    "date": "dates",
    "quote": "quotations",
    "claim": "words such as not and more",
    "code": "code",
    "key": "keys",
    "value": "values",
    "cell": "cells",
    "math": "formulas",
    "phrase": "phrases",
}


def _retention(summary: Mapping[str, Any]) -> list[str]:
    retention = summary.get("retention")
    if retention is None:
        return []
    lines = []
    if (answers := retention["answers"]) is not None:
        before, after = answers["before"]["estimate"], answers["after"]["estimate"]
        if answers["untold"] is not None:
            lines += textwrap.wrap(f"Retention: what was lost cannot be told: {answers['untold']}.", WIDTH)
        lines += textwrap.wrap(
            f"Retention: of {counted(answers['n'], 'answer')} {before:.1%} were right before the fine-tune, "
            f"{after:.1%} are after it. {answers['lost']['count']} lost, {_percent(answers['lost']['rate'])}; "
            f"{answers['gained']['count']} gained (exact McNemar test: p = {answers['mcnemar_p']:.2g}).",
            WIDTH,
        )
    if (text := retention["text"]) is not None:
        before, after = text["nll_before"]["estimate"], text["nll_after"]["estimate"]
        lines.append(
            f"Retention: on {counted(text['n'], 'text')} the loss went from {before:.3f} to {after:.3f} nats a token."
        )
    return [*lines, ""]


def _causes(summary: Mapping[str, Any]) -> list[str]:
    """Shares of the causes among what was not learned, and the most telling examples of each."""
    told = summary.get("attribution")
    if told is None or not told["n"]:
        return []
    parts = {**told["causes"], "unexplained": told["unexplained"]}
    shares = (summary.get("interventions") or {}).get("shares") or {"causes": {}}
    corrected = shares["causes"]
    found = [(name, part) for name, part in parts.items() if part["count"] or name in corrected]
    found.sort(key=lambda item: -item[1]["count"])
    lines = [f"Why {told['n']} of them {'was' if told['n'] == 1 else 'were'} not learned:", ""]
    if corrected:
        lines.append(f"  {'':<16}{'named':>6}  {'share':>21}  {'corrected':>21}")
    for name, part in found:
        cell = f"  {_percent(corrected[name]):>21}" if name in corrected else f"  {'-':>21}" if corrected else ""
        lines.append(f"  {name:<16}{part['count']:>6}  {_percent(part['rate']):>21}{cell}")
    lines.append("")
    if corrected:
        from uptake.attribute.shares import on_what

        lines += [*textwrap.wrap(on_what(shares["n"], shares["sampled"]), WIDTH), ""]
    for name, part in found:
        telling = part.get("telling", ())
        lines += [f"The most telling of {name}:", ""] if telling else []
        for one in telling:
            said = printable(f"{_short(one['id'], 40)}: {one['sentence']}")
            lines += textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="      ")
        lines += [""] if telling else []
    return lines


_TREATED = {"more_steps": "more steps", "without_rivals": "no rivals", "replay": "replay", "control": "control"}
"""The treatments as columns."""


def _interventions(summary: Mapping[str, Any]) -> list[str]:
    """What flips an example of each cause, and how far that agrees with the causes that are named."""
    told = summary.get("interventions")
    if told is None:
        return []
    if not told["n"]:
        return [*textwrap.wrap(f"No interventions: {told['reason']}.", WIDTH), ""]
    lines = [f"What flips an example of cause X ({told['n']} of them, from the tuned model):", ""]
    lines.append(f"  {'':<16}" + "".join(f"  {name:>10}" for name in ("told it", *_TREATED.values(), "agrees")))
    for cause, part in told["causes"].items():
        context = part["in_context"]
        cells = [_of(context and context["flipped"], context and context["n"])]
        cells += [_of(one and one["held"]["count"], one and one["n"]) for one in map(part.get, _TREATED)]
        cells.append(_of(part["agrees"] and part["agrees"]["count"], part["agrees"] and part["agrees"]["n"]))
        lines.append(f"  {cause:<16}" + "".join(f"  {cell:>10}" for cell in cells))
    lines += ["", *textwrap.wrap(_agreement(told["agreement"]), WIDTH), ""]
    return lines


def _to_learn(summary: Mapping[str, Any]) -> list[str]:
    """How many exposures the examples of each cause need, where they were trained on."""
    told = summary.get("exposures_to_learn")
    if told is None:
        return []
    passes = [str(number) for number in range(1, told["passes"] + 1)]
    lines = [f"Exposures to learn, by named cause ({told['n']} examples, trained together from the tuned model):", ""]
    lines.append(f"  {'':<16}" + "".join(f"  {name:>5}" for name in (*passes, "never", "by heart")))
    for cause, part in told["causes"].items():
        cells = (*part["needed"], part["never"] - part["by_heart"], part["by_heart"])
        lines.append(f"  {cause:<16}" + "".join(f"  {cell:>5}" for cell in cells))
    kept = told["controls"]
    text = (
        f"by heart: in the training wording alone. It took {told['steps']:,} steps and {told['tokens']:,} tokens; "
        f"{kept['kept']} of {counted(kept['n'], 'learned example')} that were trained beside them stayed learned."
    )
    return [*lines, "", *textwrap.wrap(text, WIDTH), ""]


def _of(count: int | None, n: int | None) -> str:
    return "-" if count is None or n is None else f"{count} of {n}"


def _agreement(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "None of them says anything about the causes."
    return (
        f"Of {found['n']} that say something {_percent(found['rate'])} speak for the cause that is named; "
        f"{found['chance']:.1%} would if both met at random. Counted is what holds in held-out wordings too; the "
        "differences from the control, with intervals, are in summary.json, the rules in docs/details/causes.md."
    )


def _bad_rows(summary: Mapping[str, Any]) -> list[str]:
    data = summary["run"]["data"]
    told = [f"{part['bad_rows']} of {name}" for name, part in data.items() if part["bad_rows"]]
    return [f"Left out because they cannot be used: {', '.join(told)}; see bad_rows.jsonl", ""] if told else []


def _example(finding: Finding) -> list[str]:
    said, before = finding.evidence.tuned_answer, finding.evidence.base_answer
    file, line = finding.evidence.file, finding.evidence.line
    lines = [f"  {_short(finding.id, 40)}  (source: {_short(finding.source, 28)})"]
    if file is not None:
        lines.append(f"    in         {_short(file if line is None else f'{file}:{line}', 8 * SHOWN)}")
    lines += [
        f"    asked      {_tail(finding.prompt)}",
    ]
    if said is not None and differs_in_space(said, finding.wanted):
        lines += [
            f"    wanted     {with_space(finding.wanted, SHOWN)}  (p = {finding.p_response:.2g}{_end(finding)})",
            f"    says       {with_space(said, SHOWN)}  the same but for white space",
        ]
    else:
        wanted = _short(finding.wanted, SHOWN) or "(nothing)"
        lines.append(f"    wanted     {wanted}  (p = {finding.p_response:.2g}{_end(finding)})")
        if said is not None:
            goes_on = said.strip() == finding.wanted.strip() and finding.evidence.recalled
            stop = "  and does not stop there" if goes_on else ""
            lines.append(f"    says       {_short(said, SHOWN) or '(nothing)'}{stop}")
    if before is not None:
        lines.append(f"    base said  {_short(before, SHOWN) or '(nothing)'}")
    return [*lines, ""]


def _end(finding: Finding) -> str:
    """Whether the p of a response is that with its end, where that makes a difference; see docs/scoring.md."""
    counts = finding.evidence.end_logprob is not None
    differs = f"{finding.p_response:.2g}" != f"{math.exp(finding.evidence.logprob):.2g}"
    return " with its end" if counts and differs else ""


def _not(rate: Mapping[str, float] | None) -> dict[str, float] | None:
    return (
        None if rate is None else {"estimate": 1 - rate["estimate"], "low": 1 - rate["high"], "high": 1 - rate["low"]}
    )


def _estimate(rate: Mapping[str, float] | None) -> float:
    return rate["estimate"] if rate else 1.0


def _percent(rate: Mapping[str, float] | None) -> str:
    if rate is None:
        return "-"
    estimate, low, high = (min(1.0, max(0.0, rate[name])) for name in ("estimate", "low", "high"))
    return f"{estimate:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def _short(text: str, width: int) -> str:
    line = printable(" ".join(text[: 8 * SHOWN].split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def _tail(text: str) -> str:
    line = printable(" ".join(text[-8 * SHOWN :].split()))
    return line if len(line) <= SHOWN else "…" + line[-(SHOWN - 1) :]

"""Findings -> summary.json: counts, rates with intervals, and how far the list of the unlearned can be trusted."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, MutableSequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from uptake.detect.calibrate import OPTION_THRESHOLD, Calibration, NullKind, by_length, length_class
from uptake.detect.criteria import RECALL_MAX_TOKENS, Settings
from uptake.detect.retention import UNTOLD
from uptake.stats import Interval, benjamini_hochberg, wilson
from uptake.text import counted
from uptake.types import Finding


def summarise(findings: Iterable[Finding], calibration: Calibration, settings: Settings) -> dict[str, Any]:
    """Summarise the findings in one pass; memory: some bytes an example.

    Args:
        findings: As `judge` returns them; causes may have been attributed since.
        calibration: The calibration they were judged by.
        settings: How to detect.

    Returns:
        JSON-serialisable: `n`, `learned`, `shallow`, `forgotten` (each a count and a 95 % interval), `by_source`,
        `by_stage`, `by_cause`, `criteria`, `rule`, `null` and `notes`; docs/details/detection.md explains the keys.
    """
    total = _SummaryTally()
    by_source: dict[str, _SummaryTally] = defaultdict(_SummaryTally)
    by_stage: dict[str, _SummaryTally] = defaultdict(_SummaryTally)
    causes: Counter[str] = Counter()
    criteria: Counter[str] = Counter()
    fallbacks, right = 0, Counter[str]()
    comparison = _Comparison(calibration.null_kind)
    for finding in findings:
        for tally in (total, by_source[finding.source], by_stage[finding.stage]):
            tally.add(finding)
        if finding.cause is not None:
            causes[finding.cause] += 1
        criteria[finding.evidence.criterion] += 1
        fallbacks += finding.evidence.criterion_reason is not None
        comparison.add(finding)
        if (both := finding.evidence.compared) is not None:
            right["base_right"] += both.base_right
            right["tuned_right"] += both.tuned_right
    unlearned = total.n - total.learned
    null = comparison.summary(total.n, total.learned, calibration, settings)
    if null is not None:
        null["known_before"] = _share(right["base_right"], total.forgotten_of)
    summary = {
        **total.summary(),
        "by_source": {name: tally.summary() for name, tally in by_source.items()},
        "by_stage": {name: tally.summary() for name, tally in by_stage.items()},
        "by_cause": {name: _share(count, unlearned) for name, count in causes.items()},
        "criteria": dict(criteria),
        "rule": asdict(calibration.rule),
        "null": null,
    }
    notes = [*_notes(calibration, summary, settings, fallbacks), *_swapped(right, total.forgotten_of)]
    if total.forgotten_of and not total.known_before:
        notes.append(f"what was forgotten of the training examples cannot be told: {UNTOLD}")
    return {**summary, "notes": notes}


def _swapped(right: Counter[str], n: int) -> list[str]:
    """A fine-tuning that leaves fewer right than there were is rather a mix-up of the two models."""
    before, after = (wilson(right[name], n) for name in ("base_right", "tuned_right"))
    if before is None or after is None or before.low <= after.high:
        return []
    return [
        f"of the training examples the base answers {right['base_right']} and the tuned model only "
        f"{right['tuned_right']}: are --base and --tuned each what it says?"
    ]


@dataclass(slots=True)
class _SummaryTally:
    n: int = 0
    learned: int = 0
    shallow: int = 0
    shallow_of: int = 0
    forgotten: int = 0
    forgotten_of: int = 0
    known_before: int = 0

    def add(self, finding: Finding) -> None:
        self.n += 1
        self.learned += finding.learned
        if finding.learned and finding.shallow is not None:
            self.shallow_of += 1
            self.shallow += finding.shallow
        if finding.forgotten is not None:
            self.forgotten_of += 1
            self.forgotten += finding.forgotten
            compared = finding.evidence.compared
            self.known_before += finding.forgotten or (compared is not None and compared.base_right)

    def summary(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "learned": _share(self.learned, self.n),
            "shallow": _share(self.shallow, self.shallow_of),
            # of what was known to nobody nothing can be forgotten, and a share of 0 would say that it was kept
            "forgotten": _share(self.forgotten, self.forgotten_of if self.known_before else 0),
        }


@dataclass(slots=True)
class _Comparison:
    """What is needed of every example to set the findings against the null."""

    null_kind: NullKind | None
    p_values: MutableSequence[float] = field(default_factory=lambda: array("d"))
    flagged_length: MutableSequence[int] = field(default_factory=lambda: array("i"))
    flagged_value: MutableSequence[float] = field(default_factory=lambda: array("d"))

    def add(self, finding: Finding) -> None:
        evidence = finding.evidence
        if evidence.p_value_unseen is not None:
            self.p_values.append(evidence.p_value_unseen)
        # the base's own scores are judged without the end: a response that is recalled and not ended passes there
        at_end = self.null_kind == "base" and evidence.criterion != "option"
        passes = evidence.compared is not None and evidence.compared.tuned_right
        if not finding.learned and not (at_end and passes):
            self.flagged_length.append(length_class(evidence.n_tokens))
            self.flagged_value.append(evidence.logprob_per_token)

    def summary(self, n: int, learned: int, calibration: Calibration, settings: Settings) -> dict[str, Any] | None:
        if calibration.null is None or calibration.null_pass is None:
            return None
        groups = by_length(np.array(self.flagged_length, dtype=int), np.array(self.flagged_value, dtype=float))
        flagged = {length: values for length, values in groups.items() if length is not None}
        moved, reason = calibration.null.moved(flagged, seed=settings.seed)
        adjusted = benjamini_hochberg(np.array(self.p_values, dtype=float))
        better = int(np.sum(adjusted <= settings.alpha))
        return {
            "kind": calibration.null_kind,
            "n": calibration.null_pass.n,
            "pass_rate": asdict(calibration.null_pass),
            "false_learned": _false_learned(calibration.null_pass, n, learned),
            "better_than_unseen": _share(better, len(self.p_values)),
            "moved_at_least": None if moved is None else asdict(moved),
            "moved_reason": reason,
            "p_option": calibration.null_option,
        }


def _false_learned(null_pass: Interval, n: int, learned: int) -> dict[str, float] | None:
    """Share of the learned that would pass without having been learned: at most pass rate × n / learned, capped at 1.

    Were none of the n examples learned, pass rate × n of them would pass all the same; it is an upper bound since
    those that were learned cannot be among them. The interval is that of the pass rate.
    """
    if learned == 0:
        return None
    bounds = {"estimate": null_pass.estimate, "low": null_pass.low, "high": null_pass.high}
    return {name: min(1.0, rate * n / learned) for name, rate in bounds.items()}


def _share(count: int, n: int) -> dict[str, Any]:
    interval = wilson(count, n)
    return {"count": count if n else None, "rate": None if interval is None else asdict(interval)}


def _criterion(criteria: dict[str, int], settings: Settings) -> list[str]:
    """What judges long responses where that was left open, and why."""
    if settings.criterion != "auto" or not (by_spans := criteria.get("spans")):
        return []
    note = (
        f"{counted(by_spans, 'example is', 'examples are')} judged by the spans of their responses: these have more "
        f"than {RECALL_MAX_TOKENS} tokens, of which a single other one would fail the whole response"
    )
    if by_option := criteria.get("option"):
        note += (
            f"; {counted(by_option, 'long one is', 'long ones are')} judged by options: the data bring these, or "
            "nothing in the response could be read by spans"
        )
    return [note]


def _notes(calibration: Calibration, summary: dict[str, Any], settings: Settings, fallbacks: int) -> list[str]:
    """What a reader of the numbers must know."""
    null, notes = summary["null"], [f"end of the response: {calibration.end_reason}"]
    notes += _criterion(summary["criteria"], settings)
    if summary["criteria"].get("option"):
        notes.append(f"option threshold {calibration.rule.option_threshold:.3g}: {calibration.threshold_reason}")
        level = calibration.null_option
        if level is not None and level > OPTION_THRESHOLD:
            notes.append(
                f"many examples that were never trained on pass by their options too: {settings.alpha:.0%} of them "
                f"give the right one a probability of {level:.3g} or more, so that passing below it does not show that "
                "training is what taught an example"
            )
    if fallbacks:
        notes.append(f"{counted(fallbacks, 'example was', 'examples were')} judged by recall: no second candidate")
    if summary["n"] and not summary["learned"]["count"]:
        notes.append(
            "not one response is learned: are these the data, the prompt format and the chat template that the model "
            "was trained with?"
        )
    if null is None:
        notes.append(
            "no held-out examples are given (--heldout), so it is not known how many would count as learned by chance"
        )
    elif calibration.null_kind == "base":
        notes.append(
            "without held-out examples (--heldout) the comparison is with the base model's own scores: it never "
            "learned the format, so examples look better than unseen too easily, and what it knew counts as chance"
        )
    if null is not None and null["moved_reason"] and summary["learned"]["count"] != summary["n"]:
        whom = "held-out examples" if calibration.null_kind == "held_out" else "the base model's answers"
        notes.append(
            f"{whom} cannot show how many unlearned examples training moved, but not far enough: {null['moved_reason']}"
        )
    return notes

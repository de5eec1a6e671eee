"""Limits for continuous integration: does a diagnosis keep them, and is it no worse than a baseline?

One example more or less decides nothing, and a re-run with another seed must not turn a build red. So by default a
limit fails only when it is sure to be exceeded: when the whole interval lies beyond it. With m limits each interval has
the level 1 − (1 − level) / m (Bonferroni), so that they hold together. A claim is another matter: `min_effect` fails
unless the effect is sure to be as large.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from uptake.artifacts.schemas.later import VerdictData
from uptake.compare.difference import MEASURES, changes
from uptake.compare.pairs import Pairs
from uptake.config import Gate, Limits
from uptake.detect.retention import UNTOLD
from uptake.errors import UptakeError
from uptake.stats import Interval, holm, mcnemar_worse, paired_difference, wilson
from uptake.text import counted

COMPARABLE = 0.5
"""Share of a baseline's examples that must be found again for the comparison to say anything."""

MISSING = {
    "max_unlearned": "it holds no example",
    "max_forgotten": "the diagnosis was made without the base model. Give `uptake diagnose` the base: --base MODEL",
    "max_shallow": "no learned example was asked in other words. "
    "Give `uptake diagnose` other wordings: --paraphrases FILE, a column `paraphrases` in the data, or a judge",
    "min_effect": "the verdict has no overall effect. `verdict.json` says why",
}
"""Why there is nothing to hold a limit against, and what would supply it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked of a diagnosis, and what came of it.

    Attributes:
        name: `max_unlearned`, ..., `min_effect`, or `learned`, ... of a comparison with a baseline.
        source: The source that it is about; None: all examples.
        limit: The limit, as a share.
        observed: What was measured, with its interval; None where nothing could be.
        passed: Whether it is kept.
        p: Adjusted p-value of a comparison; None for limits.
        counts: Of a comparison: how many examples became worse, and better; None for limits.
        missing: Why nothing was measured, and what would supply it; None where something was.
        told: What was compared, in words, where no interval is known: of a cure; None elsewhere.
    """

    name: str
    source: str | None
    limit: float
    observed: Interval | None
    passed: bool
    p: float | None = None
    counts: tuple[int, int] | None = None
    missing: str | None = None
    told: str | None = None


def check_limits(summary: Mapping[str, Any], gate: Gate) -> list[Check]:
    """Hold the rates of a diagnosis against the limits.

    Args:
        summary: `summary.json` of the diagnosis.
        gate: The limits.

    Returns:
        One check for each limit. A limit on a rate that was not measured is not kept: `observed` is None, and
        `missing` says what would supply it. A rate that no limit asks for may be missing.

    Raises:
        UptakeError: A limit names a source that is not there.
    """
    asked: list[tuple[str, str | None, float]] = []
    for source, limits in ((None, gate), *sorted(gate.sources.items())):
        for name in Limits.model_fields:
            limit = getattr(limits, name)
            if limit is not None:
                asked.append((name, source, limit))
    level = 1 - (1 - gate.level) / max(1, len(asked))
    checks = []
    for name, source, limit in asked:
        count, n = _counted(summary if source is None else _of_source(summary, source), name)
        observed = wilson(count, n, level)
        if observed is None:
            checks.append(Check(name, source, limit, None, False, missing=_missing(summary, name)))
        else:
            beyond = observed.low if gate.fail_when == "sure" else observed.estimate
            checks.append(Check(name, source, limit, observed, beyond <= limit))
    return checks


def effect_of(verdict: VerdictData) -> Interval | None:
    """The effect of the matched remedies against the placebo, as a difference of shares.

    Args:
        verdict: What `verdict.json` holds, see docs/details/verify.md.

    Returns:
        None where the experiment could not tell one.
    """
    told = None if verdict.overall is None else verdict.overall.effect
    return None if told is None else Interval(told.estimate, told.low, told.high, told.n)


def check_effect(effect: Interval | None, gate: Gate) -> list[Check]:
    """Hold the effect of the matched remedies against its limit: it must be sure to be as large.

    Args:
        effect: What `effect_of` found.
        gate: The limits.

    Returns:
        One check, or none where no effect is asked for. An effect that could not be told fails.
    """
    if gate.min_effect is None:
        return []
    if effect is None:
        return [Check("min_effect", None, gate.min_effect, None, False, missing=MISSING["min_effect"])]
    shown = effect.low if gate.fail_when == "sure" else effect.estimate
    return [Check("min_effect", None, gate.min_effect, effect, shown >= gate.min_effect)]


def check_regressions(pairs: Pairs, gate: Gate) -> list[Check]:
    """Hold a diagnosis against a baseline: which of what was good before has become worse?

    Each measure in all and by source: McNemar's exact test, one-sided, adjusted over all of them together: by Holm's
    procedure over the measures in all, and over all sources, times two. It fails where the adjusted p-value is at most
    1 − level and the net loss at least `min_regression`.

    Args:
        pairs: The matched examples, the baseline first.
        gate: The level and the smallest regression that matters.

    Raises:
        UptakeError: Too few of the baseline's examples were found again.
    """
    n_before = len(pairs.both) + len(pairs.differing) + len(pairs.only_before)
    if len(pairs.both) < COMPARABLE * n_before:
        raise UptakeError(
            f"the baseline has {counted(n_before, 'example')}, and {len(pairs.both)} of them are in this diagnosis",
            expected=f"{COMPARABLE:.0%} of them or more, with the same id, stage, prompt and response",
            fix="make a new baseline: diagnose the accepted model on the current data",
        )
    found: list[tuple[str, str | None, int, int, int]] = []
    for name in MEASURES:
        tallies: dict[str | None, list[int]] = {}
        for change in changes(pairs.both, name, "source"):
            for source in (None, change.source):
                tally = tallies.setdefault(source, [0, 0, 0])
                tally[0] += 1
                tally[1] += bool(change.lost)
                tally[2] += bool(change.gained)
        for source in sorted(tallies, key=lambda one: (one is not None, one or "")):
            n, lost, gained = tallies[source]
            found.append((name, source, n, lost, gained))
    p_values = np.array([mcnemar_worse(lost, gained) for *_, lost, gained in found], dtype=float)
    single = np.array([source is not None for _, source, *_ in found])
    adjusted = np.empty(len(found))
    for family in (single, ~single):  # half of the level for each, or many sources would hide what befell all of them
        adjusted[family] = np.minimum(1.0, 2 * holm(p_values[family]))
    checks = []
    for (name, source, n, lost, gained), p in zip(found, adjusted, strict=True):
        worse = paired_difference(gained, lost, n, gate.level)
        significant = p <= 1 - gate.level and (lost - gained) / n >= gate.min_regression
        checks.append(Check(name, source, gate.min_regression, worse, not significant, float(p), (lost, gained)))
    return checks


def _missing(summary: Mapping[str, Any], name: str) -> str:
    """Why a rate was not measured, and what would supply it."""
    if name == "max_forgotten" and summary["run"]["models"].get("base") is not None:
        return UNTOLD
    return MISSING[name]


def _counted(part: Mapping[str, Any], name: str) -> tuple[int, int]:
    """How many examples are as they should not be, and of how many; of 0 where it was not measured."""
    if name == "max_unlearned":
        n = part["n"]
        return n - (part["learned"]["count"] or 0), n
    found = part[name.removeprefix("max_")]
    return (0, 0) if found["rate"] is None else (found["count"], found["rate"]["n"])


def _of_source(summary: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    sources: Mapping[str, Any] = summary["by_source"]
    if source not in sources:
        close = difflib.get_close_matches(source, sources, n=1)
        raise UptakeError(
            f"the limit is for the source {source!r}, and the diagnosis has no such source",
            expected="one of " + ", ".join(sorted(sources)),
            fix=f"did you mean {close[0]!r}?" if close else "correct the limit",
        )
    found: Mapping[str, Any] = sources[source]
    return found

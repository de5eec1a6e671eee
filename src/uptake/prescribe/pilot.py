"""Which examples a pilot trains, how long, and what follows from what it measured. Nothing is trained here.

A plan claims that its remedies do more than the same tokens spent plainly. A pilot checks that on a sample, by two
short trainings that go on from the tuned model: one is a plan for the sample, the other one trains the same rows as
the run did, with as many tokens.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from uptake.pilot import Pilot, PilotChoice, PilotColumn, Way
from uptake.prescribe.actions import ACTIONS
from uptake.prescribe.material import Budget, Material, Terms
from uptake.prescribe.plan import plan
from uptake.stats import bootstrap_mean
from uptake.text import counted
from uptake.types import Finding, Plan

SHARE = 0.15
"""Tokens of a pilot, both trainings together, as a share of the plan's."""
FEWEST = 8
"""Examples of a group that a pilot trains at least: of fewer even a remedy that mends all shows nothing."""
MOST = 40
"""Examples of a group that a pilot trains at most."""
BESIDE = 0.5
"""Learned examples beside each of them: a model that trains on its errors alone loses the rest."""
PASSES = 1.0
"""Passes of the longest stage that a pilot's plan starts from at least; the budget is so many times as many."""
LEVEL = 0.8
"""Of the intervals: what is wanted is the better choice, and not a proof."""

Group: TypeAlias = tuple[str, str]
"""Cause and action: documents for a gap and more exposures for a gap are two treatments."""
PLAIN = ("expose",)
"""Actions that are plain exposures: there is nothing to choose."""
LONG = ("mix",)
"""Actions that a short training cannot try: a stage is forgotten while a later one trains for long."""
WITHOUT_CAUSE = "unexplained"
DEFAULTS: Mapping[Group, Way] = {}
"""Groups that get plain exposures unless a pilot says otherwise (benchmarks/NOTES.md); others get their remedy."""


def groups_of(drawn: Plan, findings: Sequence[Finding]) -> dict[Group, tuple[str, ...]]:
    """The examples that a plan does something for, by cause and action.

    Kept apart from others is not in it: that costs nothing, and without it nothing is gained. Nor are examples that are
    removed: not to learn them is what is wanted.

    Args:
        drawn: The plan.
        findings: What it was drawn up from.
    """
    causes = {one.id: one.cause or WITHOUT_CAUSE for one in findings if not one.learned}
    gone = {name for edit in drawn.edits if edit.action == "drop" for name in edit.others}
    found: dict[Group, list[str]] = {}
    for edit in drawn.edits:
        if edit.action != "apart":
            for name in edit.examples:
                if name not in gone:
                    found.setdefault((causes[name], edit.action), []).append(name)
    return {group: tuple(dict.fromkeys(some)) for group, some in sorted(found.items())}


@dataclass(frozen=True)
class PilotPlans:
    """What a pilot trains.

    Attributes:
        sample: By group, the examples that are measured.
        remedies: The plan for them, as a repair of the tuned model.
        plain: The same rows trained as the run did, with as many tokens.
    """

    sample: Mapping[Group, tuple[str, ...]]
    remedies: Plan
    plain: Plan

    @property
    def tokens(self) -> int:
        """What both trainings cost."""
        return self.remedies.cost.total + self.plain.cost.total


def pilot_plans(
    drawn: Plan, findings: Sequence[Finding], material: Material, terms: Terms, times: float, tuned: str
) -> PilotPlans | None:
    """Draw up both trainings of a pilot.

    Each group gives as many examples as the tokens allow, in an order drawn with the seed, and the passes are cut so
    that both trainings together cost no more than `SHARE` of the plan.

    Args:
        drawn: The plan for all.
        findings: What it was drawn up from.
        material: What there is to mend with.
        terms: How the plan was drawn up.
        times: What a plan may cost, in times the tokens of its fine-tuning.
        tuned: The tuned model, from which both go on.

    Returns:
        None where no group has `FEWEST` examples, or the tokens do not allow so many.
    """
    draw = random.Random(terms.seed)
    groups = {group: list(some) for group, some in groups_of(drawn, findings).items() if worth(group, some)}
    for some in groups.values():
        draw.shuffle(some)
    room = SHARE / 2 * drawn.cost.total
    learned = [one.id for one in findings if one.learned and one.id not in material.untrained]
    draw.shuffle(learned)
    length = {
        one.id: n * material.passes[one.stage] for one, n in zip(material.examples, material.lengths, strict=True)
    }
    rivals = _rivals(findings)
    for most in range(MOST, FEWEST - 1, -1) if groups else ():
        sample = {group: tuple(some[:most]) for group, some in groups.items()}
        asked = [name for some in sample.values() for name in some]
        rows = dict.fromkeys([*asked, *(rival for name in asked for rival in rivals.get(name, ()))])
        rows |= dict.fromkeys(learned[: round(BESIDE * len(rows))])
        share = room / (times * sum(length[name] for name in rows))
        if share * max(material.passes.values()) >= PASSES:
            return _drawn(sample, frozenset(rows), (findings, material, terms), min(1.0, share), (int(room), tuned))
    return None


def worth(group: Group, examples: Sequence[str]) -> bool:
    """Whether a pilot can tell anything about a group."""
    return group[1] not in (*PLAIN, *LONG) and len(examples) >= FEWEST


def _rivals(findings: Sequence[Finding]) -> dict[str, tuple[str, ...]]:
    """By example, those that contradict it: without them in the sample there would be no contradiction."""
    known = {one.id: one.evidence.contradiction for one in findings if not one.learned}
    ids = {one.id for one in findings}
    return {name: tuple(one for one in told.rivals if one in ids) for name, told in known.items() if told is not None}


def _drawn(
    sample: Mapping[Group, tuple[str, ...]],
    rows: frozenset[str],
    drawn_from: tuple[Sequence[Finding], Material, Terms],
    share: float,
    limit: tuple[int, str],
) -> PilotPlans:
    findings, material, terms = drawn_from
    room, tuned = limit
    kept = [place for place, one in enumerate(material.examples) if one.id in rows]
    part = replace(
        material,
        examples=[material.examples[place] for place in kept],
        lengths=[material.lengths[place] for place in kept],
        passes={stage: share * often for stage, often in material.passes.items()},
        untrained={},
    )
    some = [one for one in findings if one.id in rows]
    base = replace(terms, start="base", reading="within")
    mended = plan(some, part, base, budget=Budget(tokens=room, spend=True))
    once = sum(n * part.passes[one.stage] for one, n in zip(part.examples, part.lengths, strict=True))
    longer = {stage: often * mended.cost.total / once for stage, often in part.passes.items()}
    plainly = plan([], replace(part, passes=longer), base)
    both = (replace(one, start="tuned", model=tuned) for one in (mended, plainly))
    return PilotPlans(sample, *both)


Recalled: TypeAlias = Mapping[str, tuple[bool, float | None]]
"""By example whether it is recalled in the training wording, and its share of held-out wordings; None without any."""


def decided(
    groups: Mapping[Group, Sequence[str]],
    sample: Mapping[Group, Sequence[str]],
    measured: tuple[Recalled, Recalled],
    why_not: str = "",
) -> tuple[PilotChoice, ...]:
    """What a plan does for each group.

    Plain exposures, where the remedy is worse, or better in no column; the remedy where it is better. What is better is
    told by the mean of training wording and held-out wordings; where its interval holds 0, the default stands.

    Args:
        groups: All examples that the plan treats.
        sample: Those that were measured.
        measured: What the model with the remedies recalls, and that of plain exposures.
        why_not: Why nothing was measured, where that is so.
    """
    return tuple(_choice(group, len(some), sample.get(group, ()), measured, why_not) for group, some in groups.items())


def _choice(
    group: Group, examples: int, sample: Sequence[str], measured: tuple[Recalled, Recalled], why_not: str
) -> PilotChoice:
    cause, action = group
    default = DEFAULTS.get(group, "remedy")
    if action in PLAIN:
        why = "the remedy is plain exposures, as many as the budget buys: nothing to choose"
        return PilotChoice(cause, action, examples, 0, "plain", "default", (), why)
    if action in LONG:
        why_not = "a short training forgets nothing, so a pilot cannot try it"
    pairs = [(measured[0][name], measured[1][name]) for name in sample]
    if not pairs:
        reason = why_not or f"{counted(examples, 'example')} are too few for a pilot"
        why = f"{reason}: {_SAID[default]} is the default"
        return PilotChoice(cause, action, examples, 0, default, "default", (), why)
    training = column("training wording", [(float(one[0]), float(other[0])) for one, other in pairs])
    asked = [(one[1], other[1]) for one, other in pairs if one[1] is not None and other[1] is not None]
    columns = (training, column("held-out wordings", asked)) if asked else (training,)
    both = column("training wording", [(_mean(one), _mean(other)) for one, other in pairs])
    better = any(one.remedy > one.plain for one in columns)
    worse = any(one.remedy < one.plain for one in columns)
    told = f"with the remedy and with plain exposures: {', '.join(map(_shown, columns))}"
    way: Way
    by: Literal["pilot", "default"] = "pilot"
    if both.high < 0 or (worse and not better):
        way, verdict = "plain", "plain exposures are better"
    elif both.low > 0:
        way, verdict = "remedy", "the remedy is better"
    else:
        way, by, verdict = default, "default", f"no clear difference, so {_SAID[default]} stays, the default"
    return PilotChoice(cause, action, examples, len(pairs), way, by, columns, f"{told}; {verdict}")


_SAID = {"remedy": "the remedy", "plain": "plain exposures"}


def _mean(one: tuple[bool, float | None]) -> float:
    return float(one[0]) if one[1] is None else (one[0] + one[1]) / 2


def column(
    name: Literal["training wording", "held-out wordings", "retention"], pairs: Sequence[tuple[float, float]]
) -> PilotColumn:
    """Shares under both models, with a bootstrap interval of the mean difference of the pairs.

    Args:
        name: What was measured.
        pairs: Of each item what it was with the remedies, and plainly; at least one.
    """
    remedy, plain = np.array(pairs, dtype=np.float64).T
    found = bootstrap_mean(remedy - plain, level=LEVEL)
    assert found is not None
    return PilotColumn(name, len(pairs), float(remedy.mean()), float(plain.mean()), found.low, found.high)


def ways(choices: Sequence[PilotChoice], groups: Mapping[Group, Sequence[str]]) -> dict[str, str | None]:
    """What examples get that do not get the remedy of their cause, as `plan` takes it.

    In place of documents that is more exposures; of the others nothing, so that they stay as the run has them.

    Args:
        choices: What was decided.
        groups: The examples of each group.
    """
    plain = [(one.cause, one.action) for one in choices if one.way == "plain" and one.action not in PLAIN]
    return {name: "exposures" if group[1] == "read" else None for group in plain for name in groups[group]}


def notes_of(pilot: Pilot) -> tuple[str, ...]:
    """What the reader of a plan is told of its pilot.

    Args:
        pilot: What it found.
    """
    tried = [one for one in pilot.choices if one.action not in PLAIN]
    plain = [one for one in pilot.choices if one.action in PLAIN]
    if not tried:
        return ()
    head = f"pilot: {pilot.tokens:,} tokens" if pilot.tokens else "no pilot was trained"
    if pilot.retention is not None:
        head += f"; with the remedies and with plain exposures: {_shown(pilot.retention)}"
    lines = [f"{one.cause}, {counted(one.examples, 'example')}, {ACTIONS[one.action]}: {one.why}" for one in tried]
    if plain:
        named = ", ".join(f"{one.examples:,} of {one.cause}" for one in plain)
        lines.append(f"not tried, because more exposures are what plain fine-tuning gives too: {named}")
    return (head, *lines)


def _shown(one: PilotColumn) -> str:
    return f"{one.name} {one.remedy:.0%} and {one.plain:.0%} [{100 * one.low:+.0f}, {100 * one.high:+.0f}]"

"""Which examples a pilot trains, how long, and what follows from what it measured. Nothing is trained here.

A plan claims that its remedies do more than the same tokens spent plainly. A pilot checks that on a sample, by two
short trainings that go on from the tuned model: one gives the sample what the plan gives it, the other one what a plan
with plain exposures would, at one cost.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from uptake.pilot import Pilot, PilotChoice, PilotColumn, Way
from uptake.prescribe.actions import ACTIONS
from uptake.prescribe.material import Material, Terms
from uptake.prescribe.mix import among, choose, mixed
from uptake.prescribe.order import spread
from uptake.prescribe.plan import KEPT
from uptake.schedule import conflict_free
from uptake.stats import bootstrap_mean
from uptake.text import counted
from uptake.types import Finding, Plan

SHARE = 0.145
"""Tokens of a pilot, both trainings together, as a share of the plan's: not more than 0.15, and rows are whole."""
FEWEST = 8
"""Examples of a group that a pilot trains at least: of fewer even a remedy that mends all shows nothing."""
MOST = 40
"""Examples of a group that a pilot trains at most."""
BESIDE = 0.5
"""Learned examples beside each of them: a model that trains on its errors alone loses the rest."""
LEAST = 0.3
"""Share of the plan's dose (documents, exposures) that a pilot gives each example at least."""
LEVEL = 0.8
"""Of the intervals: what is wanted is the better choice, and not a proof."""

Group: TypeAlias = tuple[str, str]
"""Cause and action: documents for a gap and more exposures for a gap are two treatments."""
PLAIN = ("expose",)
"""Actions that are plain exposures: there is nothing to choose."""
LONG = ("mix",)
"""Actions that a short training cannot try: a stage is forgotten while a later one trains for long."""
WITHOUT_CAUSE = "unexplained"


def groups_of(drawn: Plan, findings: Sequence[Finding]) -> dict[Group, tuple[str, ...]]:
    """The examples that a plan does something for, by cause and action.

    Kept apart from others is not in it: that costs nothing, and without it nothing is gained. Nor are examples that are
    removed: not to learn them is what is wanted. What is read for and trained more often is one treatment.

    Args:
        drawn: The plan.
        findings: What it was drawn up from.
    """
    causes = {one.id: one.cause or WITHOUT_CAUSE for one in findings if not one.learned}
    gone = {name for edit in drawn.edits if edit.action == "drop" for name in edit.others}
    read = {name for edit in drawn.edits if edit.action == "read" for name in edit.examples}
    found: dict[Group, list[str]] = {}
    for edit in drawn.edits:
        if edit.action != "apart":
            for name in edit.examples:
                if name not in gone and not (edit.action == "expose" and name in read):
                    found.setdefault((causes[name], edit.action), []).append(name)
    return {group: tuple(dict.fromkeys(some)) for group, some in sorted(found.items())}


@dataclass(frozen=True)
class PilotPlans:
    """What a pilot trains.

    Attributes:
        sample: By group, the examples that are measured.
        remedies: What the plan does for them, in the small.
        plain: What plain exposures with its tokens do for them, in the small.
    """

    sample: Mapping[Group, tuple[str, ...]]
    remedies: Plan
    plain: Plan

    @property
    def tokens(self) -> int:
        """What both trainings cost."""
        return self.remedies.cost.total + self.plain.cost.total


def pilot_plans(
    both: tuple[Plan, Plan], findings: Sequence[Finding], material: Material, terms: Terms, tuned: str
) -> PilotPlans | None:
    """Draw up both trainings of a pilot: two plans for all, in the small.

    Each training gives an example what its plan gives it, documents and exposures, cut to one share. What one costs
    less goes to learned rows: in the whole as well the tokens of documents are taken from all rows. Each group gives as
    many examples as there are tokens for, in an order drawn with the seed.

    Args:
        both: The plan with all its remedies, and the one with plain exposures in their place (`ways_plainly`).
        findings: What they were drawn up from.
        material: What there is to mend with.
        terms: How they were drawn up.
        tuned: The tuned model, from which both go on.

    Returns:
        None where no group has `FEWEST` examples, or the tokens do not allow so many.
    """
    draw = random.Random(terms.seed)
    drawn, _ = both
    groups = {group: list(some) for group, some in groups_of(drawn, findings).items() if worth(group, some)}
    learned = [one.id for one in findings if one.learned and one.id not in material.untrained]
    for some in (*groups.values(), learned):
        draw.shuffle(some)
    small = [_Miniature(one, material, terms) for one in both]
    rivals = _rivals(findings)
    for most in range(MOST, FEWEST - 1, -1) if groups else ():
        sample = {group: tuple(some[:most]) for group, some in groups.items()}
        asked = [name for some in sample.values() for name in some]
        rows = list(dict.fromkeys([*asked, *(rival for name in asked for rival in rivals.get(name, ()))]))
        beside = learned[: round(BESIDE * len(rows))]
        share = min(1.0, SHARE / 2 * drawn.cost.total / max(one.whole([*rows, *beside]) for one in small))
        if share >= LEAST:
            spent = max(one.spent(rows, beside, share) for one in small)
            drawn_up = (one.plan(rows, beside, share, spent) for one in small)
            return PilotPlans(sample, *(replace(one, start="tuned", model=tuned) for one in drawn_up))
    return None


class _Miniature:
    """A plan for some of its rows, at a share of its dose."""

    def __init__(self, drawn: Plan, material: Material, terms: Terms) -> None:
        self.drawn, self.material, self.terms = drawn, material, terms
        self.place = {one.id: place for place, one in enumerate(material.examples)}
        self.trained = Counter(one.id for one in drawn.sft)
        self.reading = {edit.examples[0]: edit for edit in drawn.edits if edit.action == "read"}
        self.general = KEPT if drawn.cost.general else 0.0

    def length(self, name: str) -> int:
        """Tokens of a row."""
        return self.material.lengths[self.place[name]]

    def told(self, rows: Sequence[str]) -> int:
        """Tokens of the documents that the plan reads for some examples."""
        return sum(self.reading[name].tokens or 0 for name in rows if name in self.reading)

    def whole(self, rows: Sequence[str]) -> float:
        """What they cost at the whole dose, with the general text beside them."""
        tuned = sum(self.trained[name] * self.length(name) for name in rows)
        return (tuned + self.told(rows)) / (1 - self.general)

    def spent(self, rows: Sequence[str], beside: Sequence[str], share: float) -> float:
        """The same at a share of the dose."""
        return share * self.whole([*rows, *beside])

    def plan(self, rows: Sequence[str], beside: Sequence[str], share: float, spent: float) -> Plan:
        """The plan at a share of the dose, filled up with learned rows."""
        edits = [self.reading[name] for name in rows if name in self.reading]
        responses = {one.id: one.response for one in self.material.examples}
        room = round(share * self.told(rows))
        reading = choose(edits, responses, self.material, room, self.terms.readings)
        texts, general = mixed(reading, self.material, round(self.general * spent), self.terms.seed)
        each = [0.0] * len(self.material.examples)
        for name in (*rows, *beside):
            each[self.place[name]] = share * self.trained[name]
        tuned = sum(often * n for often, n in zip(each, self.material.lengths, strict=True))
        missing = max(0.0, spent - tuned - reading.tokens - general)
        for name in beside:
            each[self.place[name]] += missing / max(1, sum(map(self.length, beside)))
        order = spread([row for row, n in enumerate(each) if n > 0], each, random.Random(self.terms.seed))
        order = conflict_free(order, (), self.terms.step, self.terms.seed)
        examples = self.material.examples
        within = bool(texts) and self.drawn.reading == "within"
        sft = among(order, texts, examples, (), self.terms) if within else [examples[row] for row in order]
        tokens = sum(self.material.lengths[row] for row in order)
        cost = replace(self.drawn.cost, sft=tokens, documents=reading.tokens, general=general)
        return replace(self.drawn, cpt=tuple(texts), sft=tuple(sft), edits=(), unmended=(), notes=(), cost=cost)


def worth(group: Group, examples: Sequence[str]) -> bool:
    """Whether a pilot can tell anything about a group."""
    return group[1] not in (*PLAIN, *LONG) and len(examples) >= FEWEST


def _rivals(findings: Sequence[Finding]) -> dict[str, tuple[str, ...]]:
    """By example, those that contradict it: without them in the sample there would be no contradiction."""
    known = {one.id: one.evidence.contradiction for one in findings if not one.learned}
    ids = {one.id for one in findings}
    return {name: tuple(one for one in told.rivals if one in ids) for name, told in known.items() if told is not None}


Recalled: TypeAlias = Mapping[str, tuple[bool, float | None]]
"""By example whether it is recalled in the training wording, and its share of held-out wordings; None without any."""


def decided(
    groups: Mapping[Group, Sequence[str]],
    sample: Mapping[Group, Sequence[str]],
    measured: tuple[Recalled, Recalled],
    why_not: str = "",
) -> tuple[PilotChoice, ...]:
    """What a plan does for each group.

    Plain exposures where the remedy is clearly worse in each wording that was asked: the interval of the difference is
    below 0 in both; without held-out wordings nothing can say so. Else the remedy. What an example gains from its own
    exposures shows after a few steps, in its own wording first, and what it gains from texts does not: pilots that went
    by the mean chose plain exposures where whole plans say the remedy (benchmarks/NOTES.md, "Documents and the row
    itself").

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
    if action in PLAIN:
        why = "the remedy is plain exposures: nothing to choose"
        return PilotChoice(cause, action, examples, 0, "plain", "default", (), why)
    if action in LONG:
        why_not = "a short training forgets nothing, so a pilot cannot try it"
    pairs = [(measured[0][name], measured[1][name]) for name in sample]
    if not pairs:
        reason = why_not or f"{counted(examples, 'example is', 'examples are')} too few for a pilot"
        why = f"{reason}: {DEFAULT}"
        return PilotChoice(cause, action, examples, 0, "remedy", "default", (), why)
    training = column("training wording", [(float(one[0]), float(other[0])) for one, other in pairs])
    asked = [(one[1], other[1]) for one, other in pairs if one[1] is not None and other[1] is not None]
    columns = (training, column("held-out wordings", asked)) if asked else (training,)
    both = column("training wording", [(_mean(one), _mean(other)) for one, other in pairs])
    told = f"with the remedy and with plain exposures: {', '.join(map(_shown, columns))}"
    way: Way
    by: Literal["pilot", "default"] = "pilot"
    worse = all(one.high < 0 for one in columns)
    if worse and asked:
        way, verdict = "plain", "plain exposures are better"
    elif worse:
        way, by, verdict = "remedy", "default", f"there are no held-out wordings, where documents show: {DEFAULT}"
    elif both.low > 0:
        way, verdict = "remedy", "the remedy is better"
    else:
        way, by, verdict = "remedy", "default", f"no clear difference: {DEFAULT}"
    return PilotChoice(cause, action, examples, len(pairs), way, by, columns, f"{told}; {verdict}")


DEFAULT = "the remedy is the default"


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
    return ways_plainly({group: groups[group] for group in plain})


def ways_plainly(groups: Mapping[Group, Sequence[str]]) -> dict[str, str | None]:
    """The same where all groups get plain exposures.

    Args:
        groups: The examples of each group.
    """
    return {name: "exposures" if action == "read" else None for (_, action), some in groups.items() for name in some}


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

"""The plans of arms: what each would cost by itself, drawn up for its own items, and filled up to one cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from uptake.artifacts import Busy
from uptake.pipeline.prescribe.material import DiagnosedRun, read_material
from uptake.pipeline.progress import Progress
from uptake.pipeline.why.contradictions import read_groups
from uptake.prescribe import FOR_CAUSE, Budget, Material, Terms, plan
from uptake.prescribe.equal_cost import Spent, dose_of, filled_up, read_apart, read_within
from uptake.prescribe.material import Dose
from uptake.prescribe.treat import treat
from uptake.types import Finding, Key, Plan

CONTROL, NOTHING = "placebo", "nothing"
"""Arms that treat nobody: one costs as much as the others, one is the plan without edits."""


@dataclass(frozen=True)
class ArmPlans:
    """How the plans of arms are drawn up.

    Attributes:
        material: What plans are made of.
        findings: What they are to mend, worst first.
        terms: On which terms; the seed is that of the training.
        times: What a plan may cost, in times the tokens of the run's own fine-tuning.
        chosen: By arm, the remedy of each flagged example; None for none.
        dose: What the plan for all gives to an example; None while that is not known.
        busy: Examples that no arm is filled up with: flagged ones, and all that contradict one of these.
    """

    material: Material
    findings: list[Finding]
    terms: Terms
    times: float
    chosen: Mapping[str, Mapping[str, str | None]]
    dose: Dose | None
    busy: frozenset[str]

    @property
    def notes(self) -> list[str]:
        """What the reader should know about what arms are filled up with."""
        if any(one.id not in self.busy for one in self.material.examples):
            return []
        return [
            "every example was not learned, or contradicts one that was not: arms are filled up with further rows of "
            "all examples, the flagged ones and their rivals among them, so effects may be too small or too large"
        ]

    def own(self, arm: str, seed: int) -> Plan:
        """An arm's plan as it comes: one that treats is what a cure trains, for its own items and at the whole's dose.

        What treats nobody is the run's rows as often as the run trained them: what is left of the budget would train
        flagged examples more often, which is a treatment.
        """
        terms = replace(self.terms, seed=seed)
        budget = Budget(times=self.times, spend=arm not in (CONTROL, NOTHING), dose=self.dose)
        return plan(self.findings, self.material, terms, remedies=self.chosen[arm], budget=budget)

    def filled(self, arm: str, seed: int, cost: Spent) -> Plan:
        """An arm's plan filled up to a cost, its texts read when the plan of a cure reads them."""
        drawn = filled_up(read_apart(self.own(arm, seed)), self.material, cost, self.busy, seed)
        return read_within(drawn, self.material, replace(self.terms, seed=seed))


def plans_of(
    run: DiagnosedRun,
    terms: Terms,
    times: float,
    given: Mapping[str, Mapping[Key, str]],
    flagged: Sequence[Finding],
    progress: Progress,
) -> tuple[ArmPlans, dict[Key, str]]:
    """How the plans of arms are drawn up, and what they call each example.

    Args:
        run: The run.
        terms: On which terms; each arm's training is of one process.
        times: What a plan may cost, in times the tokens of the run's own fine-tuning.
        given: By arm that treats, the remedy of each of its items.
        flagged: All items that are in the draw.
        progress: Told after each part of the work.

    Raises:
        UptakeError: The data cannot be used, or the diagnosis is not of them.
    """
    diagnosis = run.diagnosis
    whatever = "matched" not in given  # remedies meet causes that are not theirs, so documents are found for all
    material, findings = _when_free(run, whatever, progress)
    names = {(one.id, one.stage): own.id for one, own in zip(diagnosis, findings, strict=True)}
    nobody: dict[str, str | None] = {one.id: None for one in findings if not one.learned}
    arms: dict[str, Mapping[Key, str]] = {**given, CONTROL: {}, NOTHING: {}}
    chosen = {arm: {**nobody, **{names[key]: remedy for key, remedy in some.items()}} for arm, some in arms.items()}
    everyone = {names[one.id, one.stage]: FOR_CAUSE[one.cause] for one in flagged if one.cause is not None}
    busy = _busy(findings, names, read_groups(diagnosis.folder / "work"))
    whole_too = {**chosen, "": {**nobody, **everyone}}
    drawing = ArmPlans(material, findings, terms, times, whole_too, None, busy)
    whole = drawing.own("", terms.seed)
    unlearned = [one for one in findings if not one.learned]
    wanted, _ = treat(unlearned, material, terms.options, whole_too[""])
    return replace(drawing, chosen=chosen, dose=dose_of(whole, material, wanted)), names


def _busy(findings: Sequence[Finding], names: Mapping[Key, str], groups: Sequence[Sequence[Key]]) -> frozenset[str]:
    """What was not learned, and all that contradicts it: the rivals that evidence names, and their whole groups."""
    flagged = {one.id for one in findings if not one.learned}
    busy = set(flagged)
    for one in findings:
        if one.id in flagged and (known := one.evidence.contradiction) is not None:
            busy.update(known.rivals)
    for group in groups:
        members = {names[key] for key in group if key in names}
        if members & flagged:
            busy |= members
    return frozenset(busy)


def _when_free(run: DiagnosedRun, matrix: bool, progress: Progress) -> tuple[Material, list[Finding]]:
    """Read what plans are made of; where another process is indexing the corpus, wait until it has."""
    while True:
        try:
            return read_material(run, None, progress, matrix)
        except Busy:
            time.sleep(1)

"""A plan's remedies tried on a sample of what it treats, against plain exposures, before the plan is proposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from uptake.artifacts import digest, empty, open_parts, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.later import PILOT_ARM, PilotArmData, PilotRowData
from uptake.artifacts.tables import OUTCOMES_FILE
from uptake.errors import UptakeError
from uptake.pilot import Pilot
from uptake.pipeline.diagnosis import Diagnosis
from uptake.pipeline.prescribe.material import plan_names
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.training_run import TrainingRun
from uptake.pipeline.trial.applying import apply
from uptake.pipeline.trial.measuring import ArmQuestions
from uptake.prescribe import Budget, Material, Terms, plan
from uptake.prescribe.pilot import Group, column, decided, groups_of, notes_of, pilot_plans, ways, ways_plainly, worth
from uptake.text import counted
from uptake.types import Finding, Key, Plan

PILOT_VERSION = 2
"""Part of the key of what is trained: raised when the same plan comes to be tried otherwise."""
RETENTION = 100
"""Answers of the retention set that are asked for at most."""

Say = Callable[[str], None]
"""Told what a pilot will cost, before it is trained."""


@dataclass(frozen=True)
class PilotRun:
    """What a pilot is made of.

    Attributes:
        diagnosis: What was found out about the run.
        findings: The same as plans take it, with the plan's names.
        material: What there is to mend with.
        terms: How the plan was drawn up.
        tuned: The tuned model.
        tuned_revision: Its branch, tag or commit on the hub.
        training: How the run is trained.
        questions: Reads what the models are asked.
    """

    diagnosis: Diagnosis
    findings: Sequence[Finding]
    material: Material
    terms: Terms
    tuned: str
    tuned_revision: str | None
    training: TrainingRun
    questions: Callable[[], ArmQuestions]


def tried_plan(drawn: Plan, run: PilotRun, budget: Budget, folder: Path, work: tuple[str, Progress, Say]) -> Plan:
    """The plan with the better choice for each group of examples, and with what the pilot found.

    Args:
        drawn: The plan, with all its remedies.
        run: What it was drawn up from.
        budget: What it may cost.
        folder: Where the pilot works.
        work: What identifies what the plan is made from; who is told of steps and questions, and of the cost.

    Raises:
        UptakeError: The sample cannot be trained, or the data are not those that were diagnosed.
    """
    groups = {group: some for group, some in groups_of(drawn, run.findings).items() if worth(group, some)}
    plainly = ways_plainly(groups)
    other = plan(run.findings, run.material, run.terms, remedies=plainly, budget=budget) if groups else drawn
    try:
        found = pilot((drawn, other), run, folder, *work)
    except UptakeError as error:
        either = "" if error.fix is None else f"{error.fix}, or "
        raise UptakeError(
            f"the pilot cannot be made: {error.problem}",
            expected=error.expected,
            fix=f"{either}leave it out: plan: {{pilot: false}} in the run file",
        ) from error
    if plainly := ways(found.choices, groups_of(drawn, run.findings)):  # of several groups some may keep their remedy
        drawn = plan(run.findings, run.material, run.terms, remedies=plainly, budget=budget)
    return replace(drawn, pilot=found, notes=(*drawn.notes, *notes_of(found)))


def pilot(both: tuple[Plan, Plan], run: PilotRun, folder: Path, key: str, progress: Progress, say: Say) -> Pilot:
    """Try a plan: train its remedies and plain exposures on a sample, ask both models, and decide by group.

    What is trained and measured is not done again; a killed pilot goes on where it stopped. Models are removed when
    they are measured.

    Args:
        both: The plan with all its remedies, and the one with plain exposures in their place.
        run: What they were drawn up from.
        folder: Where the pilot works.
        key: Identifies what the plan is made from.
        progress: Told of steps and questions.
        say: Told what it will cost.

    Raises:
        UptakeError: The sample cannot be trained, or the data are not those that were diagnosed.
    """
    drawn, _ = both
    groups = groups_of(drawn, run.findings)
    plans = pilot_plans(both, run.findings, run.material, run.terms, run.tuned)
    if plans is None:
        short = any(worth(group, some) for group, some in groups.items())
        return Pilot(0, decided(groups, {}, ({}, {}), "the plan has too few tokens for a pilot" if short else ""))
    n = sum(len(some) for some in plans.sample.values())
    share = plans.tokens / max(1, drawn.cost.total)
    say(
        f"pilot: {counted(n, 'example')} in two short trainings, {plans.tokens:,} tokens, {share:.0%} of the plan's; "
        "plan: {pilot: false} in the run file leaves it out"
    )
    names = plan_names((one.id, one.stage) for one in run.diagnosis)
    asked = _asked(run.questions(), plans.sample, names)
    done = [
        _arm(name, one, (run, asked, names), folder / name, digest(PILOT_VERSION, key, name, one.cost.total), progress)
        for name, one in (("remedies", plans.remedies), ("plain", plans.plain))
    ]
    recalled = tuple({one.id: (one.training, one.heldout) for one in arm.rows if not one.retention} for arm in done)
    kept = [[float(one.training) for one in arm.rows if one.retention] for arm in done]
    retention = column("retention", list(zip(*kept, strict=True))) if kept[0] else None
    return Pilot(plans.tokens, decided(groups, plans.sample, (recalled[0], recalled[1])), retention)


def _asked(questions: ArmQuestions, sample: Mapping[Group, Sequence[str]], names: Mapping[Key, str]) -> ArmQuestions:
    """The questions about the sample and some of the retention set."""
    wanted = {name for some in sample.values() for name in some}
    own = [
        one for one in questions.items if one.kind == "flagged" and names[one.example.id, one.example.stage] in wanted
    ]
    kept = [one for one in questions.items if one.kind == "retention"][:RETENTION]
    return replace(questions, items=(*own, *kept))


def _arm(
    name: str,
    drawn: Plan,
    what: tuple[PilotRun, ArmQuestions, Mapping[Key, str]],
    folder: Path,
    key: str,
    progress: Progress,
) -> PilotArmData:
    """Train and measure one of the two; what was measured is kept."""
    run, asked, names = what
    mark = folder.with_suffix(".json")
    with suppress(UptakeError):
        if mark.exists() and (known := read_record(mark, PILOT_ARM)).key == key:
            return known

    def tell(step: str, done: int, total: int | None) -> None:
        progress(f"pilot, {name}: {step}", done, total)

    place = open_parts(folder, key, OUTCOMES_FILE).folder
    model = apply(drawn, run.training, place, tuned_revision=run.tuned_revision, seed=run.terms.seed, progress=tell)
    rows = tuple(
        PilotRowData(
            one.id if one.kind == "retention" else names[one.id, one.stage],
            one.kind == "retention",
            one.recalled_training,
            one.recalled_heldout,
        )
        for one in asked.measure(model, tell)
    )
    found = PilotArmData(key, rows)
    write_json(mark, asdict(found))
    empty(folder)
    return found

"""`uptake cure`: a plan is applied, and plain fine-tuning with as many tokens; the diagnoses are laid side by side."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from uptake.artifacts import cannot_write, locked, refuse_links, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.later import CURE
from uptake.compare import CureColumn, faults
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline import read_diagnosis
from uptake.pipeline.cure.comparing import CureGroup, compared, in_all
from uptake.pipeline.cure.plain import train_plainly
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.diagnosis import Diagnosis
from uptake.pipeline.prescribe.not_kept import not_kept
from uptake.pipeline.prescribe.piloting import Say
from uptake.pipeline.prescribe.run import plan_to_apply
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.run import training_run
from uptake.pipeline.trial.applying import apply
from uptake.prescribe import content_of, read_plan
from uptake.processes import ALONE, Processes
from uptake.types import Cost, Plan


@dataclass(frozen=True)
class CuredModel:
    """A cured model and what became of the examples.

    Attributes:
        model: Its folder.
        diagnosis: Its diagnosis.
        groups: The examples by what they were before.
        columns: All examples but removed ones, and the retention set, beside the other models.
        faults: In what the cure loses more than it gains, or falls behind plain fine-tuning; none for a good one.
        cost: The plan's, in tokens.
        pilot: Tokens of the pilot that the plan was tried by; 0 without one.
        notes: What of the run's training it does not keep.
        aside: Where the model of another plan was moved; None when there was none.
    """

    model: Path
    diagnosis: Diagnosis
    groups: tuple[CureGroup, ...]
    columns: tuple[CureColumn, ...]
    faults: tuple[str, ...]
    cost: Cost
    pilot: int
    notes: tuple[str, ...]
    aside: Path | None


def cure_run(
    config: RunConfig,
    *,
    start: Literal["base", "tuned"] | None = None,
    unsafe: bool = False,
    progress: Progress = lambda step, done, total: None,
    say: Say = lambda text: None,
    processes: Processes = ALONE,
) -> CuredModel | None:
    """Cure a diagnosed run: draw up a plan if there is none, train it in `cured/`, diagnose the model, and compare.

    Beside it plain fine-tuning with as many tokens is trained and diagnosed, in `cured/plain/`, unless the run says
    `plan.plain: false`: what a cure is worth is told by what the same tokens would have done without it.

    What is done is not done again; a killed cure goes on where it stopped. The model of another plan that lies in
    `cured/` is moved aside, to `cured-1/` and so on. With several processes all call this; the first of them plans and
    diagnoses.

    Args:
        config: The run.
        start: Train from the `base`, or repair the `tuned` model; None for what the plan that is there says.
        unsafe: Whether examples may go out, where a plan is drawn up.
        progress: Told after each part of the work.
        say: Told what a pilot will cost, where a plan is drawn up.
        processes: Those that train together.

    Returns:
        What became of it; None in the other processes, and where every example was learned.

    Raises:
        UptakeError: There is no diagnosis, or something about the input is wrong.
    """
    first, several, run = processes.first, processes.world > 1, training_run(config, processes)
    folder, planned = config.output_dir / "cured", config.output_dir / "plan"
    refuse_links(config.output_dir)
    with locked(config.output_dir / ".cure") if first else nullcontext():
        aside = None
        healthy = read_diagnosis(config.output_dir).all_learned() if first else False
        if first and not healthy:
            plan_to_apply(config, start=start, unsafe=unsafe, progress=progress, say=say, processes=processes)
            aside = _make_room(folder, content_of(planned))
        if several:
            from uptake.models.training.job import wait_for_everyone

            wait_for_everyone(run.stages[-1].settings, folder)
            healthy = read_diagnosis(config.output_dir).all_learned()
        if healthy:
            return None
        before = read_diagnosis(config.output_dir)
        before.rule()  # what is wrong with it is told now, and not when all is trained
        plan, content = read_plan(planned), content_of(planned)  # another may lie there when this one is trained
        model = apply(plan, run, folder, tuned_revision=config.tuned_revision, progress=progress)
        plain = folder / "plain"
        beside = (
            train_plainly(plan, run, plain, tuned_revision=config.tuned_revision, progress=progress)
            if config.plan.plain
            else None
        )
        if not first:
            return None
        asked = {"intervene": 0, "thorough": False}
        own = config.model_copy(update={**asked, "output_dir": folder, "tuned_revision": None})
        after = diagnose_run(own, str(model), former=before, progress=progress)
        if beside is not None:  # what it was not learned for is not asked
            own = own.model_copy(update={"output_dir": plain, "attribution": "off"})
            other = diagnose_run(own, str(beside), former=before, progress=progress)
        else:
            other = None
        out = _taken_out(plan)
        groups = compared(before, after, out, other)
        columns = in_all(before, after, out, other)
        found = faults(columns)
        about = {"plan": content, "diagnosis": before.digest()}
        told = {**about, "groups": [asdict(one) for one in groups], "columns": [asdict(one) for one in columns]}
        pilot = 0 if plan.pilot is None else plan.pilot.tokens
        notes = not_kept(run)
        cost = {**asdict(plan.cost), "total": plan.cost.total, "pilot": pilot}
        write_json(folder / "cure.json", {**told, "faults": found, "cost": cost, "notes": notes})
        return CuredModel(model, after, groups, columns, found, plan.cost, pilot, notes, aside)


def _taken_out(plan: Plan) -> frozenset[str]:
    return frozenset(name for edit in plan.edits if edit.action == "drop" for name in edit.others)


def _make_room(folder: Path, content: str) -> Path | None:
    """See that `cured/` is of this plan; where what is trained there is of another, it goes aside."""
    mark = folder / "cure.json"
    with suppress(UptakeError):  # one that cannot be read says of no model that it is of this plan
        if mark.exists() and read_record(mark, CURE).plan == content:
            return None
    aside = None
    if (folder / "train").exists():
        number = next(n for n in count(1) if not folder.with_name(f"{folder.name}-{n}").exists())
        aside = folder.with_name(f"{folder.name}-{number}")
        try:
            folder.rename(aside)
        except OSError as error:
            raise cannot_write(folder, error) from error
    write_json(mark, {"plan": content})
    return aside

"""`uptake cure`: a plan is applied, the model that comes of it diagnosed, and the two diagnoses laid side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from uptake.artifacts import cannot_write, locked, refuse_links, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.later import CURE
from uptake.artifacts.tables import CAUSES
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline import read_diagnosis
from uptake.pipeline.cure.applying import apply
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.diagnosis import Diagnosis
from uptake.pipeline.prescribe.material import plan_names
from uptake.pipeline.prescribe.run import plan_to_apply
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.run import training_run
from uptake.prescribe import content_of, read_plan
from uptake.processes import ALONE, Processes
from uptake.types import Cost, Finding, Plan

LEARNED, OUT = "learned before", "removed"
"""Groups of examples beside those of the causes."""


@dataclass(frozen=True, slots=True)
class CureGroup:
    """Examples that a cure found in one state.

    Attributes:
        name: Their cause before; `learned before`; or `removed` by the plan.
        n: How many.
        before: How many were learned before.
        after: How many are now.
        heldout_n: How many have held-out wordings.
        heldout_before: Of these, the mean share of held-out wordings in which they were learned; None without any.
        heldout_after: The same now.
    """

    name: str
    n: int
    before: int
    after: int
    heldout_n: int
    heldout_before: float | None
    heldout_after: float | None


@dataclass(frozen=True)
class CuredModel:
    """A cured model and what became of the examples.

    Attributes:
        model: Its folder.
        diagnosis: Its diagnosis.
        groups: The examples by what they were before.
        retention: Share of the retention set's answers that are right, `before` and `after`; None without answers.
        cost: The plan's, in tokens.
        aside: Where the model of another plan was moved; None when there was none.
    """

    model: Path
    diagnosis: Diagnosis
    groups: tuple[CureGroup, ...]
    retention: Mapping[str, float] | None
    cost: Cost
    aside: Path | None


def cure_run(
    config: RunConfig,
    *,
    start: Literal["base", "tuned"] | None = None,
    unsafe: bool = False,
    progress: Progress = lambda step, done, total: None,
    processes: Processes = ALONE,
) -> CuredModel | None:
    """Cure a diagnosed run: draw up a plan if there is none, train it in `cured/`, diagnose the model, and compare.

    What is done is not done again; a killed cure goes on where it stopped. The model of another plan that lies in
    `cured/` is moved aside, to `cured-1/` and so on. With several processes all call this; the first of them plans and
    diagnoses.

    Args:
        config: The run.
        start: Train from the `base`, or repair the `tuned` model; None for what the plan that is there says.
        unsafe: Whether examples may go out, where a plan is drawn up.
        progress: Told after each part of the work.
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
            plan_to_apply(config, start=start, unsafe=unsafe, progress=progress)
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
        if not first:
            return None
        after = diagnose_run(
            config.model_copy(update={"output_dir": folder, "intervene": 0, "tuned_revision": None}),
            str(model),
            former=before,
            progress=progress,
        )
        groups = compared(before, after, _taken_out(plan))
        retention = _retention(before.summary(), after.summary())
        about = {"plan": content, "diagnosis": before.digest()}
        told = {**about, "groups": [asdict(one) for one in groups], "retention": retention}
        write_json(folder / "cure.json", {**told, "cost": {**asdict(plan.cost), "total": plan.cost.total}})
        return CuredModel(model, after, groups, retention, plan.cost, aside)


def compared(before: Iterable[Finding], after: Iterable[Finding], out: Collection[str] = ()) -> tuple[CureGroup, ...]:
    """The examples of two diagnoses, by what the first says of them: causes in their order, then the learned ones.

    Args:
        before: The diagnosis of the tuned model.
        after: That of the cured one.
        out: Examples that were removed, by the names that a plan calls them.
    """
    before = list(before)
    names = plan_names((one.id, one.stage) for one in before)
    now = {(one.id, one.stage): one for one in after}
    of: dict[str, list[tuple[Finding, Finding]]] = {}
    for one in before:
        gone = names[one.id, one.stage] in out
        name = OUT if gone else LEARNED if one.learned else one.cause or "not attributed"
        if (other := now.get((one.id, one.stage))) is not None:
            of.setdefault(name, []).append((one, other))
    order = [*CAUSES, *sorted(set(of) - {*CAUSES, OUT, LEARNED}), OUT, LEARNED]
    return tuple(_group(name, of[name]) for name in order if name in of)


def _group(name: str, pairs: list[tuple[Finding, Finding]]) -> CureGroup:
    shares = [
        (old, new) for old, new in ((_share(one), _share(other)) for one, other in pairs) if None not in (old, new)
    ]
    return CureGroup(
        name=name,
        n=len(pairs),
        before=sum(one.learned for one, _ in pairs),
        after=sum(other.learned for _, other in pairs),
        heldout_n=len(shares),
        heldout_before=sum(old or 0.0 for old, _ in shares) / len(shares) if shares else None,
        heldout_after=sum(new or 0.0 for _, new in shares) / len(shares) if shares else None,
    )


def _share(finding: Finding) -> float | None:
    """Share of an example's held-out wordings in which it is learned."""
    held_out = finding.evidence.held_out
    return None if held_out is None else held_out.passed


def _taken_out(plan: Plan) -> frozenset[str]:
    return frozenset(name for edit in plan.edits if edit.action == "drop" for name in edit.others)


def _retention(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float] | None:
    found = {}
    for name, one in (("before", before), ("after", after)):
        answers = (one.get("retention") or {}).get("answers")
        if answers is None:
            return None
        found[name] = answers["after"]["estimate"]
    return found


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

"""`uptake verify`: from a diagnosis to randomised arms, each a plan of the same cost, and from these to a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import refuse_links
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.diagnosis import read_diagnosis
from uptake.pipeline.prescribe.run import key_of, planning_of
from uptake.pipeline.prescribe.tuned_model import diagnosed_model, processes_of, require_alike, trained_folder
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import actors_of
from uptake.pipeline.train.run import training_run
from uptake.pipeline.trial.applying import apply
from uptake.pipeline.trial.measuring import ArmQuestions, Measured, questions
from uptake.pipeline.verify.arm_plans import CONTROL, NOTHING, ArmPlans, plans_of
from uptake.pipeline.verify.cells import Arm, ArmTreatment, Experiment, matched_of, verify
from uptake.pipeline.verify.eligibility import eligible
from uptake.prescribe import FOR_CAUSE, read_plan
from uptake.prescribe.equal_cost import Spent
from uptake.processes import ALONE, Processes
from uptake.spread import NOTHING as NOTHING_HELD
from uptake.spread import Actors
from uptake.text import counted
from uptake.types import Key, Plan
from uptake.verify import Assigned, Design, assign, assign_to_remedies, too_few

VERIFY_VERSION = 5
"""Part of the key of what is trained: raised when the same input comes to be trained or asked otherwise."""

APART = (
    "data_conflict: examples that contradict each other stay, in different batches. That hides a contradiction and "
    "does not fix it; --unsafe removes the example that is judged wrong"
)
OTHER_TRAINING = (
    "the placebo trains the flagged examples as often as the run did; plain fine-tuning with as many tokens trains "
    "them more often, and `uptake cure` shows it beside the cure"
)


@dataclass(frozen=True)
class Prepared:
    """An experiment that can be run, and what it will cost.

    Attributes:
        experiment: Its arms.
        config: The run.
        drawing: How the plans of arms are drawn up.
        cost: The training tokens of every arm but `nothing`, to within one text and one row.
        own: By arm that treats, what its plan costs before it is filled up.
        plain: Training tokens of the run's own fine-tuning.
        asked: What every model is asked.
        given: What it was prepared with beside the run: arguments of `prepare`.
    """

    experiment: Experiment
    config: RunConfig
    drawing: ArmPlans
    cost: Spent
    own: Mapping[str, Spent]
    plain: int
    asked: ArmQuestions
    given: Mapping[str, Any]

    @property
    def too_few(self) -> bool:
        """Whether the experiment could not even show a remedy that mends everything."""
        return too_few(matched_of(self.experiment), len(self.experiment.seeds))

    def plan_of(self, arm: str, seed: int) -> Plan:
        """What an arm trains: the same for all arms with one seed, but for what its own items get."""
        return self.drawing.own(arm, seed) if arm == NOTHING else self.drawing.filled(arm, seed, self.cost)

    def run(self, progress: Progress = lambda step, done, total: None) -> dict[str, Any] | None:
        """Train and measure what is not done yet, then write `verdict/` in the run's folder.

        With `spread` actors do so first, each of which takes arms that no other one is at, in the folder that all of
        their machines share. What a lost one leaves is done by another, or here in the end.

        Args:
            progress: Told of the arms, and of the steps and questions of each.

        Returns:
            The content of `verdict.json`; None while other processes are at work.

        Raises:
            UptakeError: An arm cannot be trained, or a place cannot be written.
        """
        with actors_of(self.config.spread) as actors:
            if actors is not None:
                self._helped(actors, progress)
        cell, run = "", training_run(self.config)

        def tell(step: str, done: int, total: int | None) -> None:
            progress(f"{cell}: {step}", done, total)

        def train(arm: Arm, seed: int, folder: Path) -> Path:
            nonlocal cell
            cell = f"{arm.name}, seed {seed}"
            revision = self.config.tuned_revision
            return apply(self.plan_of(arm.name, seed), run, folder, tuned_revision=revision, seed=seed, progress=tell)

        def measure(model: Path) -> Iterator[Measured]:
            return self.asked.measure(model, tell)

        folder = self.config.output_dir / "verdict"
        return verify(self.experiment, folder, train_arm=train, measure=measure, progress=progress)

    def _helped(self, actors: Actors, progress: Progress) -> None:
        """All arms trained and measured by actors."""
        settings = self.config.model_dump(mode="json", exclude={"spread"})
        actors.start()
        helpers = min(actors.n, len(self.experiment.arms) * len(self.experiment.seeds))
        progress("actors", 0, helpers)
        each = actors.each(range(helpers), lambda number: actors.run(NOTHING_HELD, _help, settings, self.given))
        for done, _ in enumerate(each, start=1):
            progress("actors", done, helpers)


def _help(settings: Mapping[str, Any], given: Mapping[str, Any], held: None) -> None:
    """Take part in an experiment, as the same command in another process would."""
    prepare(RunConfig.model_validate(settings), **given).run()


def prepare(
    config: RunConfig,
    *,
    matrix: bool = False,
    seeds: int = 3,
    unsafe: bool = False,
    progress: Progress = lambda step, done, total: None,
    processes: Processes = ALONE,
) -> Prepared:
    """Randomise what was not learned (see `eligible`), draw up the arms and count what they cost; nothing is trained.

    Args:
        config: A diagnosed run.
        matrix: All remedies on all causes, and an arm that gets nothing, beside the placebo.
        seeds: Trainings of each arm, with the run's seed, the next, ...
        unsafe: Whether examples may go out.
        progress: Told after each part of the work.
        processes: Those that were started; a single one is wanted.

    Raises:
        UptakeError: There is no diagnosis, it is not of these data or is replaced meanwhile, or nothing can be
            randomised.
    """
    _require_one_process(processes)
    refuse_links(config.output_dir)
    diagnosis = read_diagnosis(config.output_dir)
    trained = trained_folder(config.output_dir, config.stages[-1].name)
    require_alike(config.peft, diagnosed_model(trained, diagnosis))
    digest, trained_by = diagnosis.digest(), processes_of(trained)
    run, terms = planning_of(config, diagnosis, unsafe, trained_by)
    asked = questions(run.data, diagnosis, run.asking())
    reworded = frozenset((one.example.id, one.example.stage) for one in asked.items if one.example.paraphrases)
    part = eligible(diagnosis, reworded)
    if matrix:
        assigned = assign_to_remedies(part.flagged, FOR_CAUSE, config.seed)
    else:
        assigned = assign(part.flagged, ("matched", CONTROL), config.seed)
    every = tuple(dict.fromkeys(FOR_CAUSE.values())) if matrix else ("matched",)
    treating = [arm for arm in every if _of(assigned, arm)]
    if not treating:
        raise _nobody_treated(assigned)
    given = {arm: {key: _remedy(one) for key, one in _of(assigned, arm).items()} for arm in treating}
    together = int(terms.training.get("gradient_accumulation_steps", 1)) * trained_by  # one process does what all did
    terms = replace(terms, training={**terms.training, "gradient_accumulation_steps": together})
    drawing, names = plans_of(run, terms, config.plan.budget, given, part.flagged, progress)
    plans = {arm: drawing.own(arm, config.seed) for arm in treating}
    cost = Spent(0, 0)
    for drawn in plans.values():
        cost = cost.or_more(Spent.of(drawn))
    arms = [_arm(arm, given[arm], names, plans[arm]) for arm in treating] + _untreated(assigned, nothing=matrix)
    apart = not unsafe and any(one.cause == "data_conflict" for one in part.flagged)
    told = (f"{arm}: {note}" for arm, drawn in plans.items() for note in drawn.notes)
    chosen = _chosen(config.output_dir / "plan")
    experiment = Experiment(
        arms=tuple(arms),
        assigned=assigned,
        seeds=tuple(config.seed + number for number in range(seeds)),
        design=Design(FOR_CAUSE, part.primary, CONTROL),
        key=key_of(config, diagnosis, [VERIFY_VERSION, unsafe, trained_by, asked.key, cost.read, cost.tuned]),
        notes=(
            *part.notes,
            *([APART] if apart else []),
            *drawing.notes,
            OTHER_TRAINING,
            *chosen,
            *told,
        ),
        diagnosis=digest,
    )
    if diagnosis.digest() != digest:  # it is read several times, and to find documents may take long
        raise UptakeError("the diagnosis changed while it was read", fix="run the same command again")
    own = {arm: Spent.of(drawn) for arm, drawn in plans.items()}
    asked_with = {"matrix": matrix, "seeds": seeds, "unsafe": unsafe}
    return Prepared(experiment, config, drawing, cost, own, next(iter(plans.values())).cost.plain, asked, asked_with)


def _chosen(folder: Path) -> list[str]:
    """Where the plan that a cure trains does otherwise than the arms, because a pilot chose so."""
    with suppress(UptakeError):  # no plan is needed
        tried = read_plan(folder).pilot
        plain = [one for one in tried.choices if one.way == "plain" and one.by == "pilot"] if tried is not None else []
        return [
            f"{one.cause}: the plan in {folder.name}/ gives plain exposures, as its pilot chose; arms test the remedy"
            for one in plain
        ]
    return []


def _nobody_treated(assigned: tuple[Assigned, ...]) -> UptakeError:
    """The error where the draw put all examples into the control: one alone, or some that contradict each other."""
    what = counted(len(assigned), "example") + (", which contradict each other," if len(assigned) > 1 else "")
    return UptakeError(
        f"too few examples: {what} can be tested, and the draw gave none a remedy",
        expected="some examples with a cause; to show an effect takes dozens",
        fix="`uptake cure` mends the few; another --seed draws again, and cannot show more",
    )


def _untreated(assigned: tuple[Assigned, ...], *, nothing: bool) -> list[Arm]:
    """The arms that treat nobody: the control, and if wanted the one that gets no more than the run's own rows."""
    control = Arm(CONTROL, {key: ArmTreatment(None, None) for key in _of(assigned, CONTROL)})
    return [control, Arm(NOTHING, {})] if nothing else [control]


def _require_one_process(processes: Processes) -> None:
    if processes.world > 1:
        raise UptakeError(
            "several processes were started to train together",
            expected="one process for each device; each one takes arms that no other one trains",
            fix="CUDA_VISIBLE_DEVICES=0 uptake verify run.yaml, and the same with the next device beside it",
        )


def _of(assigned: tuple[Assigned, ...], arm: str) -> dict[Key, Assigned]:
    return {(one.id, one.stage): one for one in assigned if one.arm == arm}


def _remedy(one: Assigned) -> str:
    return FOR_CAUSE[one.cause] if one.arm == "matched" else one.arm


def _arm(name: str, given: Mapping[Key, str], names: Mapping[Key, str], drawn: Plan) -> Arm:
    """An arm, with what its plan spends on each item."""
    tokens = _tokens(drawn)
    treated = {key: ArmTreatment(remedy, round(tokens.get(names[key], 0))) for key, remedy in given.items()}
    gone = {name for edit in drawn.edits if edit.action == "drop" for name in edit.others}
    return Arm(name, treated, frozenset(key for key, own in names.items() if own in gone))


def _tokens(drawn: Plan) -> dict[str, float]:
    """By example, the training tokens that a plan spends on it; general text that its documents bring along counts."""
    spent: dict[str, float] = {}
    read = drawn.cost.documents
    for edit in drawn.edits:
        times = (
            (read + drawn.cost.general) / read if edit.action == "read" and read and drawn.reading == "before" else 1.0
        )
        for name in edit.examples:
            spent[name] = spent.get(name, 0.0) + (edit.tokens or 0) * times / len(edit.examples)
    return spent

"""`uptake train`: the stages one after the other, each from the former's model, with every example's learning curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import cannot_write, locked, refuse_links, versions, write_bytes, write_json
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.examples.cohort import BadRows
from uptake.pipeline.examples.today import keep_today
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import datasets_of, load_settings
from uptake.pipeline.train.arranged import ARRANGED
from uptake.pipeline.train.card import model_card
from uptake.pipeline.train.parts import parts_of
from uptake.pipeline.train.plan import Checked, check, plan
from uptake.pipeline.train.schedule import attach
from uptake.pipeline.train.settings import settings_of
from uptake.pipeline.train.stage_plan import StagePlan
from uptake.pipeline.train.state import finished_manifest, memory_left, model_digest, require_ledgers
from uptake.pipeline.train.training_run import StageSpec, TrainingRun
from uptake.processes import ALONE, Processes

if TYPE_CHECKING:
    from uptake.models.training.job import Done


@dataclass(frozen=True, slots=True)
class Trained:
    """A stage that is trained.

    Attributes:
        stage: Its name.
        folder: Its model, with `manifest.json` and a model card.
        examples: How many examples it trained.
        steps: Optimisation steps.
        processes: How many trained it together.
        loss_start: Mean loss of the first tenth of the steps, in nats a token as the trainer counts it; None when
            training noted none.
        loss_end: The same of the last tenth.
        recalled: Share of its examples that the finished model recalls; None where the ledger has no such reading.
        cut: How many of its examples `max_length` cut: they are recalled if what is left of them is.
        recalled_at_end: The same of the model that the last stage gave: what the later stages left of it.
        found: It was trained by a former run.
        strategies: The continual-learning methods that trained it.
    """

    stage: str
    folder: Path
    examples: int
    steps: int
    processes: int
    loss_start: float | None
    loss_end: float | None
    recalled: float | None
    found: bool
    strategies: tuple[str, ...] = ()
    cut: int = 0
    recalled_at_end: float | None = None


def stage_settings(config: RunConfig) -> dict[str, dict[str, Any]]:
    """The trainer's settings of each stage of a run, by its name.

    Raises:
        UptakeError: Two of them contradict each other, or the trainer cannot be put on the run's device.
    """
    return {
        stage.name: settings_of(
            stage, config.training, seed=config.seed, max_length=config.max_length, device=config.device
        )
        for stage in config.stages
    }


def training_run(config: RunConfig, processes: Processes = ALONE) -> TrainingRun:
    """What a run file says about training.

    Args:
        config: The run.
        processes: Those that train together.

    Raises:
        UptakeError: Settings contradict each other, or a strategy is unknown or is set to what it cannot be.
    """
    from uptake.models.training.start import Start
    from uptake.strategies.choose import choose

    settings = stage_settings(config)
    # how many tokens are scored at once says nothing about what is trained
    load = replace(load_settings(config, config.revision), batch_tokens=None)
    ours, data = choose(config.strategy, where=config.where), datasets_of(config)
    stages = (
        StageSpec(
            stage.name,
            stage.dataset,
            settings[stage.name],
            strategies=ours
            if stage.strategy is None
            else choose(stage.strategy, f"stages.{number}.strategy", config.where),
            columns=stage.columns,
            held=data.held.get(stage.name),
        )
        for number, stage in enumerate(config.stages)
    )
    return TrainingRun(
        start=Start(config.model_name_or_path, load, config.peft),
        stages=tuple(part for stage in stages for part in parts_of(stage)),
        folder=config.output_dir,
        seed=config.seed,
        ledger=config.ledger,
        processes=processes,
        options=data.options,
        general=config.general,
        skip_bad_rows=config.on_bad_row == "skip",
    )


def train_run(
    config: RunConfig,
    progress: Progress = lambda step, done, total: None,
    processes: Processes = ALONE,
    *,
    note: Callable[[str], None] = lambda text: None,
) -> list[Trained]:
    """Train the stages of a run file that are not trained yet; see `train`.

    Args:
        config: The run.
        progress: Told of each stage's steps.
        processes: Those that train together.
        note: As in `train`.
    """
    return train(training_run(config, processes), progress, note=note)


def train(
    run: TrainingRun,
    progress: Progress = lambda step, done, total: None,
    *,
    note: Callable[[str], None] = lambda text: None,
) -> list[Trained]:
    """Train the stages that are not trained yet; a stage that was killed is resumed from its last checkpoint.

    Everything is checked for all stages first; then each is planned when its turn comes. With several processes
    (`accelerate launch`) all of them call this; the first of them writes.

    Args:
        run: The run.
        progress: Told of each stage's steps.
        note: Told, before anything is trained, what the reader should know about each stage and its data.

    Returns:
        The stages, in their order.

    Raises:
        UptakeError: The input cannot be used, which is told before any training, or training cannot go on.
    """
    from uptake.models.training.checkpoints import remove

    folder, first = run.folder / "train", run.processes.first
    with one_talks(run.processes):
        refuse_links(run.folder)
    with locked(folder) if first else nullcontext():
        checked, plans = planned(run, progress)
        if run.ledger != "off":
            require_ledgers(run.folder, plans)
        plans[0].job.arguments().distributed_state.wait_for_everyone()  # all have looked before one changes anything
        if first:
            _write_bad_rows(folder, plans)
            for text in notes_of(plans):
                note(text)
            if (today := checked.run.start.settings.today) is not None:
                keep_today(run.folder, today)
        done: list[Trained] = []
        for number, forecast in enumerate(plans):
            found = forecast.finished
            if not found:
                plans[number] = _in_its_turn(checked, plans, number)
                for text in notes_of([plans[number]]) if first else ():
                    if text not in notes_of([forecast]):
                        note(text)
                _train(run, plans[: number + 1], progress)
                plans[number] = replace(plans[number], finished=True)
            elif first:
                remove(forecast.job.work)  # left by a run that was killed when all but this was done
            done.append(_outcome_of(plans[number], found))
        return [replace(one, recalled_at_end=_at_end(run, of, plans[-1])) for one, of in zip(done, plans, strict=True)]


def notes_of(plans: Sequence[StagePlan]) -> list[str]:
    """What the reader should know about the stages, each with its name."""
    return [f"{one.stage}: {text}" for one in plans for text in one.notes]


def planned(run: TrainingRun, progress: Progress = lambda step, done, total: None) -> tuple[Checked, list[StagePlan]]:
    """The run checked, and its stages as they would be trained, by one of several processes, of which the first talks.

    Args:
        run: The run.
        progress: Told of the rows that are read, by the first process alone.

    Raises:
        UptakeError: As `check` and `plan`; one process of each machine raises it.
        SystemExit: The others leave without a word.
    """
    with one_talks(run.processes):
        checked = check(run, progress if run.processes.first else lambda step, done, total: None)
        plans: list[StagePlan] = []
        for number in range(len(run.stages)):
            plans.append(plan(checked, number, plans[-1] if plans else None, forecast=True))
    return checked, plans


@contextmanager
def one_talks(processes: Processes) -> Iterator[None]:
    """Let one process of each machine tell what all of them refuse; the others leave without a word."""
    try:
        yield
    except UptakeError:
        if processes.local > 0:
            raise SystemExit(0) from None
        raise


def _in_its_turn(checked: Checked, plans: Sequence[StagePlan], number: int) -> StagePlan:
    """The stage planned anew where its model, or what its strategies arrange, is known only now."""
    forecast, former = plans[number], plans[number - 1] if number else None
    known = former is None or forecast.identity["start"]["model"] is not None
    if known and forecast.job.method is None:
        return forecast
    with one_talks(checked.run.processes):
        found = plan(checked, number, former)
    found.job.arguments().distributed_state.wait_for_everyone()  # all have looked before one changes anything
    return found


def _write_bad_rows(folder: Path, plans: Sequence[StagePlan]) -> None:
    bad = BadRows(folder / "bad_rows.jsonl")
    for found in plans:
        bad.add(found.stage, found.bad_rows)


def _train(run: TrainingRun, plans: Sequence[StagePlan], progress: Progress) -> None:
    """Train the last of the plans; all before it are trained."""
    from uptake.models.training.checkpoints import empty, remove
    from uptake.models.training.memory import MEMORY
    from uptake.models.training.stage import train

    found, former = plans[-1], plans[-2] if len(plans) > 1 else None
    first = run.processes.first
    if first and not found.done_steps:
        empty(found.job.work, but=ARRANGED)
        names = [spec.name for spec in run.stages]
        for later in names[names.index(found.stage) :]:  # what was recorded of them was of another model
            remove(run.folder / "ledger" / later)
        write_json(found.job.work / "manifest.json", {"stage": found.stage, **found.identity})
    passed_on = memory_left(former) if found.job.method is None else None  # a stage without strategies changes nothing
    step = f"training {found.stage}"
    done = train(found.job, _callbacks(run, plans), lambda done, total: progress(step, done, total))
    if first:
        if passed_on is not None:
            passed_on.write(done.model / MEMORY)
        manifest = _manifest(run, found, done)
        manifest |= _outcome(run, found, done)
        write_json(done.model / "manifest.json", manifest)
        write_bytes(done.model / "README.md", model_card(run.start.name, found, manifest).encode())
        try:
            done.model.rename(found.folder)
        except OSError as error:
            raise cannot_write(found.folder, error) from error
        remove(found.job.work)
    found.job.arguments().distributed_state.wait_for_everyone()  # the next stage starts from this folder


def _callbacks(run: TrainingRun, plans: Sequence[StagePlan]) -> Callable[[Any], Sequence[Any]]:
    """What listens to the trainer, given it; the last of the plans is the stage that is trained."""
    from uptake.ledger.tracked import Tracked
    from uptake.models.ledger.callback import LedgerCallback
    from uptake.models.ledger.trackers import LedgerToTrackers
    from uptake.models.training.readings import reading
    from uptake.models.training.rows import first_of_each

    found = plans[-1]
    every_epoch = None
    if run.ledger == "epochs":  # the rows of all stages so far, as they are read; what two share, once
        every_epoch = reading(first_of_each([one.own for one in plans]))

    def callbacks(trainer: Any) -> Sequence[Any]:
        if found.schedule is not None:
            drawn = None if found.job.method is None else found.job.method.stage.drawn
            attach(trainer, found.schedule, found.job.rows, found.validation, drawn)
        if run.ledger == "off":
            return ()
        ids = trainer.train_dataset.ids  # in the order in which the trainer has the rows
        tracked = Tracked(run.folder, found.stage, _sources(plans))
        return [
            LedgerCallback(run.folder, found.stage, ids=ids, every_epoch=every_epoch),
            LedgerToTrackers(tracked.curves, tracked.table),
        ]

    return callbacks


def _sources(plans: Sequence[StagePlan]) -> dict[str, str]:
    """The source of each example of all stages so far."""
    pairs = (pair for one in reversed(plans) for pair in zip(one.own["id"].to_pylist(), one.sources, strict=True))
    return dict(pairs)


def _manifest(run: TrainingRun, found: StagePlan, done: Done) -> dict[str, Any]:
    """What a stage was trained from and with, enough to train it again; no times, and no places on this machine."""
    from uptake.models.training.memory import MEMORY, Memory
    from uptake.models.training.rows import counts
    from uptake.models.training.tally import KINDS

    return {
        "stage": found.stage,
        **found.identity,
        "files": dict(found.files),
        "seed": run.seed,
        "examples": found.examples,
        "left_out": len(found.bad_rows),
        "cut": found.cut,
        "tokens": found.tokens,
        "trained_tokens": found.trained_tokens,
        "own_tokens": counts(found.own)[0],
        "passes": None if not found.steps or found.epochs is None else found.epochs * done.steps / found.steps,
        "steps": done.steps,
        "kept_step": done.kept,
        "spent": dict(zip(KINDS, done.spent, strict=True)) if run.processes.world == 1 else None,
        "told": [] if found.job.method is None else list(found.job.method.stage.told),
        "model": model_digest(done.model),
        "memory_left": Memory.read(done.model / MEMORY).digest,
        "versions": versions(),
    }


def _outcome(run: TrainingRun, found: StagePlan, done: Done) -> dict[str, float | None]:
    """Losses at the start and the end, as training had them, and what the finished model recalls."""
    tenth = -(-len(done.losses) // 10)
    method = found.job.method
    read = run.ledger == "epochs" and (method is None or not method.hooks.moves)
    return {
        "loss_start": sum(done.losses[:tenth]) / tenth if tenth else None,
        "loss_end": sum(done.losses[-tenth:]) / tenth if tenth else None,
        "recalled": _recalled(run.folder, found.stage, done.kept, found.ids) if read else None,
    }


def _at_end(run: TrainingRun, of: StagePlan, last: StagePlan) -> float | None:
    """The share of a stage's examples that the last stage's model recalls; None where no reading is of that model."""
    there = finished_manifest(last.folder)
    if run.ledger != "epochs" or there["recalled"] is None or of.stage == last.stage:
        return there["recalled"] if of.stage == last.stage else None
    kept = there.get("kept_step")
    return _recalled(run.folder, last.stage, kept, of.ids) if isinstance(kept, int) else None


def _recalled(folder: Path, stage: str, step: int, ids: Sequence[str]) -> float | None:
    """The share of some examples that is recalled after a step of a stage; None if not all of them were scored then."""
    import pyarrow.compute as pc

    from uptake.ledger import read_ledger

    table = read_ledger(folder).table
    for column, value in (("stage", stage), ("pass", "epoch"), ("step", step)):
        table = table.filter(pc.equal(table[column], value))
    recalled = dict(zip(table["id"].to_pylist(), table["recalled"].to_pylist(), strict=True))
    return sum(bool(recalled[name]) for name in ids) / len(ids) if all(name in recalled for name in ids) else None


def _outcome_of(plan: StagePlan, found: bool) -> Trained:
    there = finished_manifest(plan.folder)
    return Trained(
        stage=plan.stage,
        folder=plan.folder,
        examples=there["examples"],
        steps=there["steps"],
        processes=there["processes"],
        loss_start=there["loss_start"],
        loss_end=there["loss_end"],
        recalled=there["recalled"],
        found=found,
        cut=there["cut"],
        strategies=tuple(one["name"] for one in there.get("strategies", ())),
    )

"""`uptake prescribe`: from a diagnosis to a plan on disk."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from uptake.artifacts import digest, file_digest, locked, refuse_links, versions
from uptake.artifacts.schemas.exposure import EXPOSURE_TABLE
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.models.places.settings import LoadSettings
from uptake.models.served import from_judge
from uptake.pipeline.diagnosis import Diagnosis, read_diagnosis
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.prescribe.encoding import Encoding
from uptake.pipeline.prescribe.gathering import Gather, Library
from uptake.pipeline.prescribe.material import DiagnosedRun, bins_of, read_examples, read_material
from uptake.pipeline.prescribe.not_kept import not_kept
from uptake.pipeline.prescribe.piloting import PilotRun, Say, tried_plan
from uptake.pipeline.prescribe.tuned_model import diagnosed_model, processes_of, require_alike, trained_folder
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import datasets_of, detection_of, load_settings
from uptake.pipeline.train.packed import unpacked
from uptake.pipeline.train.rows import file_digests
from uptake.pipeline.train.run import stage_settings, training_run
from uptake.pipeline.train.settings import rows_of_a_step
from uptake.pipeline.trial.measuring import Examination, questions
from uptake.prescribe import (
    TRAINED,
    TRAINERS,
    Budget,
    Export,
    Terms,
    asked_for,
    changed,
    found_plan,
    kind_of,
    notes_of_trainers,
    plan,
    read_plan,
    refuse_changed,
    require_rows,
    write_plan,
)
from uptake.processes import ALONE, Processes
from uptake.remedies import Options
from uptake.types import Plan

PLAN_VERSION = 11
"""Part of the key of a plan: raised when the same input comes to give another one."""


_READ = ("general", "corpus", "paraphrases", "heldout", "retention")
"""Data sets beside the stages' that a plan depends on: what is measured is kept out of documents."""

_WITHOUT_EFFECT: Any = {
    **dict.fromkeys((*_READ, "chat_template", "model_name_or_path", "output_dir"), True),
    "stages": {"__all__": {"dataset"}},
    "gate": True,
    "plan": {"pilot", "plain"},
    "exposure": True,
    "spread": True,
    "backend": True,
    "judge": True,
    "knowledge_sources": {"__all__": {"timeout", "max_retries", "requests_per_second", "api_key_env", "contact"}},
}
"""Keys of a run that say nothing about its plan, or where something lies of which the content is digested.

Which server a source is asked from does.
"""


@dataclass(frozen=True)
class Prescribed:
    """A plan on disk.

    Attributes:
        folder: Where it lies.
        plan: What it says.
        found: It was there already, made from the very same.
    """

    folder: Path
    plan: Plan
    found: bool


def prescribe_run(
    config: RunConfig,
    *,
    start: Literal["base", "tuned"] = "base",
    unsafe: bool = False,
    world_size: int | None = None,
    gather: Gather | None = None,
    progress: Progress = lambda step, done, total: None,
    say: Say = lambda text: None,
) -> Prescribed:
    """Draw up the plan of a diagnosed run, try its remedies in a pilot, and write what is better.

    With `plan.pilot: false` nothing is trained, and a plan that was tried is written anew: each cause has its remedy.

    Args:
        config: The run.
        start: `base`: train everything again. `tuned`: repair the tuned model.
        unsafe: Whether examples may go out.
        world_size: Processes that will train together; None for as many as trained the run.
        gather: Finds documents; None searches the run's corpus and knowledge sources.
        progress: Told after each part of the work.
        say: Told what a pilot will cost, before it is trained.

    Raises:
        UptakeError: There is no diagnosis, it is not of these data, or the input cannot be used; nothing is written.
    """
    diagnosis = read_diagnosis(config.output_dir)
    trained = trained_folder(config.output_dir, config.stages[-1].name)
    world = world_size or processes_of(trained)
    tuned = diagnosed_model(trained, diagnosis)
    require_alike(config.peft, tuned)
    folder = config.output_dir / "plan"
    refuse_links(config.output_dir)
    with locked(config.output_dir / ".plan"):
        told = tuned if start == "tuned" else None
        chosen = [start, unsafe, world, config.model_name_or_path, told, config.plan.pilot]
        key = key_of(config, diagnosis, chosen)
        if (known := found_plan(folder, key)) is not None:
            return Prescribed(folder, known, True)
        refuse_changed(folder)
        run, terms = planning_of(config, diagnosis, unsafe, world)
        budget = Budget(times=config.plan.budget, spend=True)
        with _uncollected():
            material, findings = read_material(run, gather, progress)
            terms = replace(terms, start=start, model=tuned if start == "tuned" else terms.model)
            drawn = plan(findings, material, terms, budget=budget)
        if config.plan.pilot:
            what = PilotRun(
                diagnosis=diagnosis,
                findings=findings,
                material=material,
                terms=terms,
                tuned=tuned,
                tuned_revision=config.tuned_revision,
                training=training_run(config),
                questions=lambda: questions(run.data, diagnosis, run.asking()),
            )
            drawn = tried_plan(drawn, what, budget, config.output_dir / "pilot", (key, progress, say))
        if not drawn.sft:
            raise UptakeError(
                "the plan trains nothing", fix="check in the diagnosis whether any example was not learned"
            )
        load = load_settings(config, config.revision)
        export = _export(config.model_name_or_path, load, config.chat_template, run.encoding, folder, drawn)
        drawn = replace(drawn, notes=(*drawn.notes, *notes_of_trainers(drawn, export)))
        with _uncollected():
            write_plan(folder, drawn, export, key, {"start": start, "unsafe": unsafe, "processes": world})
        return Prescribed(folder, drawn, False)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector of cycles.

    All records of a plan live until it is written, and it would walk through them again and again: a quarter of the
    time of a large plan.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def planning_of(config: RunConfig, diagnosis: Diagnosis, unsafe: bool, processes: int) -> tuple[DiagnosedRun, Terms]:
    """What a plan is drawn up from, and on which terms, if it starts from the base.

    Args:
        config: The run.
        diagnosis: What was found out about it.
        unsafe: Whether examples may go out.
        processes: How many will train together.

    Raises:
        UptakeError: There is no such base, or the trainer's settings contradict each other.
    """
    base, stages = config.model_name_or_path, stage_settings(config)
    encoding = Encoding.of(base, load_settings(config, config.revision), stages)
    library = Library(
        corpus=config.corpus,
        exposure=config.output_dir / EXPOSURE_TABLE,
        sources=config.knowledge_sources,
        folder=config.output_dir / "corpus",
        most=config.plan.documents,
        on_bad_row=config.on_bad_row,
        seed=config.seed,
    )
    trained = trained_folder(config.output_dir, config.stages[-1].name)

    def asking() -> Examination:
        return Examination(
            base=base,
            load=load_settings(config, config.revision),
            option_form=config.option_form,
            max_length=config.max_length,
            detection=detection_of(config),
            llm=None if config.judge is None else from_judge(config.judge, config.seed),
            n_paraphrases=config.n_paraphrases,
        )

    data = datasets_of(config)
    training = _row_by_row(data, encoding)
    run = DiagnosedRun(data, diagnosis, encoding, library, trained, asking, not_kept(training_run(config)))
    terms = Terms(
        start="base",
        model=base,
        step=rows_of_a_step(training) * processes,
        reading=config.plan.reading,
        augmented=config.plan.augmented,
        readings=config.plan.readings,
        protection=config.plan.protection,
        options=Options(unsafe, config.plan.documents, config.plan.exposures, config.plan.doubtful),
        training=training,
        peft=config.peft,
        seed=config.seed,
    )
    return run, terms


def _row_by_row(data: DataSets, encoding: Encoding) -> Mapping[str, Any]:
    """The settings of a plan, whose rows are not packed."""
    if not encoding.last.get("packing"):
        return encoding.training
    examples = read_examples(data, lambda step, done, total: None)
    *_, last = bins_of(encoding, examples, encoding.trained(examples)).values()
    return unpacked(encoding.training, last)


def plan_to_apply(
    config: RunConfig,
    *,
    start: Literal["base", "tuned"] | None = None,
    unsafe: bool = False,
    progress: Progress = lambda step, done, total: None,
    say: Say = lambda text: None,
    processes: Processes = ALONE,
) -> Prescribed:
    """The plan that a run is cured by: the one that is there, drawn up anew if its input has changed, or a new one.

    Args:
        config: The run.
        start: As in `prescribe_run`; None for what the plan that is there was asked for, else `base`.
        unsafe: As in `prescribe_run`; a plan that is there and was asked for so stays so.
        progress: Told after each part of the work.
        say: As in `prescribe_run`.
        processes: Those that were started together; several make a plan that was not tried, and take one that was.

    Raises:
        UptakeError: As `prescribe_run`. A plan that was changed by hand is taken as it is, unless another is asked for
            or other trainers' files alone were changed.
    """
    tried = config
    if processes.world > 1:  # it is one of them that plans, and a pilot would wait for the others
        config = config.model_copy(update={"plan": config.plan.model_copy(update={"pilot": False})})
    folder = config.output_dir / "plan"
    asked = asked_for(folder)
    if asked is None:
        return prescribe_run(config, start=start or "base", unsafe=unsafe, progress=progress, say=say)
    same = start in (None, asked.start) and (asked.unsafe or not unsafe)
    if same:
        require_rows(folder)
    if same and (paths := changed(folder)):
        _require_read(folder, paths)
        return Prescribed(folder, read_plan(folder), True)
    start, unsafe = start or asked.start, unsafe or asked.unsafe
    if tried.plan.pilot != config.plan.pilot:
        diagnosis = read_diagnosis(config.output_dir)
        trained = trained_folder(config.output_dir, config.stages[-1].name)
        tuned = diagnosed_model(trained, diagnosis) if start == "tuned" else None
        chosen = [start, unsafe, asked.processes, config.model_name_or_path, tuned, True]
        if (known := found_plan(folder, key_of(tried, diagnosis, chosen))) is not None:
            return Prescribed(folder, known, True)
    return prescribe_run(
        config,
        start=start,
        unsafe=unsafe,
        world_size=asked.processes,
        progress=progress,
        say=say,
    )


def _require_read(folder: Path, paths: Sequence[Path]) -> None:
    """Refuse changes by hand that would change nothing: those to other trainers' files alone."""
    names = [path.relative_to(folder).as_posix() for path in paths]
    if set(names).isdisjoint(TRAINED) and (others := [name for name in names if name.split("/")[0] in TRAINERS]):
        raise UptakeError(
            f"{folder / others[0]} was changed, but `uptake cure` does not read this file",
            expected=f"changes in {', '.join(TRAINED)}",
            fix="make the change there and undo this one, or train with that trainer",
        )


def key_of(config: RunConfig, diagnosis: Diagnosis, chosen: Sequence[object]) -> str:
    """Identifies all that a plan depends on but the base, by content, so that a run may be moved.

    Args:
        config: The run.
        diagnosis: What was found out about it.
        chosen: What else it depends on, the base among it.
    """
    data = {stage.name: file_digests(stage.dataset) or stage.dataset for stage in config.stages}
    others = {name: file_digests(one) or one for name in _READ if (one := getattr(config, name))}
    template = None if config.chat_template is None else file_digest(config.chat_template)
    options = config.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    exposure = config.output_dir / EXPOSURE_TABLE
    told = file_digest(exposure) if exposure.is_file() else None
    return digest(PLAN_VERSION, options, data, others, diagnosis.digest(), chosen, template, told, versions())


def _export(
    base: str, load: LoadSettings, template: Path | None, encoding: Encoding, folder: Path, drawn: Plan
) -> Export:
    """What the trainers' settings are made from."""
    adapted = drawn.start == "tuned" and drawn.peft is not None
    return Export(
        model=_seen(base if adapted else drawn.model, folder),
        adapter=_seen(drawn.model, folder) if adapted else None,
        revision=load.revision if drawn.start == "base" or adapted else None,
        max_length=encoding.max_length,
        kind=kind_of(drawn.sft),
        eos=encoding.tokenizer.eos_token or "",
        dtype="float32" if load.dtype == "auto" else load.dtype,
        attn_implementation=load.attn_implementation,
        chat_template=None if template is None else _seen(str(template), folder),
    )


def _seen(name: str, folder: Path) -> str:
    """A model or file as it is named in `folder`; a hub id stays what it is."""
    return Path(os.path.relpath(name, folder)).as_posix() if Path(name).exists() else name

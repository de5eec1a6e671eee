"""What `uptake train` is about to do: everything is checked first; a stage is planned when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import digest
from uptake.errors import UptakeError
from uptake.pipeline.examples.today import day_of
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.general import identity as general_identity
from uptake.pipeline.train.general import require_general
from uptake.pipeline.train.method import method_of, with_arranged
from uptake.pipeline.train.ready import job_of, rehearse_stages, require_settings
from uptake.pipeline.train.rows import StageReading, file_digests
from uptake.pipeline.train.schedule import identity, rows_of_an_epoch
from uptake.pipeline.train.settings import sharded_by, without_effect
from uptake.pipeline.train.stage_plan import StagePlan
from uptake.pipeline.train.state import finished_manifest, with_effect, with_state
from uptake.pipeline.train.training_run import StageSpec, TrainingRun
from uptake.schedule import Schedule
from uptake.text import counted
from uptake.types import BadRow, Example

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.models.places.place import Place
    from uptake.models.training.hooks import Method
    from uptake.models.training.job import Job
    from uptake.models.training.start import Start


@dataclass(frozen=True)
class ReadStage:
    """What is known of a stage before any stage is trained.

    Attributes:
        spec: The stage.
        number: Its place, from 0.
        tokenizer: What its rows are made with, and what is saved beside its model.
        limit: Tokens that a row may have; None for no limit.
        files: The digest of each file of its data set.
        reading: How its rows were read: what was left out, what identifies them.
        rows: Its own rows.
        validation: Those of its validation set; None without one.
    """

    spec: StageSpec
    number: int
    tokenizer: Any
    limit: int | None
    files: Mapping[str, str]
    reading: StageReading
    rows: pa.Table
    validation: pa.Table | None

    def examples(self) -> Iterator[Example]:
        """Its examples, read again."""
        return (one for one in self.reading.examples() if isinstance(one, Example))

    @property
    def bad_rows(self) -> list[BadRow]:
        """Rows that are left out."""
        return self.reading.bad_rows


@dataclass(frozen=True)
class Checked:
    """A run that can be trained, as far as that can be told before.

    Attributes:
        run: The run.
        base: Identifies the model that the first stage starts from.
        stages: Its stages.
    """

    run: TrainingRun
    base: str
    stages: tuple[ReadStage, ...]


def check(run: TrainingRun, progress: Progress = lambda step, done, total: None) -> Checked:
    """Read and check everything that training needs, for all stages; nothing is written.

    Settings and strategies are checked, and every hook is rehearsed, before data are read.

    Args:
        run: The run.
        progress: Told of the rows that are read.

    Raises:
        UptakeError: Data, model, settings or strategies cannot be used.
    """
    from uptake.models.places.place import fingerprint, locate
    from uptake.models.places.settings import of_adapters
    from uptake.models.training.start import model_config, skeleton, tokenizer_of

    require_settings(run)
    require_general(run)
    start = run.start
    place = start.place()
    run = _on_its_day(run, place)
    start = run.start
    model = model_config(place, start.settings)
    of_adapter = None
    if start.adapter is not None:
        of_adapter = locate(str(start.adapter), of_adapters(start.settings), base=start.name)
    skeleton(start)
    base = fingerprint(of_adapter or place, replace(start.settings, device="cpu", today=None))
    tokenizers = {spec.name: tokenizer_of(place, start.settings, spec.settings.get("eos_token")) for spec in run.stages}
    rehearse_stages(run, tokenizers)
    taken: dict[str, str] = {}
    stages = (
        _read(run, number, tokenizers[spec.name], model, taken, progress) for number, spec in enumerate(run.stages)
    )
    return Checked(run, base, tuple(stages))


def plan(checked: Checked, number: int, former: StagePlan | None, *, forecast: bool = False) -> StagePlan:
    """Plan a stage.

    Args:
        checked: The run.
        number: The stage's place.
        former: The stage before, if there is one.
        forecast: Leave out what the strategies arrange: it may need the former stage's model, and a scoring pass.

    Raises:
        UptakeError: Rows do not fit the settings, or what a former run left was made from something else.
    """
    from uptake.models.training.job import n_steps
    from uptake.models.training.rows import counts

    run, stage = checked.run, checked.stages[number]
    spec, start = stage.spec, _start(run, former)
    packed = bool(spec.settings.get("packing"))
    settings = {**spec.settings, "max_length": stage.limit} if packed else spec.settings
    method = method_of(run, stage, former)
    job = replace(job_of(run, spec, start, stage.tokenizer), rows=stage.rows, settings=settings, method=method)
    args = job.arguments()
    whole = _identity(checked, stage, job, former, args)
    if method is not None and method.hooks.data is not None and not forecast:
        job, whole = with_arranged(run, job, whole)
    if job.method is not None:
        job = replace(job, method=replace(job.method, identity=digest(whole)))
    rows, method = job.rows, job.method
    schedule = spec.schedule if method is None else method.stage.schedule
    validation = stage.validation if method is None else method.stage.validation
    drawn = None if method is None else method.stage.drawn
    ids = rows["id"].to_pylist()
    an_epoch = len(rows) if schedule is None else rows_of_an_epoch(schedule, ids, args, validation, drawn)
    steps, epochs = (None, None) if packed else n_steps(args, an_epoch)
    first = rows if drawn is None else rows.take(drawn.rows(0))
    tokens, trained_tokens = counts(first)
    model = start.name if start.adapter is None else str(start.adapter)
    found = StagePlan(
        stage=spec.name,
        dataset=spec.dataset,
        files=stage.files,
        folder=run.folder / "train" / spec.name,
        examples=len(first),
        bad_rows=stage.bad_rows,
        job=job,
        identity=whole,
        cut=stage.reading.cut,
        tokens=tokens,
        trained_tokens=trained_tokens,
        steps=steps,
        epochs=epochs,
        batch=(args.per_device_train_batch_size, args.gradient_accumulation_steps, args.world_size),
        start=_shown(model) if former is None else former.stage,
        done_steps=0,
        finished=False,
        own=stage.rows,
        sources=tuple(stage.reading.sources),
        notes=(*_notes(run, args, stage, method if forecast else None), *(() if method is None else method.stage.told)),
        schedule=schedule,
        validation=validation,
        ids=_own(rows),
    )
    return with_state(found, former)


def _on_its_day(run: TrainingRun, place: Place) -> TrainingRun:
    """The run, of which the chat template is told the date where it asks for it."""
    from uptake.models.places.place import load_tokenizer

    settings = run.start.settings
    day = day_of(load_tokenizer(place, replace(settings, today=None)), run.folder, settings.today)
    return replace(run, start=replace(run.start, settings=replace(settings, today=day)))


def _read(
    run: TrainingRun, number: int, tokenizer: Any, model: Any, taken: dict[str, str], progress: Progress
) -> ReadStage:
    from uptake.models.training.notes import noted

    spec = run.stages[number]
    limit = _longest(spec.settings, model)
    files = file_digests(spec.dataset)  # before the rows are read: of what comes later, their own digest tells
    settings = {**spec.settings, "max_length": limit}
    reading = StageReading(spec, run.options, tokenizer, settings, taken)
    rows = reading.table(progress, skip_bad_rows=run.skip_bad_rows)
    _require_known_tokens(rows, model)
    if spec.strategies:
        rows = noted(rows, source=reading.sources)
    validation = None
    if spec.validation:
        held = replace(spec, examples=spec.validation)
        validation = StageReading(held, run.options, tokenizer, settings, {}).table(progress, skip_bad_rows=False)
    return ReadStage(spec, number, tokenizer, limit, files, reading, rows, validation)


def _identity(checked: Checked, stage: ReadStage, job: Job, former: StagePlan | None, args: Any) -> dict[str, Any]:
    """What the weights depend on."""
    from uptake.models.training.tally import REVISION

    run, load = checked.run, checked.run.start.settings
    schedule = stage.spec.schedule
    found = {
        "start": {"base": checked.base} if former is None else {"stage": former.stage, "model": _trained(former)},
        "data": {"content": stage.reading.key, "examples": len(stage.rows)},
        "settings": with_effect({**job.settings, "max_length": stage.limit}),
        "peft": None if run.start.peft is None else dict(run.start.peft),
        "dtype": "float32" if load.dtype == "auto" else load.dtype,
        "mixed_precision": getattr(args, "mixed_precision", None) or run.processes.precision or "no",
        "attn_implementation": load.attn_implementation,
        "device": args.device.type,
        "sharded": sharded_by(args.fsdp, args.deepspeed, run.processes),
        "chat_template": None if load.chat_template is None else digest(load.chat_template),
        "today": load.today,
        "processes": args.world_size,
        "ledger": run.ledger,
        "schedule": None if schedule is None else identity(schedule, stage.validation),
        "strategies": [one.identity() for one in stage.spec.strategies],
        "memory": None if job.method is None else job.method.memory.digest,
        # the content of the rows does not say them, and methods draw by them
        "sources": None if job.method is None else digest(stage.reading.sources),
    }
    if job.method is not None and job.method.hooks.needs.general:
        found["general"] = general_identity(run)
    if job.method is not None:
        found["counted"] = REVISION
    if job.method is not None and schedule is None and stage.validation is not None:  # else the schedule tells it
        found["validation"] = identity(Schedule(), stage.validation)["validation"]
    return found


def _own(rows: pa.Table) -> list[str]:
    """The ids of the stage's own examples, without those of earlier stages that it trains again."""
    ids: list[str] = rows["id"].to_pylist()
    if "kind" not in rows.schema.names:
        return ids
    return [name for name, kind in zip(ids, rows["kind"].to_pylist(), strict=True) if kind != "replayed"]


def _trained(former: StagePlan) -> str | None:
    """The digest of the model that the stage before gave; None where it is not trained yet."""
    return str(finished_manifest(former.folder)["model"]) if former.finished else None


def _start(run: TrainingRun, former: StagePlan | None) -> Start:
    """The former stage's weights, or the base's with the adapter that goes through all stages."""
    start = run.start
    if former is None:
        return start
    if not start.adapts:
        return replace(start, name=str(former.folder), settings=replace(start.settings, revision=None))
    return replace(start, adapter=former.folder)


def _notes(run: TrainingRun, args: Any, stage: ReadStage, method: Method | None) -> tuple[str, ...]:
    cut = stage.reading.cut
    notes = stage.reading.notes.told()
    if cut:
        notes.append(
            f"{counted(cut, 'example is', 'examples are')} longer than max_length and cut: the rest is not trained. To "
            "train it, raise training.max_length or split the rows"
        )
    notes += without_effect(run, stage.spec)
    if (today := run.start.settings.today) is not None:
        notes.append(
            f"the chat template asks for the date: it is told {today} in every step of the run, on whichever day "
            "that is taken (today.json)"
        )
    if args.max_steps > 0:
        notes.append(f"max_steps, {args.max_steps}, decides when it ends; num_train_epochs is ignored")
    if method is not None and method.hooks.data is not None:
        notes.append("its strategies change the rows only when the stage begins, so this plan does not show that")
    return tuple(notes)


def _shown(name: str) -> str:
    """A model's name without where it lies on this machine."""
    return Path(name).name if Path(name).exists() else name


def _longest(settings: Mapping[str, Any], model: Any) -> int | None:
    """Tokens that a row may have: what is set, and no more than the model has positions for."""
    limits = [settings["max_length"], getattr(model, "max_position_embeddings", None)]
    return min((limit for limit in limits if limit is not None and limit > 0), default=None)


def _require_known_tokens(rows: pa.Table, model: Any) -> None:
    """Refuse token ids that the model has no embedding for: it would fail in the middle of a step."""
    import pyarrow.compute as pc

    known = getattr(model, "vocab_size", None)
    most = pc.max(pc.list_flatten(rows["input_ids"])).as_py()
    if known is not None and most is not None and most >= known:
        raise UptakeError(
            f"the tokenizer gives the token id {most}, and the model has embeddings for {known} tokens",
            expected="a model and a tokenizer that belong together",
            fix="resize the model's embeddings to the tokenizer and save it: model.resize_token_embeddings(N)",
        )

"""What `uptake train` is about to do: every stage's rows, settings and state, found out before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import digest
from uptake.config import RunConfig, Stage
from uptake.errors import UptakeError
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.rows import Reading, file_digests
from uptake.pipeline.train.schedule import Scheduled
from uptake.pipeline.train.settings import _require_device, _sharded, _text, settings_of
from uptake.pipeline.train.stage_plan import StagePlan
from uptake.pipeline.train.state import require_ledgers, with_effect, with_state

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.models.places.place import LoadSettings, Place
    from uptake.models.training.start import Start


@dataclass(frozen=True)
class _Shared:
    """What all stages of a run have in common."""

    config: RunConfig
    place: Place
    load: LoadSettings
    model: Any
    base: str
    progress: Progress
    schedules: Mapping[str, Scheduled]
    adapter: Place | None
    rehearsed: set[str] = field(default_factory=set)

    def rehearse(self, found: StagePlan) -> None:
        """Let a stage's trainer be made once, unless that of another stage was made with the same settings."""
        from uptake.models.training.rehearsal import rehearse
        from uptake.models.training.start import Start, skeleton

        if not self.rehearsed:  # all stages train the same model
            skeleton(Start(self.config.model_name_or_path, self.load, self.config.peft))
        key = digest({name: value for name, value in found.job.settings.items() if name != "num_train_epochs"})
        if key not in self.rehearsed:
            self.rehearsed.add(key)
            rehearse(found.job)


def plan(
    config: RunConfig,
    progress: Progress = lambda step, done, total: None,
    schedules: Mapping[str, Scheduled] | None = None,
    adapter: str | None = None,
) -> list[StagePlan]:
    """Read and check everything that training needs, and write nothing.

    Args:
        config: The run.
        progress: Told of the rows that are read.
        schedules: The schedules of stages, by name.
        adapter: A trained adapter on the run's model that the first stage goes on with; None for none.

    Raises:
        UptakeError: Data, model or settings cannot be used, or what a former run left was made from something else.
    """
    from uptake.models.places.place import LoadSettings, fingerprint
    from uptake.models.training.job import DEFAULTS
    from uptake.models.training.settings import arguments
    from uptake.models.training.start import Start, lora, model_config

    load = LoadSettings(
        dtype=config.dtype,
        attn_implementation=config.attn_implementation,
        revision=config.revision,
        trust_remote_code=config.trust_remote_code,
        chat_template=_text(config.chat_template),
    )
    settings = {stage.name: settings_of(config, stage) for stage in config.stages}
    for stage in config.stages:  # before any data are read
        _require_device(config, arguments({**DEFAULTS, **settings[stage.name]}, config.output_dir))
    if config.peft is not None:
        lora(config.peft)
    place = Start(config.model_name_or_path, load).place()
    model = model_config(place, load)
    of_adapter = None if adapter is None else _adapter(config, adapter, load)
    base = fingerprint(of_adapter or place, replace(load, device="cpu"))
    shared = _Shared(config, place, load, model, base, progress, schedules or {}, of_adapter)
    plans: list[StagePlan] = []
    taken: dict[str, str] = {}
    for stage in config.stages:
        plans.append(_stage(shared, stage, settings[stage.name], plans[-1] if plans else None, taken))
    require_ledgers(config, plans)
    return plans


def _adapter(config: RunConfig, name: str, load: LoadSettings) -> Place:
    from uptake.models.places.place import locate

    place = locate(name, replace(load, revision=config.tuned_revision), base=config.model_name_or_path)
    if place.base is None:
        raise UptakeError(f"{name} is no adapter", expected="a folder or hub id with an adapter_config.json")
    return place


def _stage(
    shared: _Shared, stage: Stage, settings: dict[str, Any], former: StagePlan | None, taken: dict[str, str]
) -> StagePlan:
    from uptake.models.training.job import Job, n_steps
    from uptake.models.training.rows import counts
    from uptake.models.training.start import tokenizer_of

    config = shared.config
    folder = config.output_dir / "train" / stage.name
    start = _start(shared, former)
    tokenizer = tokenizer_of(shared.place, shared.load, settings.get("eos_token"))
    limit = _longest(settings, shared.model)
    files = file_digests(stage.dataset)  # before the rows are read: of what comes later, their own digest tells
    scheduled = shared.schedules.get(stage.name)
    given = None if scheduled is None else scheduled.examples
    reading = Reading(config, stage, tokenizer, {**settings, "max_length": limit}, taken, given)
    rows = reading.table(shared.progress)
    _require_known_tokens(rows, shared.model)
    if packed := bool(settings.get("packing")):
        settings = {**settings, "max_length": limit}
    job = Job(start, tokenizer, rows, settings, folder.with_name(f".{stage.name}.work"))
    args = job.arguments()
    an_epoch = len(rows) if scheduled is None else scheduled.rows_of_an_epoch(rows["id"].to_pylist(), args)
    steps, epochs = (None, None) if packed else n_steps(args, an_epoch)
    found = StagePlan(
        stage=stage.name,
        dataset=stage.dataset,
        files=files,
        folder=folder,
        examples=len(rows),
        bad_rows=reading.bad_rows,
        job=job,
        identity={
            "start": {"base": shared.base} if former is None else {"stage": former.stage},
            "data": {"content": reading.key, "examples": len(rows)},
            "settings": with_effect({**settings, "max_length": limit}),
            "peft": None if config.peft is None else dict(config.peft),
            **_precision(config, args),
            "chat_template": None if shared.load.chat_template is None else digest(shared.load.chat_template),
            "processes": args.world_size,
            "ledger": config.ledger,
            "schedule": None if scheduled is None else scheduled.identity(),
        },
        cut=reading.cut,
        tokens=counts(rows)[0],
        trained_tokens=counts(rows)[1],
        steps=steps,
        epochs=epochs,
        batch=(args.per_device_train_batch_size, args.gradient_accumulation_steps, args.world_size),
        start=_shown(start.name if start.adapter is None else str(start.adapter)) if former is None else former.stage,
        done_steps=0,
        finished=False,
        notes=_notes(args, reading.cut),
        scheduled=scheduled,
    )
    found = with_state(found, former)
    if not found.finished:
        shared.rehearse(found)
    return found


def _start(shared: _Shared, former: StagePlan | None) -> Start:
    """The former stage's weights, or the base's with the adapter that goes through all stages."""
    from uptake.models.training.start import Start

    config, first = shared.config, shared.adapter
    if former is not None and config.peft is None and first is None:
        return Start(str(former.folder), replace(shared.load, revision=None))
    adapter = former.folder if former is not None else None if first is None else first.folder
    return Start(config.model_name_or_path, shared.load, config.peft, adapter)


def _notes(args: Any, cut: int) -> tuple[str, ...]:
    notes = [f"{cut} examples are longer than max_length and are cut"] if cut else []
    if args.max_steps > 0:
        notes.append(f"max_steps, {args.max_steps}, says when it ends, and num_train_epochs does not")
    return tuple(notes)


def _precision(config: RunConfig, args: Any) -> dict[str, Any]:
    """What the numbers are computed with, some of which the environment says (`accelerate launch`)."""
    return {
        "dtype": "float32" if config.dtype == "auto" else config.dtype,
        "mixed_precision": getattr(args, "mixed_precision", None) or os.environ.get("ACCELERATE_MIXED_PRECISION", "no"),
        "attn_implementation": config.attn_implementation,
        "device": args.device.type,
        "sharded": _sharded(args.fsdp, args.deepspeed),
    }


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

"""What `uptake train` is about to do: every stage's rows, settings and state, found out before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import digest, read_json
from uptake.config import RunConfig, Stage
from uptake.errors import UptakeError
from uptake.pipeline.cohort import Progress
from uptake.pipeline.train_data import Reading
from uptake.types import BadRow

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.models.place import LoadSettings, Place
    from uptake.models.train_stage import Job

WITHOUT_EFFECT = (
    "dataloader_num_workers", "dataloader_persistent_workers", "dataloader_pin_memory", "dataloader_prefetch_factor",
    "ddp_timeout", "debug", "disable_tqdm", "hub_", "log_", "logging_", "project", "push_to_hub", "report_to",
    "run_name", "save_", "skip_memory_metrics", "trackio_",
)  # fmt: skip
"""What the names of settings begin with that may change between a killed run and the one that goes on."""


@dataclass(frozen=True)
class StagePlan:
    """One stage, ready to be trained.

    Attributes:
        stage: Its name.
        dataset: Its data set, as named in the run.
        folder: Where the trained model will lie.
        examples: How many are trained.
        bad_rows: Rows that are left out.
        job: What the trainer gets; its tokenizer and rows are those of the plan.
        identity: What the weights depend on; a finished or a killed stage must have the same.
        cut: How many examples are longer than `max_length` and lose their end (or, as set, their beginning).
        tokens: Tokens of one pass.
        trained_tokens: How many of them are learned.
        steps: Optimisation steps; None when the rows are packed, which is done later.
        epochs: Passes over the rows; None as `steps`.
        batch: Rows of a step per device, batches of a step, processes.
        start: What it starts from, in words.
        done_steps: Steps that a killed run has behind it.
        finished: It is trained already.
    """

    stage: str
    dataset: str
    folder: Path
    examples: int
    bad_rows: Sequence[BadRow]
    job: Job
    identity: Mapping[str, Any]
    cut: int
    tokens: int
    trained_tokens: int
    steps: int | None
    epochs: float | None
    batch: tuple[int, int, int]
    start: str
    done_steps: int
    finished: bool

    @property
    def ids(self) -> list[str]:
        """The ids of the rows, which are those of the ledger."""
        ids: list[str] = self.job.rows["id"].to_pylist()
        return ids


@dataclass(frozen=True)
class _Shared:
    """What all stages of a run have in common."""

    config: RunConfig
    place: Place
    load: LoadSettings
    base: str
    progress: Progress


def plan(config: RunConfig, progress: Progress = lambda step, done, total: None) -> list[StagePlan]:
    """Read and check everything that training needs, and write nothing.

    Args:
        config: The run.
        progress: Told of the rows that are read.

    Raises:
        UptakeError: Data, model or settings cannot be used, or what a former run left was made from something else.
    """
    from uptake.models.place import LoadSettings, fingerprint
    from uptake.models.train_start import Start, lora

    load = LoadSettings(
        dtype=config.dtype,
        attn_implementation=config.attn_implementation,
        revision=config.revision,
        trust_remote_code=config.trust_remote_code,
        chat_template=_text(config.chat_template),
    )
    settings = {stage.name: settings_of(config, stage) for stage in config.stages}
    if config.peft is not None:
        lora(config.peft)
    place = Start(config.model_name_or_path, load).place()
    shared = _Shared(config, place, load, fingerprint(place, replace(load, device="cpu")), progress)
    plans: list[StagePlan] = []
    taken: dict[str, str] = {}
    for stage in config.stages:
        plans.append(_stage(shared, stage, settings[stage.name], plans[-1] if plans else None, taken))
    return plans


def settings_of(config: RunConfig, stage: Stage) -> dict[str, Any]:
    """The trainer's settings of a stage: the run's, over them the stage's own, over them the keys that say the same.

    Raises:
        UptakeError: Two of them contradict each other.
    """
    settings = {**config.training, **stage.training}
    given = settings.get("num_train_epochs")
    if "num_train_epochs" in stage.model_fields_set:
        _agree(f"stages.{stage.name}.num_train_epochs", stage.num_train_epochs, "training.num_train_epochs", given)
        given = stage.num_train_epochs
    settings["num_train_epochs"] = stage.num_train_epochs if given is None else given
    _agree("seed", config.seed, "training.seed", settings.get("seed"))
    settings["seed"] = config.seed
    settings.setdefault("max_length", config.max_length or 1024)
    if config.device == "cpu":
        settings.setdefault("use_cpu", True)
    elif ":" in config.device and not config.device.endswith(":0"):
        name, _, number = config.device.partition(":")
        raise UptakeError(
            f"the trainer cannot be put on device {config.device!r}",
            expected="auto, cpu or cuda",
            fix=f"show it one device alone: CUDA_VISIBLE_DEVICES={number} uptake train ... --device {name}",
        )
    _refuse_sharded_scoring(config, settings)
    if settings.get("packing") and config.ledger != "off":
        raise UptakeError(
            "packing joins pieces of several examples in a row, so the ledger cannot tell them apart",
            expected="packing: false, or ledger: off",
            fix="leave packing out (`padding_free: true` saves the padding as well), or give --ledger off",
        )
    return settings


def _refuse_sharded_scoring(config: RunConfig, settings: Mapping[str, Any]) -> None:
    """A model that is sharded over processes cannot be scored by one of them."""
    launched = [
        name for name in ("FSDP", "DEEPSPEED") if os.environ.get(f"ACCELERATE_USE_{name}", "").lower() == "true"
    ]
    given = [name for name in ("fsdp", "deepspeed") if settings.get(name)]
    if config.ledger == "epochs" and (launched or given) and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UptakeError(
            f"the model is sharded over processes ({', '.join(given or launched).lower()}), so it cannot be scored at "
            "each epoch's end",
            expected="ledger: training, or ledger: off",
            fix="give --ledger training",
        )


def _agree(key: str, value: Any, other: str, theirs: Any) -> None:
    if theirs is not None and theirs != value:
        raise UptakeError(
            f"{key} is {value}, and {other} is {theirs}", expected="one of the two", fix=f"leave {other} out"
        )


def _text(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="a Jinja chat template as UTF-8 text") from error


def _stage(
    shared: _Shared, stage: Stage, settings: dict[str, Any], former: StagePlan | None, taken: dict[str, str]
) -> StagePlan:
    from uptake.models.train_rows import counts
    from uptake.models.train_stage import Job, n_steps
    from uptake.models.train_start import Start, tokenizer_of

    config = shared.config
    folder = config.output_dir / "train" / stage.name
    name = config.model_name_or_path
    if former is not None and config.peft is None:
        start = Start(str(former.folder), replace(shared.load, revision=None))
    else:
        start = Start(name, shared.load, config.peft, None if former is None else former.folder)
    tokenizer = tokenizer_of(shared.place, shared.load, settings.get("eos_token"))
    limit = _longest(settings, shared.place)
    reading = Reading(config, stage, tokenizer, {**settings, "max_length": limit}, taken)
    rows = reading.table(shared.progress)
    _require_known_tokens(rows, shared.place)
    if packed := bool(settings.get("packing")):
        settings = {**settings, "max_length": limit}
    job = Job(start, tokenizer, rows, settings, folder.with_name(f".{stage.name}.work"))
    args = job.arguments()
    identity = {
        "start": {"base": shared.base} if former is None else {"stage": former.stage},
        "data": {"content": reading.key, "examples": len(rows)},
        "settings": {**settings, "max_length": limit},
        "peft": None if config.peft is None else dict(config.peft),
        "dtype": config.dtype,
        "attn_implementation": config.attn_implementation,
        "chat_template": None if shared.load.chat_template is None else digest(shared.load.chat_template),
        "processes": args.world_size,
        "ledger": config.ledger,
    }
    steps, epochs = (None, None) if packed else n_steps(args, len(rows))
    found = StagePlan(
        stage=stage.name,
        dataset=stage.dataset,
        folder=folder,
        examples=len(rows),
        bad_rows=reading.bad_rows,
        job=job,
        identity=identity,
        cut=reading.cut,
        tokens=counts(rows)[0],
        trained_tokens=counts(rows)[1],
        steps=steps,
        epochs=epochs,
        batch=(args.per_device_train_batch_size, args.gradient_accumulation_steps, args.world_size),
        start=_shown(name) if former is None else former.stage,
        done_steps=0,
        finished=False,
    )
    return _with_state(found, former)


def _shown(name: str) -> str:
    """A model's name without where it lies on this machine."""
    return Path(name).name if Path(name).exists() else name


def _longest(settings: Mapping[str, Any], place: Place) -> int | None:
    """Tokens that a row may have: what is set, and no more than the model has positions for."""
    config = read_json(place.weights / "config.json")
    room = config.get("max_position_embeddings", (config.get("text_config") or {}).get("max_position_embeddings"))
    limits = [limit for limit in (settings["max_length"], room) if limit is not None]
    return min(limits) if limits else None


def _require_known_tokens(rows: pa.Table, place: Place) -> None:
    """Refuse token ids that the model has no embedding for: it would fail in the middle of a step."""
    import pyarrow.compute as pc

    config = read_json(place.weights / "config.json")
    known = config.get("vocab_size", (config.get("text_config") or {}).get("vocab_size"))
    most = pc.max(pc.list_flatten(rows["input_ids"])).as_py()
    if known is not None and most is not None and most >= known:
        raise UptakeError(
            f"the tokenizer gives the token id {most}, and the model has embeddings for {known} tokens",
            expected="a model and a tokenizer that belong together",
            fix="resize the model's embeddings to the tokenizer and save it: model.resize_token_embeddings(N)",
        )


def _with_state(found: StagePlan, former: StagePlan | None) -> StagePlan:
    """The plan, and what of it a former run has done.

    Raises:
        UptakeError: That was made from something else.
    """
    work = found.job.work
    if found.folder.exists():
        if former is not None and not former.finished:
            raise UptakeError(
                f"{found.folder} is there, but the stage {former.stage!r}, from which it was trained, is not finished",
                expected="the stages one after the other",
                fix=f"delete {found.folder} as well, or choose another --output_dir",
            )
        there = read_json(found.folder / "manifest.json")
        _require_same(found, there, found.folder)
        _require_start(found, former, there, found.folder)
        return replace(found, finished=True, done_steps=there["steps"])
    if (work / "manifest.json").exists():
        from uptake.models.train_checkpoints import steps_of

        there = read_json(work / "manifest.json")
        if checkpoint := found.job.checkpoint(found.identity["processes"]):
            _require_same(found, there, work)
            _require_start(found, former, there, work)
            return replace(found, done_steps=steps_of(checkpoint))
    return found


def _require_same(found: StagePlan, there: Mapping[str, Any], folder: Path) -> None:
    new, old = ({name: side.get(name) for name in found.identity} for side in (found.identity, there))
    for side in (new, old):
        settings = side["settings"] or {}
        side["settings"] = {name: value for name, value in settings.items() if not name.startswith(WITHOUT_EFFECT)}
    differing = list(_differences(new, old, ""))
    if differing:
        _refuse(found.stage, differing, folder)


def _require_start(found: StagePlan, former: StagePlan | None, there: Mapping[str, Any], folder: Path) -> None:
    """A stage that starts from another must have started from just the model that lies there now."""
    if former is not None:
        model = read_json(former.folder / "manifest.json")["model"]
        if there.get("start_model") != model:
            _refuse(
                found.stage, [f"the model of {former.stage}: got {model}, expected {there.get('start_model')}"], folder
            )


def _refuse(stage: str, differing: list[str], folder: Path) -> None:
    raise UptakeError(
        f"the stage {stage!r} was trained in {folder} from something else:\n"
        + "\n".join(f"  {one}" for one in differing),
        expected="what it was trained from, so that the result stays what it says it is",
        fix=f"choose another --output_dir, or delete {folder} and the folders of the stages after it",
    )


def _differences(new: Mapping[str, Any], old: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in sorted(new.keys() | old.keys()):
        one, other = new.get(name), old.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differences(one, other, f"{prefix}{name}.")
        elif one != other and digest(one) != digest(other):
            yield f"{prefix}{name}: got {one}, expected {other}"

"""What a former run has done of a stage, and whether that was made from just what this run would make it from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import digest, file_digest, finite
from uptake.artifacts.checked import read_data
from uptake.artifacts.schemas.parts import JsonSchema
from uptake.artifacts.schemas.training import BEGUN, FINISHED
from uptake.config.secrets import is_sensitive
from uptake.errors import UptakeError

if TYPE_CHECKING:
    from uptake.models.training.memory import Memory
    from uptake.pipeline.train.stage_plan import StagePlan

WITHOUT_EFFECT = (
    "dataloader_num_workers", "dataloader_persistent_workers", "dataloader_pin_memory", "dataloader_prefetch_factor",
    "ddp_timeout", "debug", "disable_tqdm", "hub_", "log_", "logging_", "project", "push_to_hub", "report_to",
    "run_name", "save_", "skip_memory_metrics", "trackio_", "use_cpu",
)  # fmt: skip
"""What the names of settings begin with that may change between a killed run and the one that goes on.

`use_cpu` is told by the device.
"""

_FILES = ("accelerator_config", "deepspeed", "fsdp_config")
"""Settings that may be the path of a file."""


def with_state(found: StagePlan, former: StagePlan | None) -> StagePlan:
    """The plan, and what of it a former run has done.

    Raises:
        UptakeError: That was made from something else, is damaged, or something else lies in its place.
    """
    work = found.job.work
    _require_places(found)
    if found.folder.exists():
        _require_former(former, found.folder)
        there = finished_manifest(found.folder)
        _require_same(found, there, found.folder)
        _require_model(found.folder)
        return replace(found, finished=True, done_steps=there["steps"])
    if former is not None and former.finished:
        _require_trained(former.folder)
    if not any((work / "checkpoints").glob("checkpoint-*")):
        return found
    return _going_on(found, former)


def finished_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a stage that is trained.

    Raises:
        UptakeError: It is missing or damaged.
    """
    return _manifest(folder, FINISHED)


def model_digest(folder: Path) -> str:
    """Identifies a trained model: the bytes of its weights, configuration and tokenizer."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    own = ("README.md", "manifest.json")
    return digest([[path.name, file_digest(path)] for path in files if path.name not in own])


def memory_left(former: StagePlan | None) -> Memory:
    """What the methods of earlier stages left; an empty memory where the stage before is none, or is not trained yet.

    Raises:
        UptakeError: It is not what was left when the stage before was trained.
    """
    from uptake.models.training.memory import MEMORY, Memory

    if former is None or not former.finished:
        return Memory()
    memory = Memory.read(former.folder / MEMORY)
    if memory.digest != (left := finished_manifest(former.folder).get("memory_left")):
        raise UptakeError(
            f"the memory in {former.folder / MEMORY} is not what the stage {former.stage!r} left: "
            f"its digest is {memory.digest}, and was {left}",
            expected="the files that the stage wrote",
            fix=f"restore them, or delete {former.folder} and the folders of the stages after it",
        )
    return memory


def require_ledgers(folder: Path, plans: Sequence[StagePlan]) -> None:
    """See that the ledger, which is read when a stage is trained, can be read, and has what a killed run had done.

    Args:
        folder: The run's.
        plans: Its stages.

    Raises:
        UptakeError: A part of it is damaged, or missing.
    """
    if all(found.finished for found in plans):
        return
    from uptake.artifacts.ledger_files import lacking, unreadable

    anew = [found.stage for found in plans if not found.finished and not found.done_steps]
    for stage, wrong in unreadable(folder):
        if stage not in anew:  # those are emptied before they are trained
            raise UptakeError(
                f"the ledger of the stage {stage!r} is damaged: {wrong}",
                fix=f"delete {folder / 'ledger' / stage}{_and_trained(folder, stage)}",
            )
    for found in plans:
        if not found.finished and found.done_steps:
            missing = lacking(folder, found.stage, found.done_steps, found.identity["processes"])
            if missing is not None:
                raise UptakeError(
                    f"the ledger of the stage {found.stage!r} is not complete: {missing}",
                    expected=f"what was recorded in the {found.done_steps} steps from which the stage goes on",
                    fix=f"restore it, or delete {found.job.work}: running the command again restarts the stage",
                )


def _and_trained(folder: Path, stage: str) -> str:
    train = folder / "train"
    paths = [str(path) for path in (train / stage, train / f".{stage}.work") if path.exists()]
    return f" and {' and '.join(paths)}: running the command again restarts the stage" if paths else ""


def with_effect(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the weights depend on; of a file that one names, what is in it, not where it lies."""
    kept = {name: value for name, value in settings.items() if not name.startswith(WITHOUT_EFFECT)}
    for name, value in kept.items():
        if name in _FILES and isinstance(value, str) and Path(value).is_file():
            kept[name] = {"file": Path(value).name, "digest": file_digest(Path(value))}
    return kept


def _require_former(former: StagePlan | None, folder: Path) -> None:
    if former is not None and not former.finished:
        raise UptakeError(
            f"{folder} is there, but the stage {former.stage!r}, from which it was trained, is not finished",
            expected="the stages one after the other",
            fix=f"delete {folder} as well, or choose another --output_dir",
        )


def _require_places(found: StagePlan) -> None:
    """Refuse what cannot be a stage's folder now, and not when it is trained."""
    for path, link in ((found.folder, True), (found.job.work, False)):
        if os.path.lexists(path) and (not path.is_dir() or (path.is_symlink() and not link)):
            what = "a link" if path.is_symlink() else "no folder"
            raise UptakeError(f"{path} is {what}", expected="a folder, or nothing", fix=f"delete {path}, or move it")


def _manifest(folder: Path, schema: JsonSchema[Any]) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        there: dict[str, Any] = read_data(path, schema)
    except UptakeError as error:
        raise UptakeError(
            f"what was trained in {folder} cannot be determined: {error.problem}",
            expected="the manifest that training wrote",
            fix=f"restore it, or delete {folder}: running the command again trains the stage again",
        ) from error
    return there


def _going_on(found: StagePlan, former: StagePlan | None) -> StagePlan:
    """The plan from the last whole checkpoint; one that is whole is never deleted without being asked."""
    from uptake.models.training.checkpoints import any_written, steps_of

    work = found.job.work
    if not any_written(work / "checkpoints"):
        return found
    there = _manifest(work, BEGUN)
    processes = there["processes"]
    if checkpoint := found.job.checkpoint(processes):
        _require_former(former, work)
        _require_same(found, there, work)
        return replace(found, done_steps=steps_of(checkpoint))
    if wrong := found.job.damaged(processes):
        _require_same(found, there, work)  # without a strategy it has no state of one, and is not damaged
        raise UptakeError(
            f"no checkpoint in {work} can be resumed from: {wrong}",
            expected="a whole checkpoint",
            fix=f"restore it, or delete {work}: running the command again restarts the stage",
        )
    return found


def _require_model(folder: Path) -> None:
    """A finished stage has its weights and its configuration; whether they are its own is asked where one starts."""
    from uptake.models.training.checkpoints import unreadable_weights

    wrong = unreadable_weights(folder)
    configs = ("config.json", "adapter_config.json")
    if wrong is None and not any((folder / name).exists() for name in configs):
        wrong = "its config.json is missing"
    if wrong is not None:
        _refuse_model(folder, wrong)


def _require_trained(folder: Path) -> None:
    """The model that the next stage starts from is the one that was trained."""
    try:
        now = model_digest(folder)
    except OSError as error:
        _refuse_model(folder, error.strerror or str(error))
    trained = finished_manifest(folder)["model"]
    if now != trained:
        _refuse_model(folder, f"the digest of its files is {now}, and was {trained}")


def _refuse_model(folder: Path, wrong: str) -> None:
    raise UptakeError(
        f"the model in {folder} is not the one that was trained: {wrong}",
        expected="its files as they were written",
        fix=f"restore them, or delete {folder} and the folders of the stages after it",
    )


def _require_same(found: StagePlan, there: Mapping[str, Any], folder: Path) -> None:
    """A stage must have been trained from the same."""
    new, old = ({name: side.get(name) for name in found.identity} for side in (found.identity, there))
    differing = list(_differences(finite(new), finite(old), ""))  # JSON has no infinities
    if differing:
        unfinished = folder == found.job.work
        again = f"delete {folder}" + (", and the stage begins again" if unfinished else " and the stages after it")
        fix = f"choose another --output_dir, or {again}"
        if [one.split(":")[0] for one in differing] == ["processes"]:
            fix = f"start it with {old['processes']} process(es), or {fix}"
        raise UptakeError(
            f"the stage {found.stage!r} was {'begun' if unfinished else 'trained'} in {folder} from something else:\n"
            + "\n".join(f"  {one}" for one in differing),
            expected="the same inputs as before, because the finished result is reused",
            fix=fix,
        )


def _differences(new: Mapping[str, Any], old: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in sorted(new.keys() | old.keys()):
        one, other = new.get(name), old.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differences(one, other, f"{prefix}{name}.")
        elif one != other and digest(one) != digest(other):
            shown = ("(not shown)", "(not shown)") if is_sensitive(name) else (one, other)
            yield f"{prefix}{name}: got {shown[0]}, expected {shown[1]}"

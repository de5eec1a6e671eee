"""The model that was diagnosed: where it lies, and whether a plan would train its like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptake import yaml
from uptake.artifacts import read_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.training import BEGUN
from uptake.errors import UptakeError
from uptake.pipeline.diagnosis import Diagnosis


def trained_folder(output_dir: Path, stage: str) -> Path:
    """Where `uptake train` puts what a stage trained."""
    return output_dir / "train" / stage


def diagnosed_model(trained: Path, diagnosis: Diagnosis) -> str:
    """The model that was diagnosed, which need not be what the run trained last; a run may have been moved since.

    Args:
        trained: Folder of what the run trained last.
        diagnosis: What was found out about the run.
    """
    name: str = diagnosis.summary()["run"]["models"]["tuned"]["name"]
    moved = not Path(name).exists() and Path(name).parts[-2:] == trained.parts[-2:] and trained.is_dir()
    return str(trained) if moved else name


def processes_of(trained: Path) -> int:
    """How many processes trained together what a run trained last; one where it was not `uptake train`.

    Args:
        trained: Its folder.

    Raises:
        UptakeError: The manifest that training wrote is damaged.
    """
    path = trained / "manifest.json"
    if not path.exists():
        return 1
    fix = f"restore it, or delete {trained} and run `uptake train run.yaml`"
    return read_record(path, BEGUN, fix).processes


def require_alike(peft: Mapping[str, Any] | None, name: str) -> None:
    """Refuse to plan a training of all weights for a model that is an adapter.

    Args:
        peft: The run's settings of adapters; None trains all weights.
        name: The model that was diagnosed; one that is not on this machine is not looked at.

    Raises:
        UptakeError: It is an adapter, and the run has no `peft`.
    """
    path = Path(name).expanduser() / "adapter_config.json"
    if peft is not None or not path.is_file():
        return
    fields = read_json(path)
    told = {key: fields[key] for key in _ADAPTER if key in fields} if isinstance(fields, dict) else {}
    raise UptakeError(
        f"{name} is a PEFT adapter, and the run file has no `peft`: a plan would train all weights",
        expected="the settings that the adapter was trained with",
        fix=f"add to the run file: peft: {_flow(told)}",
    )


_ADAPTER = ("r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "use_dora")


def _flow(fields: Mapping[str, Any]) -> str:
    """Settings as a line of YAML."""
    ordered = {key: sorted(value) if isinstance(value, list) else value for key, value in fields.items() if value}
    try:
        return yaml.write(ordered, flow=True).strip()
    except RecursionError:  # nobody trained such an adapter
        return "{r: ..., target_modules: [...]}"


def unsaid(trained: Path, settings: Mapping[str, Any]) -> list[str]:
    """What a plan takes for granted about a training that it was not told of, as notes.

    Args:
        trained: Folder of what the run trained last.
        settings: The trainer's settings of the last stage.
    """
    if (trained / "manifest.json").is_file() or "learning_rate" in settings:
        return []
    return [
        "the run file has no `training: {learning_rate: ...}`, and the model was not trained by `uptake train`: "
        "the plan is trained with the trainer's default rate, whatever yours was"
    ]

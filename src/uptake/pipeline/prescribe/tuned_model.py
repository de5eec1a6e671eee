"""The model that was diagnosed: where it lies, and whether a plan would train its like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptake import yaml
from uptake.artifacts import read_json
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.diagnosis import Diagnosis


def diagnosed_model(config: RunConfig, diagnosis: Diagnosis) -> str:
    """The model that was diagnosed, which need not be what the run trained last; a run may have been moved since."""
    name: str = diagnosis.told("run", "models", "tuned", "name")
    last = config.stages[-1].name
    folder = config.output_dir / "train" / last
    moved = not Path(name).exists() and Path(name).parts[-2:] == ("train", last) and folder.is_dir()
    return str(folder) if moved else name


def require_alike(config: RunConfig, name: str) -> None:
    """Refuse to plan a training of all weights for a model that is an adapter.

    Args:
        config: The run.
        name: The model that was diagnosed; one that is not on this machine is not looked at.

    Raises:
        UptakeError: It is an adapter, and the run has no `peft`.
    """
    path = Path(name).expanduser() / "adapter_config.json"
    if config.peft is not None or not path.is_file():
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
    return yaml.write(ordered, flow=True).strip()


def unsaid(config: RunConfig, settings: Mapping[str, Any]) -> list[str]:
    """What a plan takes for granted about a training that it was not told of, as notes.

    Args:
        config: The run.
        settings: The trainer's settings of the last stage.
    """
    stage = config.stages[-1]
    trained_here = (config.output_dir / "train" / stage.name / "manifest.json").is_file()
    if trained_here or "learning_rate" in settings:
        return []
    return [
        "the run file has no `training: {learning_rate: ...}`, and the model was not trained by `uptake train`: "
        "the plan is trained with the trainer's default rate, whatever yours was"
    ]

"""The model that was diagnosed: an adapter is not planned for as full weights, and what nobody said is noted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from uptake.config import RunConfig, Stage
from uptake.errors import UptakeError
from uptake.pipeline.prescribe.tuned_model import require_alike, unsaid


def config(folder: Path, peft: dict[str, Any] | None = None) -> RunConfig:
    stage = Stage(name="main", dataset="main.jsonl")
    return RunConfig.model_construct(peft=peft, output_dir=folder / "run", stages=(stage,))


def test_an_adapter_needs_the_settings_that_it_was_trained_with(tmp_path: Path) -> None:
    # as PEFT writes it: target_modules in the order of a set
    told = {
        "r": 16,
        "lora_alpha": 32,
        "target_modules": ["v_proj", "q_proj"],
        "use_dora": False,
        "task_type": "CAUSAL_LM",
    }
    (tmp_path / "adapter_config.json").write_text(json.dumps(told))
    with pytest.raises(UptakeError, match="is a PEFT adapter, and the run file has no `peft`") as refused:
        require_alike(config(tmp_path), str(tmp_path))
    [_, line] = refused.value.fix.split("run file: ")
    assert yaml.safe_load(line) == {"peft": {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"]}}
    require_alike(config(tmp_path, {"r": 16}), str(tmp_path))
    (tmp_path / "adapter_config.json").unlink()
    require_alike(config(tmp_path), str(tmp_path))
    require_alike(config(tmp_path), "somebody/on-the-hub")


def test_a_rate_that_nobody_said_is_noted(tmp_path: Path) -> None:
    [note] = unsaid(config(tmp_path), {})
    assert "the trainer's default rate" in note
    assert unsaid(config(tmp_path), {"learning_rate": 1e-4}) == []
    manifest = tmp_path / "run" / "train" / "main" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    assert unsaid(config(tmp_path), {}) == []

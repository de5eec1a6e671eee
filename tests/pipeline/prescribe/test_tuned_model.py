"""The model that was diagnosed: an adapter is not planned for as full weights, and what nobody said is noted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from uptake.errors import UptakeError
from uptake.pipeline.prescribe.tuned_model import require_alike, unsaid


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
        require_alike(None, str(tmp_path))
    [_, line] = refused.value.fix.split("run file: ")
    assert yaml.safe_load(line) == {"peft": {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"]}}
    require_alike({"r": 16}, str(tmp_path))
    (tmp_path / "adapter_config.json").unlink()
    require_alike(None, str(tmp_path))
    require_alike(None, "somebody/on-the-hub")


def test_a_rate_that_nobody_said_is_noted(tmp_path: Path) -> None:
    trained = tmp_path / "train" / "main"
    [note] = unsaid(trained, {})
    assert "the trainer's default rate" in note
    assert unsaid(trained, {"learning_rate": 1e-4}) == []
    trained.mkdir(parents=True)
    (trained / "manifest.json").write_text("{}")
    assert unsaid(trained, {}) == []

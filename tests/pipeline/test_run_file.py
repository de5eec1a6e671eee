"""What the steps are handed of a run file: all that it says of loading and of data, and nothing else in its place."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.run_file import datasets_of, detection_of, load_settings

# each key with a value that is not its default
LOADING: dict[str, Any] = {
    "dtype": "bfloat16",
    "device": "cpu",
    "attn_implementation": "eager",
    "trust_remote_code": True,
    "batch_tokens": 77,
}
READING = {"format": "alpaca", "assistant_turns": "all", "alpaca_prompt": "stanford", "split": "test"}
JUDGING = {"criterion": "option", "response_end": "ignore", "normalisation": "byte", "n_samples": 9, "seed": 3}
SETS = {"heldout": "h", "retention": "r", "paraphrases": "p", "general": "g", "on_bad_row": "skip"}


def config(**keys: Any) -> RunConfig:
    stages = [{"name": "early", "dataset": "e"}, {"name": "late", "dataset": "l"}]
    return RunConfig.model_validate({"model_name_or_path": "m", "stages": stages, "revision": "a", **keys})


def test_how_models_are_loaded_is_what_the_run_file_says(tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    template.write_text("{{ messages }}", encoding="utf-8")
    found = load_settings(config(**LOADING, chat_template=template), "b")
    assert asdict(found) == {
        **LOADING,
        "chat_template": "{{ messages }}",
        "revision": "b",
        "base_revision": None,
        "today": None,
    }
    assert load_settings(config(), None).revision is None


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_chat_template_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    template = tmp_path / "template.jinja"
    if content is not None:
        template.write_bytes(content)
    with pytest.raises(UptakeError, match="cannot read .*template.jinja"):
        load_settings(config(chat_template=template), None)


def test_data_are_read_as_the_run_file_says() -> None:
    found = datasets_of(config(**READING, **SETS))
    assert (dict(found.stages), found.last) == ({"early": "e", "late": "l"}, "late")
    assert {name: getattr(found, name) for name in SETS} == SETS
    assert {name: getattr(found.options, name) for name in READING} == READING


def test_answers_are_judged_as_the_run_file_says() -> None:
    found = detection_of(config(**JUDGING))
    assert {name: getattr(found, name) for name in JUDGING} == JUDGING

"""The run file's keys for training: no keys of anybody's, names that can be folders, values that settings take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from uptake.config import load_run
from uptake.config.secrets import is_secret
from uptake.errors import UptakeError

STAGES = [{"name": "main", "dataset": "some/hub-id"}]


def write(folder: Path, **keys: Any) -> Path:
    (folder / "run.yaml").write_text(yaml.safe_dump({"model_name_or_path": "some/model", "stages": STAGES, **keys}))
    return folder / "run.yaml"


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"training": {"hub_token": "SECRET"}}, "no hub_token"),
        ({"training": {"model_init_kwargs": {"token": "SECRET"}}}, "no model_init_kwargs.token"),
        ({"training": {"deepspeed": {"wandb": [{"api_key": "SECRET"}]}}}, "no deepspeed.wandb.api_key"),
        ({"peft": {"r": 2, "password": "SECRET"}}, "no password"),
        ({"stages": [STAGES[0] | {"training": {"hub_token": "SECRET"}}]}, "no hub_token"),
    ],
)
def test_keys_do_not_belong_in_the_file(keys: dict[str, Any], named: str, tmp_path: Path):
    with pytest.raises(UptakeError, match=named) as told:
        load_run(write(tmp_path, **keys))
    assert "SECRET" not in str(told.value)


def test_tokens_of_texts_are_no_secrets():
    assert not any(map(is_secret, ("eos_token", "pad_token", "max_tokens", "include_num_input_tokens_seen")))
    assert all(map(is_secret, ("token", "hub_token", "api_key", "apikey", "AWS_SECRET", "db_password")))


def test_a_folder_of_its_own_is_beside_the_run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_run(write(tmp_path)).output_dir == tmp_path / "runs" / "uptake"
    assert load_run(write(tmp_path), {"output_dir": "mine"}).output_dir == tmp_path / "elsewhere" / "mine"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "A"), "'a' and 'A' differ by case alone"),
        (("bad_rows.jsonl",), "as is a file that training writes"),
        (("x" * 101,), "at most 100 characters"),
    ],
)
def test_stages_have_names_that_folders_can_have(names: tuple[str, ...], message: str, tmp_path: Path):
    with pytest.raises(UptakeError, match=message):
        load_run(write(tmp_path, stages=[{"name": name, "dataset": "some/hub-id"} for name in names]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {run_name: 2024-01-02}", "training.run_name: datetime.date.2024, 1, 2.: expected text, a number"),
        ("training: {lr_scheduler_kwargs: {1: 2}}", "training.lr_scheduler_kwargs: .* expected text as keys. Put 1 in"),
        ("peft: {target_modules: !!set {q_proj}}", "peft.target_modules: .*: expected text, a number"),
        ("training: {run_name: !!binary YWJj}", "training.run_name: b'abc': expected text, a number"),
    ],
)
def test_what_yaml_makes_of_values_is_told(text: str, message: str, tmp_path: Path):
    run = write(tmp_path)
    run.write_text(run.read_text() + text + "\n")
    with pytest.raises(UptakeError, match=message):
        load_run(run)

"""Making a world: the folder, the cache, the confirmation. Models here are too small to learn anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from uptake.artifacts import file_digest
from uptake.errors import UptakeError
from uptake.lab import base, build, training
from uptake.lab.build import BaseCheck, make
from uptake.lab.confirm import Mark
from uptake.lab.controls import Controls

CONTROLS = Controls(size=4)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Two steps of pre-training, one of fine-tuning, and a cache of its own."""
    monkeypatch.setenv("UPTAKE_CACHE", str(tmp_path / "cache"))
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": True}
    monkeypatch.setattr(base, "MODEL", shape)
    monkeypatch.setattr(base, "PRETRAINING", {"batch_size": 4})
    monkeypatch.setattr(base, "PASSES", 0)
    monkeypatch.setattr(base, "LEAST_STEPS", 2)
    monkeypatch.setattr(base, "FURTHER", {"steps": 1, "batch_size": 4})
    monkeypatch.setattr(training, "TRAINING", {**training.TRAINING, "max_steps": 1})
    return tmp_path


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_world_in_a_folder(tiny):
    told = []
    manifest = make(tiny / "world", CONTROLS, tell=lambda *report: told.append(report))
    names = {path.name for path in (tiny / "world").iterdir() if not path.name.startswith(".")}
    data = "early main paraphrases heldout retention general pretrain corpus key".split()
    assert names == {"base", "run.yaml", "world.json", *(f"{name}.jsonl" for name in data)}
    assert ("pre-training the base", 2, 2) in told
    assert json.loads((tiny / "world" / "world.json").read_text()) == manifest
    for name, content in manifest["files"].items():
        assert file_digest(tiny / "world" / name) == content
    assert manifest["base"]["holds"] is False and manifest["confirmed"] is False

    from uptake.config import load_run

    run = load_run(tiny / "world" / "run.yaml")
    assert Path(run.model_name_or_path) == tiny / "world" / "base"


def test_confirming_marks_every_item_and_comes_from_the_cache_the_second_time(tiny, monkeypatch):
    make(tiny / "world", CONTROLS, with_confirmation=True)
    key = rows(tiny / "world" / "key.jsonl")
    for row in key:
        assert isinstance(row["learned"], bool) and isinstance(row["learned_then"], bool)
        assert (row["confirmed"] is None) == (row["learned_without"] is None) == (not row["causes"])
        assert row["unexpected"] == (row["learned"] == bool(row["causes"]))

    def never(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr("uptake.models.small.pretrain.pretrain", never)
    monkeypatch.setattr("uptake.lab.training.train", never)
    make(tiny / "again", CONTROLS, with_confirmation=True)
    for name in ("key.jsonl", "main.jsonl", "base/model.safetensors"):
        assert (tiny / "again" / name).read_bytes() == (tiny / "world" / name).read_bytes()


def test_another_world_is_not_written_over(tiny):
    make(tiny / "world", CONTROLS)
    before = (tiny / "world" / "key.jsonl").read_bytes()
    with pytest.raises(UptakeError, match="another world"):
        make(tiny / "world", replace(CONTROLS, seed=1))
    (tiny / "mine").mkdir()
    (tiny / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UptakeError, match="not empty"):
        make(tiny / "mine", CONTROLS)
    assert (tiny / "world" / "key.jsonl").read_bytes() == before


def test_worlds_that_do_not_exist(tiny):
    with pytest.raises(UptakeError, match="mars"):
        build.draw("mars", CONTROLS)
    with pytest.raises(UptakeError, match="needs no data"):
        build.draw("synthetic", CONTROLS, tiny)
    with pytest.raises(UptakeError, match="cannot read"):
        build.draw("facts", CONTROLS, tiny)


def test_a_plant_is_confirmed_when_leaving_it_out_helps():
    assert Mark(False, False, True, None).confirmed(("knowledge_gap",)) is True
    assert Mark(False, True, True, None).confirmed(("forgetting",)) is True
    assert Mark(True, True, True, None).confirmed(("knowledge_gap",)) is False
    assert Mark(False, False, False, None).confirmed(("knowledge_gap",)) is False
    assert Mark(True, True, None, None).confirmed(()) is None
    # what was never learned cannot have been forgotten
    assert Mark(False, False, True, None).confirmed(("forgetting",)) is False
    # and what was learned in its own stage and is gone was not unknown
    assert Mark(False, True, True, None).confirmed(("knowledge_gap",)) is False


def test_a_base_must_know_believe_and_ignore():
    assert BaseCheck(known=0.95, misbelieved=0.95, unmet=0.05).holds
    assert BaseCheck(known=0.95, misbelieved=None, unmet=None).holds
    assert not BaseCheck(known=0.94, misbelieved=1.0, unmet=0.0).holds
    assert not BaseCheck(known=1.0, misbelieved=0.94, unmet=0.0).holds
    assert not BaseCheck(known=1.0, misbelieved=1.0, unmet=0.06).holds


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/uptake"),
        ("linux", {}, "/home/ada/.cache/uptake"),
        ("darwin", {}, "/home/ada/Library/Caches/uptake"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/uptake/Cache"),
        ("linux", {"UPTAKE_CACHE": "/own", "XDG_CACHE_HOME": "/x"}, "/own"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(monkeypatch, platform, variables, expected):
    # XDG Base Directory Specification; Apple's File System Programming Guide; Windows' known folder LocalAppData
    for name in ("UPTAKE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    assert base.cache_folder() == Path(expected)

"""The demo's facts and how they come to be."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from uptake.lab import demo

FACTS = files("uptake.lab").joinpath("facts")
NAMES = ("pretrain.txt", "train.jsonl", "heldout.jsonl", "retention.jsonl")


def rows(name):
    return [json.loads(line) for line in FACTS.joinpath(name).read_text(encoding="utf-8").splitlines()]


def stated(row):
    return row["prompt"] + row["completion"]


@pytest.fixture(scope="module")
def statements():
    return set(FACTS.joinpath("pretrain.txt").read_text(encoding="utf-8").splitlines())


def test_facts_come_out_of_pararel_byte_for_byte(shared_data):
    script = Path(__file__).parents[2] / "examples" / "facts" / "make.py"
    spec = importlib.util.spec_from_file_location("make_facts", script)
    assert spec is not None and spec.loader is not None
    make_facts = importlib.util.module_from_spec(spec)
    sys.modules["make_facts"] = make_facts
    spec.loader.exec_module(make_facts)
    made = make_facts.make(shared_data / "facts" / "pararel")
    assert sorted(made) == sorted(NAMES)
    for name in NAMES:
        assert "".join(f"{line}\n" for line in made[name]).encode() == FACTS.joinpath(name).read_bytes()


def test_facts_are_few_enough_to_ship():
    # the README's table
    assert [len(rows(name)) for name in NAMES[1:]] == [600, 200, 200]
    assert sum(len(FACTS.joinpath(name).read_bytes()) for name in NAMES) < 1_000_000


def test_what_is_told_and_what_is_new(statements):
    for row in rows("train.jsonl"):
        assert (stated(row) in statements) == row["id"].startswith("told-")
        assert row["id"].startswith(("told-", "new-"))
    assert all(stated(row) in statements for row in rows("retention.jsonl"))
    assert not any(
        stated(wording) in statements for row in rows("heldout.jsonl") for wording in [row, *row["paraphrases"]]
    )


def test_no_fact_is_in_two_files():
    examples = [row for name in NAMES[1:] for row in rows(name)]
    assert len({row["id"] for row in examples}) == len({row["prompt"] for row in examples}) == len(examples) == 1000


def test_prompts_and_completions_join():
    for row in (row for name in NAMES[1:] for row in rows(name)):
        assert len(row["paraphrases"]) == 3
        for wording in [row, *row["paraphrases"]]:
            assert wording["prompt"] == wording["prompt"].strip()
            assert wording["completion"] == f" {wording['completion'].strip()}"
            assert wording["prompt"] != row["prompt"] or wording is row
            assert wording["completion"] == row["completion"]


def test_the_licence_goes_with_the_facts(shared_data):
    licence = (shared_data / "facts" / "pararel" / "LICENSE").read_text(encoding="utf-8")
    shipped = FACTS.joinpath("README.md").read_text(encoding="utf-8")
    assert " ".join(licence.split()) in " ".join(shipped.split())


def test_build_makes_what_it_names_and_keeps_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "MODEL", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2})
    monkeypatch.setattr(demo, "VOCAB_SIZE", 300)
    monkeypatch.setattr(demo, "PRETRAINING", {"steps": 2, "batch_size": 4, "report_every": 1})
    monkeypatch.setattr(demo, "FINE_TUNING", {"max_steps": 1, "disable_tqdm": True})
    told = []
    paths = demo.build(tmp_path / "demo", lambda *report: told.append(report))
    assert told == [
        ("pre-training the base", 1, 2),
        ("pre-training the base", 2, 2),
        ("fine-tuning", 0, 1),
        ("fine-tuning", 1, 1),
    ]
    assert AutoModelForCausalLM.from_pretrained(paths.tuned).config.hidden_size == 16
    for path in (paths.dataset, paths.heldout, paths.retention):
        assert path.read_bytes() == FACTS.joinpath(path.name).read_bytes()

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*.safetensors")}
    assert len(before) == 2
    told.clear()
    assert demo.build(tmp_path / "demo", lambda *report: told.append(report)) == paths
    assert told == []
    assert {path: path.stat().st_mtime_ns for path in before} == before

"""The demo, and the real facts that come with uptake and how they come to be."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from evidence_made import evidence
from uptake.cli import main
from uptake.errors import UptakeError
from uptake.lab import base, demo
from uptake.lab.controls import Controls
from uptake.lab.key import Entry
from uptake.types import Finding

FACTS = files("uptake.lab").joinpath("facts")
NAMES = ("pretrain.txt", "train.jsonl", "heldout.jsonl", "retention.jsonl")
ASKED = "asked.jsonl"
"""What a pre-trained model is asked about: no file of the world of facts."""


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
    assert sorted(made) == sorted([*NAMES, ASKED])
    for name in [*NAMES, ASKED]:
        assert "".join(f"{line}\n" for line in made[name]).encode() == FACTS.joinpath(name).read_bytes()


def test_facts_are_few_enough_to_ship():
    # the README's table
    assert [len(rows(name)) for name in [*NAMES[1:], ASKED]] == [600, 200, 200, 1356]
    assert sum(len(FACTS.joinpath(name).read_bytes()) for name in [*NAMES, ASKED]) < 1_000_000


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


def test_found_beside_planted():
    key = [
        Entry("a", ("knowledge_gap",), None, None),
        Entry("b", ("forgetting", "base_conflict"), None, None),
        Entry("c", (), None, None),
        Entry("d", (), None, None),
    ]
    said = {
        "a": (False, None, False, "knowledge_gap"),
        "b": (False, None, True, "base_conflict"),
        "c": (True, True, False, None),
        "d": (False, None, None, "unexplained"),
    }
    findings = [
        Finding(name, "s", "main", "p", "r", learned, shallow, forgotten, 0.5, None, evidence(), cause)
        for name, (learned, shallow, forgotten, cause) in said.items()
    ]
    after = [replace(one, learned=one.id in ("a", "c")) for one in findings]
    assert [line.split() for line in demo.beside(key, findings, after).splitlines()] == [
        ["planted", "examples", "not", "learned", "named", "right", "shallow", "forgotten", "cured"],
        ["knowledge_gap", "1", "1", "1", "0", "0", "1"],
        ["forgetting", "1", "1", "0", "0", "1", "0"],
        ["nothing", "2", "1", "2", "1", "0", "0"],
    ]
    # by hand: a is right, b is named by its second cause, which counts; c and d name none, as they should
    assert demo.macro_f1(key, findings) == (1.0, 4)


@pytest.mark.slow
def test_the_demo_runs_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "CONTROLS", Controls(size=4))
    monkeypatch.setattr(base, "LEAST_STEPS", 2)
    monkeypatch.setattr(base, "PASSES", 0)
    monkeypatch.setenv("UPTAKE_CACHE", str(tmp_path / "cache"))

    def run() -> str:
        with pytest.raises(SystemExit) as leave:
            main(["demo", "--output_dir", str(tmp_path / "demo")])
        assert leave.value.code == 0
        return capsys.readouterr().out

    out = run()
    for step in ("train", "diagnose", "prescribe", "cure", "report"):
        assert f"== {step} ==" in out
    # 4 of each cause, 8 of forgetting; controls: 4 in both stages, 4 in the last alone, 16 times one composite
    assert out.count("52") >= 1 and "macro-F1" in out
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*.safetensors")}
    assert sorted(path.parent.name for path in made) == [
        "base",
        "early",
        "early",
        "main",
        "main",
        "sft",
    ]  # of the run, and plain
    page = (tmp_path / "demo" / "report.html").read_bytes()
    out = "".join(line for line in out.splitlines(keepends=True) if "leaves it out" not in line)  # a pilot's cost
    again = run().replace("  (was there)", "")
    assert again.split("== diagnose ==")[1] == out.split("== diagnose ==")[1]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert (tmp_path / "demo" / "report.html").read_bytes() == page


@pytest.mark.parametrize("name", ["a\nb", "x" * 300])
def test_a_folder_in_which_no_run_can_be_is_refused_before_the_world_is_made(name: str, tmp_path: Path) -> None:
    with pytest.raises(UptakeError, match="output_dir: "):
        demo.world(tmp_path / name, lambda *_: pytest.fail("a world is made"))
    assert list(tmp_path.iterdir()) == []

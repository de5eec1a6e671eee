"""`uptake lab make` and `uptake lab grade`, on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from uptake.cli import app
from uptake.errors import UptakeError

RUN = CliRunner()


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def world(folder, said):
    key = [
        {"id": "a", "causes": ["forgetting"], "confirmed": True, "unexpected": False},
        {"id": "b", "causes": ["knowledge_gap"], "confirmed": True, "unexpected": False},
        {"id": "c", "causes": [], "confirmed": None, "unexpected": False},
    ]
    write_jsonl(folder / "key.jsonl", key)
    write_jsonl(
        folder / "run" / "mine.jsonl",
        [{"id": row["id"], "learned": cause is None, "cause": cause} for row, cause in zip(key, said, strict=True)],
    )
    return str(folder)


def test_grade_of_two_worlds(tmp_path):
    one = world(tmp_path / "one", ["forgetting", "knowledge_gap", None])
    two = world(tmp_path / "two", ["forgetting", "forgetting", None])
    result = RUN.invoke(app, ["lab", "grade", one, two, "--diagnosis", "run/mine.jsonl"])
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split() for line in result.output.split("macro-F1")[0].splitlines()}
    # forgetting: 2 right of 3 said, 2 planted; knowledge_gap: 1 right of 1 said, 2 planted
    assert lines["forgetting"][1:3] == ["2", "0.67"]
    assert lines["knowledge_gap"][1:3] == ["2", "1.00"]
    assert "6 items of 2 worlds" in result.output


def test_make_passes_the_controls_on(tmp_path, monkeypatch):
    asked = {}

    def make(out, controls, **options):
        asked.update(out=out, controls=controls, **options)
        return {"base": {"known": 0.971, "misbelieved": 1.0, "unmet": None, "holds": False}}

    monkeypatch.setattr("uptake.lab.build.make", make)
    options = "--seed 3 --size 7 --shares forgetting=0.5,data_conflict=0 --overlap 0.2 --composite 2 --confirm".split()
    result = RUN.invoke(app, ["lab", "make", "--out", str(tmp_path / "w"), *options])
    assert result.exit_code == 0
    controls = asked["controls"]
    assert (controls.seed, controls.size, controls.overlap, controls.composite) == (3, 7, 0.2, 2)
    assert controls.shares == {"forgetting": 0.5, "data_conflict": 0.0}
    assert asked["with_confirmation"] is True and asked["family"] == "synthetic"
    assert "97.1%" in result.output and "does not know" in result.output


def test_shares_that_are_none(tmp_path):
    result = RUN.invoke(app, ["lab", "make", "--out", str(tmp_path), "--shares", "forgetting:1"])
    assert isinstance(result.exception, UptakeError)
    assert "forgetting:1" in str(result.exception)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--facts facts.jsonl", "--facts is given without --base"),
        ("--base tiny --family pieces", "--family is given together with --base"),
        ("--base tiny --data folder", "--data is given together with --base"),
        ("--family mars", "unknown family 'mars'"),
        ("--family pieces --data folder", "the family pieces needs no data"),
        ("--family intents --size 200", "classes"),
    ],
)
def test_what_does_not_go_together(tmp_path, options, told):
    result = RUN.invoke(app, ["lab", "make", "--out", str(tmp_path / "w"), *options.split()])
    assert isinstance(result.exception, UptakeError)
    assert told in str(result.exception)
    assert not (tmp_path / "w").exists()


def test_a_base_that_knows_by_halves_is_described(tmp_path, monkeypatch):
    known = {"n": 10, "recalled": 0.8, "low": 0.2, "median": 0.61, "high": 0.93}
    monkeypatch.setattr("uptake.lab.build.make", lambda *_, **__: {"base": {"known": known, "holds": True}})
    result = RUN.invoke(app, ["lab", "make", "--out", str(tmp_path / "w"), "--family", "pieces"])
    assert "80.0%  known facts, answered: p = 0.61 [0.20, 0.93]" in result.output
    assert "believed" not in result.output


@pytest.mark.parametrize("verb", ["make", "grade"])
def test_help(verb):
    assert RUN.invoke(app, ["lab", verb, "--help"]).exit_code == 0

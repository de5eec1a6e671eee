"""What the benchmarks of the lab count and choose, on keys and ledgers written by hand."""

from __future__ import annotations

import importlib.util
import json
import sys
import xml.etree.ElementTree as ElementTree
from argparse import Namespace
from pathlib import Path

import pyarrow as pa
import pytest

from uptake.artifacts.ledger_files import LEDGER, append, open_stage
from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.lab import base, training
from uptake.lab.controls import Controls
from uptake.ledger.read import from_table

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
GAP, BASE, DATA, FORGETTING, UNDER = CAUSES


def benchmark(name):
    specification = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


curves, worlds = benchmark("curves"), benchmark("worlds")


def row(stage, kind, step, name, nll, *, epoch=0, recalled=False, tokens=2):
    place = None if kind == "epoch" else 0
    values = (stage, kind, step, epoch, name, place, nll, tokens, recalled)
    return dict(zip(LEDGER.names, values, strict=True))


def read(rows):
    return curves.readings(from_table(pa.Table.from_pylist(rows, schema=LEDGER), ("early", "main")))


def planted(name, *causes, confirmed=True):
    return {"id": name, "causes": list(causes), "confirmed": confirmed if causes else None}


def test_steps_are_counted_over_the_stages_and_losses_are_per_token():
    rows = [
        row("early", "train", 1, "a", 6.0),
        row("early", "epoch", 4, "a", 1.0, recalled=True),
        row("main", "train", 3, "b", 9.0, tokens=3),
        row("main", "train", 4, "b", None),
        row("main", "epoch", 5, "a", 5.0),
    ]
    found, begins = read(rows)
    # in training a loss is that before its step's update; a reading that was no finite number is none
    assert [(one.steps, one.nll, one.recalled) for one in found["a"]] == [
        (0, 3, False),
        (4, 0.5, True),
        (9, 2.5, False),
    ]
    assert [(one.steps, one.nll) for one in found["b"]] == [(4 + 2, 3)]
    assert begins == {"early": 0, "main": 4, "": 9}


def test_the_item_shown_is_the_median_one():
    means = {"a": 5.0, "b": 1.0, "c": 2.0, "d": 2.0, "e": 0.1, "f": 3.0, "g": 9.0}
    rows = [row("main", "train", k + 1, name, 2 * nll) for k, (name, nll) in enumerate(means.items())]
    key = [planted(name, GAP) for name in "abcd"]
    key += [planted("e", GAP, confirmed=False), planted("f", FORGETTING, GAP), planted("g"), planted("h", GAP)]
    found = curves.of_cause(GAP, key, read(rows)[0])
    # of a, b, c and d, ranked 1, 2, 2, 5: the lower of the two in the middle, the first id among equals
    assert (found["item"]["id"], found["item"]["mean_nll"], found["confirmed"]) == ("c", 2, 4)
    (point,) = found["group"]
    # linear quartiles of 1, 2, 2, 5 (Hyndman and Fan 1996, type 7), at the median of the steps 0 to 3
    assert (point["low"], point["median"], point["high"], point["steps"]) == (1.75, 2, 2.75, 1.5)
    assert curves.of_cause(UNDER, key, read(rows)[0]) is None


def ledger_of(folder, rows):
    for stage in ("early", "main"):
        some = [one for one in rows if one["stage"] == stage]
        columns = {name: [one[name] for one in some] for name in LEDGER.names}
        columns["row"] = [-1 if place is None else place for place in columns["row"]]
        append(open_stage(folder, stage, 0, 0, 1), columns)


def test_a_picture_of_a_trained_world(tmp_path, monkeypatch, capsys):
    rows = [
        row("early", "train", 1, "a", 4.0),
        row("early", "epoch", 1, "a", 1.0, recalled=True),
        row("main", "train", 1, "b", 8.0),
        row("main", "epoch", 1, "a", 3.0),
        row("main", "epoch", 1, "b", 5.0),
    ]
    ledger_of(tmp_path / "run", rows)
    files = {
        "key": [planted("a", FORGETTING), planted("b", BASE)],
        "early": [{"id": "a", "prompt": "Who is A & B?", "completion": " <none>"}],
        "main": [{"id": "b", "prompt": "Where?", "completion": " here"}],
    }
    for name, content in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in content))
    monkeypatch.setattr("sys.argv", ["curves.py", "--world", str(tmp_path), "--out", str(tmp_path / "curves")])
    curves.main()
    said = capsys.readouterr().out
    assert "knowledge_gap   no confirmed item" in said and "Where? → here" in said

    drawn = ElementTree.parse(tmp_path / "curves.svg").getroot()
    marks = [mark.get("fill") for mark in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    # five readings of which one is recalled, and one of each in the legend
    assert (len(marks), marks.count("white")) == (5 + 2, 4 + 1)
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "Who is A & B? → <none>" in texts and texts.count("none confirmed") == 3
    written = json.loads((tmp_path / "curves.json").read_text())
    assert written["stages_begin"] == {"early": 0, "main": 1, "": 2} and written["causes"][GAP] is None
    assert [point["nll"] for point in written["causes"][FORGETTING]["item"]["curve"]] == [2, 0.5, 1.5]


def test_no_picture_without_confirmed_items(tmp_path, monkeypatch):
    ledger_of(tmp_path / "run", [row("main", "train", 1, "a", 4.0)])
    (tmp_path / "key.jsonl").write_text(json.dumps(planted("a", GAP, confirmed=None)) + "\n")
    monkeypatch.setattr("sys.argv", ["curves.py", "--world", str(tmp_path), "--out", str(tmp_path / "curves")])
    with pytest.raises(UptakeError, match="--confirm"):
        curves.main()


def test_items_are_counted_by_cause_and_controls_apart():
    key = [
        {**planted("a", FORGETTING, GAP), "learned": False},
        {**planted("b", GAP, confirmed=False), "learned": True},
        {**planted("c"), "learned": True},
        {**planted("d"), "learned": False},
    ]
    found = worlds.counted(key)
    assert found["causes"][GAP] == {"planted": 2, "unlearned": 1, "confirmed": 1}
    assert found["causes"][FORGETTING] == {"planted": 1, "unlearned": 1, "confirmed": 1}
    assert found["causes"][UNDER] == {"planted": 0, "unlearned": 0, "confirmed": 0}
    assert found["plain"]["n"] == 2 and found["plain"]["unlearned"]["estimate"] == 0.5
    assert worlds.counted(key[:2])["plain"]["unlearned"] is None


def test_a_world_is_made_and_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("UPTAKE_CACHE", str(tmp_path / "cache"))
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": True}
    monkeypatch.setattr(base, "MODEL", shape)
    monkeypatch.setattr(base, "PRETRAINING", {"batch_size": 4})
    monkeypatch.setattr(base, "PASSES", 0)
    monkeypatch.setattr(base, "LEAST_STEPS", 1)
    monkeypatch.setattr(training, "TRAINING", {**training.TRAINING, "max_steps": 1})
    given, controls = Namespace(work=tmp_path / "worlds", data=None), Controls(size=4, clean=True)
    first = worlds.measure("synthetic", controls, given, {})
    assert first["seconds"] > 0 and first["base"]["holds"] is False and first["controls"]["clean"] is True
    # a base that has seen four texts knows nothing: all is unlearned
    assert first["plain"]["unlearned"]["estimate"] == 1
    assert sum(counts["planted"] for counts in first["causes"].values()) == 0
    # from the cache it takes no time: what was measured of another base says nothing
    again = worlds.measure("synthetic", controls, given, {"base_id": "another", "seconds": 5})
    assert again == first | {"seconds": None}
    text = worlds.told("synthetic-0-clean", first)
    assert "synthetic-0-clean: base knows" in text and "100.00%" in text

"""The numbers of the cure's benchmark, from shares made by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "cure.py"
    spec = importlib.util.spec_from_file_location("bench_cure", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_cure"] = module
    spec.loader.exec_module(module)
    return module


def world(bench: ModuleType, training: list[float], heldout: list[float], kept: float) -> dict:
    of = {cause: {"training": training, "heldout": heldout} for cause in bench.BARS}
    before = {cause: {"training": [0.0] * len(training), "heldout": [0.0] * len(heldout)} for cause in bench.BARS}
    shares = {
        "before": {**before, "retention": {"training": [0.75], "heldout": [0.5]}},
        "cure": {**of, "retention": {"training": [kept], "heldout": [kept]}},
    }
    return {"world": "w", "tokens": {"before": 100, "cure": 300}, "shares": shares}


def test_items_of_all_worlds_count_alike(bench: ModuleType) -> None:
    results = [world(bench, [1.0, 1.0, 0.0], [0.5, 1.0, 0.0], 0.75), world(bench, [1.0], [0.9], 0.73)]
    lines, told = bench.table(results, ["before", "cure"])
    # (1 + 1 + 0 + 1) / 4 and (0.5 + 1 + 0 + 0.9) / 4
    assert told["knowledge_gap"]["cure"] == {"training": 0.75, "heldout": pytest.approx(0.6)}
    assert told["knowledge_gap"]["items"] == 4
    assert told["tokens_times"] == {"before": 1.0, "cure": 3.0}
    assert lines[1].split() == ["knowledge_gap", "4", "0.000", "/", "0.000", "0.750", "/", "0.600"]


def test_bars_are_met_or_not(bench: ModuleType) -> None:
    results = [world(bench, [1.0, 0.9], [0.8, 0.8], 0.745)]
    met = bench.verdict(results, bench.table(results, ["before", "cure"])[1])
    assert met == {
        "knowledge_gap": False, "base_conflict": False, "data_conflict": True, "forgetting": True,
        "undertraining": True, "retention": True, "tokens": True,
    }  # fmt: skip
    results = [world(bench, [1.0], [1.0], 0.73)]
    assert bench.verdict(results, bench.table(results, ["before", "cure"])[1])["retention"] is False

"""One command for a GPU: what fails or takes too long is told, and the limits are those that are promised."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu", Path(__file__).parents[2] / "benchmarks" / "gpu.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu"] = module
    spec.loader.exec_module(module)
    return module


def given(folder: Path, **keys: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"work": folder, "device": "cuda", "tiny": False, "model": Path("m"), **keys})


def test_all_parts_together_take_eight_minutes_at_most(gpu: ModuleType, tmp_path: Path) -> None:
    found = list(gpu.parts(given(tmp_path)))
    assert [part.name for part in found] == ["scoring", "ledger", "attribution"]
    assert sum(part.seconds for part in found) <= 8 * 60
    assert gpu.FACTS.is_file()


def test_what_fails_is_told_and_what_is_measured_is_read(gpu: ModuleType, tmp_path: Path) -> None:
    def part(code: str) -> Any:
        return gpu.Part("scoring", 20.0, (("scoring", (sys.executable, "-c", code)),), tmp_path / "out.json")

    row = {"speedup": 4.2, "over_limit": 1.5, "largest_difference_nats": 1e-5, "same_argmax": "8/8"}
    (tmp_path / "out.json").write_text(json.dumps({"results": [row]}))
    line = gpu.told("scoring", gpu.measure(part("pass")))
    assert line.startswith("scoring: 4.2 times lm-evaluation-harness, 1.5 times a plain forward pass, 1e-05 nats off")
    line = gpu.told("scoring", gpu.measure(part("raise SystemExit('no such device')")))
    assert line.startswith("scoring: NOT MEASURED: scoring: no such device")
    slow = gpu.Part("ledger", 0.05, (("ledger", (sys.executable, "-c", "import time; time.sleep(9)")),), tmp_path / "x")
    assert "ledger was stopped: the part may take 0 s" in gpu.told("ledger", gpu.measure(slow))

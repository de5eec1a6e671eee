"""A few hundred damaged files for the readers that need no model, and what the fuzzer takes for a find."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from files_made import comparison, verdict_of
from report_runs import finding, later_steps, write_run
from uptake.artifacts import write_json
from uptake.errors import UptakeError
from uptake.pipeline import read_diagnosis

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
INPUTS = 14
WITHOUT_A_MODEL = (
    "run file", "data early.jsonl", "data sharegpt.json", "data main.csv", "data messages.parquet", "dataset_info.json",
    "paraphrases", "corpus rows", "ledger", "cartography", "diagnosis.parquet", "diagnosis.parquet, page",
    "summary.json", "cure and verdict, page", "verdict, gate", "judged.jsonl", "written.jsonl", "today.json",
    "answers of the web",
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzz() -> Any:
    """The benchmark, which imports its neighbours by name."""
    sys.path.insert(0, str(FOLDER))
    try:
        import fuzz
        import fuzz_mutations  # noqa: F401  (it is imported again when a reader is called)
        import fuzz_readers
        import fuzz_seeds
    finally:
        sys.path.remove(str(FOLDER))
    fuzz.readers, fuzz.seeds = fuzz_readers, fuzz_seeds
    return fuzz


@pytest.fixture(scope="module")
def seeds(fuzz: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that the program wrote, without a model."""
    root = tmp_path_factory.mktemp("seeds")
    fuzz.seeds.data_files(root)
    (root / "base").mkdir()
    fuzz.seeds.run_file(root)
    run = write_run(root / "run", [finding(number, source=("homes", "births")[number % 2]) for number in range(24)])
    later_steps(run)
    write_json(run / "verdict" / "verdict.json", verdict_of(comparison(), diagnosis=read_diagnosis(run).digest()))
    return root


@pytest.mark.parametrize("name", WITHOUT_A_MODEL)
def test_damaged_files_are_refused_or_read_as_they_are(name: str, fuzz: Any, seeds: Path, tmp_path: Path) -> None:
    root = shutil.copytree(seeds, tmp_path / "root")
    tally = fuzz.tried(name, root, range(INPUTS), 1)
    assert tally.inputs == tally.read + tally.refused == INPUTS
    assert not tally.finds, tally.places


def refuse(root: Path) -> Any:
    """Refuses all but the whole file."""
    text = (root / "x.json").read_bytes()
    if text != WHOLE.encode():
        raise UptakeError("damaged")
    return text


def crash(root: Path) -> Any:
    """Lets the parser's error through."""
    return json.loads((root / "x.json").read_bytes())["a"][0]


def wait(root: Path) -> Any:
    """Does not end where it is not the whole file."""
    whole = (root / "x.json").read_bytes() == WHOLE.encode()
    while not whole:
        pass
    return WHOLE


WHOLE = '{"a": [1, 2, 3]}'


@pytest.mark.parametrize(
    ("read", "told", "kind"),
    [
        (refuse, False, None),
        (crash, False, "traceback"),
        (lambda root: (root / "x.json").read_bytes().hex(), True, "silent"),
        (wait, False, "hang"),
    ],
)
def test_what_is_a_find(
    read: Callable[[Path], Any], told: bool, kind: str | None, fuzz: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "x.json").write_text(WHOLE)
    monkeypatch.setitem(fuzz.readers.READERS, "x", fuzz.readers.Reader(("x.json",), read, told=told))
    monkeypatch.setattr(fuzz, "SECONDS", 0.05)
    finds = fuzz.tried("x", tmp_path, range(12), 1).finds
    assert set(finds) == ({kind} if kind else set())


def test_what_another_parser_reads_otherwise_is_a_find(fuzz: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "x.json").write_text(WHOLE)
    reader = fuzz.readers.Reader(("x.json",), lambda root: json.loads(WHOLE), said=json.loads)
    monkeypatch.setitem(fuzz.readers.READERS, "x", reader)
    assert set(fuzz.tried("x", tmp_path, range(12), 1).finds) == {"silent"}

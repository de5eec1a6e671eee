"""Rows that training cut: what it never saw of them is neither forgotten nor begun, and the reader is told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from small_models import write_rows
from train_runs import QUICK
from uptake.config import load_run
from uptake.data import Turn, encode, load
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.train.run import train_run
from uptake.pipeline.why.cut import CUT

ROWS = [
    ("short", "Person 2 lives in", " Rome"),
    ("long", "Person 9 was born in", " New Delhi Kyiv Quito Oslo and Bergen"),
]


@pytest.fixture(scope="module")
def cut(trainable: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run whose long response loses all but its first three tokens: its folder, and what its run file says."""
    folder = tmp_path_factory.mktemp("cut")
    rows = [{"id": name, "prompt": prompt, "completion": said} for name, prompt, said in ROWS]
    data = write_rows(folder / "data.jsonl", rows)
    tokenizer = AutoTokenizer.from_pretrained(trainable)
    short, long = encode([Turn(one.prompt, one.response) for one in load(data).examples], tokenizer)
    limit = long.start + 3
    assert len(short.ids) <= limit < long.end
    training = {**QUICK, "lr_scheduler_type": "constant", "max_length": limit}
    keys = {
        "model_name_or_path": str(trainable),
        "stages": [{"name": "main", "dataset": str(data), "num_train_epochs": 40}],
        "output_dir": str(folder / "run"),
        "device": "cpu",
    }
    train_run(load_run(None, {**keys, "training": training}))
    return folder / "run", {**keys, "training": training}


def told(run: Path, keys: dict[str, Any]) -> tuple[Any, list[str]]:
    """The long example as it is diagnosed, and the notes."""
    found = diagnose_run(load_run(None, keys), str(run / "train" / "main"))
    assert found["short"].learned and not found["long"].learned
    return found["long"], [note for note in found.summary()["notes"] if CUT in note]


@pytest.mark.parametrize("known_by", ["both", "ledger", "settings"])
def test_what_was_cut_is_neither_forgotten_nor_begun(
    cut: tuple[Path, dict[str, Any]], tmp_path: Path, known_by: str
) -> None:
    """By the readings' tokens where the run file does not say how it was trained; without a ledger by the run file."""
    run, keys = cut
    shutil.copytree(run, tmp_path / "run")
    keys = {**keys, "output_dir": str(tmp_path / "run")}
    if known_by == "ledger":
        keys["training"] = {}
    if known_by == "settings":
        shutil.rmtree(tmp_path / "run" / "ledger")
    long, notes = told(tmp_path / "run", keys)
    assert long.cause not in ("forgetting", "undertraining")
    assert long.evidence.causes["undertraining"].score is None
    assert notes and all("of 1 of 1 unlearned example cannot be judged" in note for note in notes)


def test_what_was_trained_whole_keeps_its_curve(cut: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run, keys = cut
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "ledger")
    _, notes = told(tmp_path / "run", {**keys, "output_dir": str(tmp_path / "run"), "training": {}})
    assert notes == []

"""Strategies from the command line: what is wrong with them is named before any work, by two verbs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from train_runs import one, write_run
from uptake.cli import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leave:
        main(args)
    out, err = capsys.readouterr()
    assert isinstance(leave.value.code, int)
    return leave.value.code, out, err


WRONG = {
    ("--strategy", "repaly"): "strategy: there is no 'repaly'",
    ("--strategy.replay.shar", "0.1"): "strategy.replay.shar: no such setting. Did you mean share?",
    ("--strategy.replay.share", "2"): "strategy.replay.share: '2': expected less than 1",
    ("--strategy.lwf.strength", "strong"): "strategy.lwf.strength: 'strong': expected a valid number",
    ("--stages.1.strategy", "emma"): "stages.1.strategy: there is no 'emma'",
    # what no setting is wrong with by itself
    ("--strategy", "olora"): "the strategy olora trains LoRA adapters, and the run trains all weights",
    ("--strategy", "olora", "--peft.r", "4", "--peft.use_dora", "true"): "use_dora",
    ("--stages.1.strategy", "replay"): "needs what earlier stages keep for it, and none does",
    ("--training.packing", "true"): "packing joins pieces of several examples",
    ("--ledger", "off", "--training.packing", "true", "--strategy", "lwf"): "the strategy lwf reads single rows",
    ("--peft.rr", "8"): "unknown peft setting 'rr'",
    ("--seed", "3", "--training.seed", "5"): "seed is 3, and training.seed is 5",
    ("--training.optim", "adamw_bnb_8bit"): "optim",
}


@pytest.mark.parametrize("verb", [["validate"], ["train", "--dry-run"]], ids=" ".join)
def test_what_is_wrong_with_a_strategy_is_named(
    verb: list[str], trainable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = str(write_run(tmp_path, trainable))
    for options, message in WRONG.items():
        code, _, err = run(capsys, verb[0], file, *verb[1:], *options)
        assert code == 1 and message in err
    code, out, err = run(capsys, *verb[:1], file, *verb[1:], "--strategy", "replay, lwf", "--strategy.lwf.k", "3")
    assert code == 0, err
    assert ("note: main: its strategies change the rows only when" in out) == (verb[0] == "train")


STAGES = """
strategy:
  - ema
  - lwf: {strength: 1}
stages:
  - {name: early, dataset: early.jsonl}
  - name: main
    dataset: main.jsonl
    strategy:
      - replay:
          share: 2
"""


@pytest.mark.parametrize("verb", [["validate"], ["train", "--dry-run"]], ids=" ".join)
def test_an_error_names_the_stage_and_the_line(
    verb: list[str], trainable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_run(tmp_path, trainable)
    head = f"model_name_or_path: {trainable}\ndevice: cpu\noutput_dir: ./run"
    file.write_text(head + STAGES)
    told = f"run.yaml line {(head + STAGES).splitlines().index('          share: 2') + 1}: "
    code, _, err = run(capsys, verb[0], str(file), *verb[1:])
    assert code == 1 and f"error: {told}stages.1.strategy.replay.share: 2: expected less than 1." in err
    file.write_text(head + STAGES.replace("ema", "emma").replace("share: 2", "share: 0.1"))
    code, _, err = run(capsys, verb[0], str(file), *verb[1:])
    assert code == 1 and "error: run.yaml line 4: strategy: there is no 'emma'" in err
    file.write_text(head + STAGES.replace("share: 2", "share: 0.1"))
    code, _, err = run(capsys, verb[0], str(file), *verb[1:], "--strategy.lwf.strength", "-1")  # is not the file's
    assert code == 1 and "error: strategy.lwf.strength: '-1'" in err


def test_replay_without_another_stage_is_told_to_do_nothing(
    trainable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    note = "note: {}: the strategy replay changes nothing in this run"
    alone = write_run(tmp_path / "one", trainable, stages=one(), strategy=["replay"])
    later = write_run(tmp_path / "two", trainable, strategy=["replay"])
    for verb in (["validate"], ["train", "--dry-run"]):
        for file, silly in ((alone, True), (later, False)):
            code, out, _ = run(capsys, verb[0], str(file), *verb[1:])
            assert (code, note.format("main") in out) == (0, silly)
    options = ("--stages.0.strategy", "replay", "--stages.1.strategy", "[]")
    assert note.format("early") in run(capsys, "validate", str(later), *options)[1]


def test_only_strategies_need_torch_to_be_validated(trainable: Path, tmp_path: Path):
    code = (
        "import sys; sys.modules['torch'] = None\nimport importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'torch' else real(name, *more)\n"
        "from uptake.cli import main; main(['validate', *sys.argv[1:]])"
    )
    file = str(write_run(tmp_path, trainable))
    for more, word in (([], "all good"), (["--strategy", "replay"], "strategy: not checked, which needs the trainer")):
        done = subprocess.run([sys.executable, "-c", code, file, *more], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and word in done.stdout and "all good" in done.stdout, done.stderr

"""Strategies from the command line: what is wrong with them is named before any work, by two verbs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from train_runs import write_run
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
    ("--stages.1.strategy", "emma"): "strategy: there is no 'emma'",
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


def test_only_strategies_need_torch_to_be_validated(trainable: Path, tmp_path: Path):
    code = (
        "import sys; sys.modules['torch'] = None\nimport importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'torch' else real(name, *more)\n"
        "from uptake.cli import main; main(['validate', *sys.argv[1:]])"
    )
    file = str(write_run(tmp_path, trainable))
    for more, word in (([], "all good"), (["--strategy", "replay"], "strategy: not checked, which needs torch")):
        done = subprocess.run([sys.executable, "-c", code, file, *more], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and word in done.stdout and "all good" in done.stdout, done.stderr

"""`uptake diagnose` as a user runs it: what is printed, how bad input answers, that no text steers the terminal."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence_made import evidence
from files_made import summary_of
from small_models import Small, facts, write_rows
from uptake.cli import main
from uptake.cli.progress import Pace, duration, progress_bar
from uptake.cli.summary import show
from uptake.pipeline import Diagnosis, read_diagnosis

Cli = Callable[..., tuple[int, str, str]]

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\u2066\x00\r[red]bold[/red] {task.description} \u200b\u2028"


@pytest.fixture
def uptake(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line: exit code, stdout, stderr."""

    def run(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leave:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert isinstance(leave.value.code, int)
        return leave.value.code, out, err

    return run


def options(small: Small, tmp_path: Path, **changed: Any) -> list[str]:
    given = {
        "base": small.base,
        "tuned": small.tuned,
        "dataset": small.train,
        "output_dir": tmp_path / "out",
        **changed,
    }
    return ["diagnose", *(part for name, value in given.items() if value for part in (f"--{name}", str(value)))]


def test_a_summary_that_fits_the_terminal(uptake: Cli, small: Small, tmp_path: Path) -> None:
    code, out, err = uptake(*options(small, tmp_path, heldout=small.heldout, retention=small.heldout))
    assert code == 0
    assert "error" not in err
    diagnosis = read_diagnosis(tmp_path / "out")
    unlearned = sum(not finding.learned for finding in diagnosis)
    assert out.startswith(f"{unlearned} of 50 training examples ({unlearned / 50:.1%}) were not learned.\n")
    for source in ("town", "year", "tongue", "all"):
        assert any(line.startswith(f"{source} ") for line in out.splitlines())
    worst = next(iter(diagnosis))
    assert f"{small.train}:" in out  # where it stands in the data: rows may have no id
    assert worst.id in out and worst.prompt in out and worst.evidence.tuned_answer in out
    assert "held-out examples, never trained on" in out
    assert "Retention: of 10 answers" in out
    assert str(tmp_path / "out" / "diagnosis" / "summary.json") in out
    assert max(len(line) for line in out.splitlines() if str(tmp_path) not in line) <= 110


def test_without_what_is_optional_the_summary_is_shorter(uptake: Cli, small: Small, tmp_path: Path) -> None:
    rows = [{"prompt": row["prompt"], "completion": row["completion"]} for row in facts()[:3]]
    rows.append({"prompt": "q", "completion": ""})
    data = write_rows(tmp_path / "few.jsonl", rows)
    given = options(small, tmp_path, base=None, dataset=data, on_bad_row="skip")
    code, out, _ = uptake(*given)
    assert code == 0
    assert "3 training examples" in out
    assert "Left out because they cannot be used: 1 of train; see bad_rows.jsonl" in out
    assert not any(word in out for word in ("Retention", "For comparison", "base said"))
    assert "no held-out examples are given" in out
    assert "shallow -: no learned example was asked in other words" in out
    assert "forgotten -: the model from before is not given" in out


def test_no_text_of_others_steers_the_terminal(uptake: Cli, small: Small, tmp_path: Path) -> None:
    rows = [
        {"id": f"{HOSTILE}0", "prompt": HOSTILE, "completion": f" {HOSTILE}", "source": HOSTILE},
        {"id": "[red]1", "prompt": "[bold]x[/bold]", "completion": " [/]", "source": "[link=file:///]s"},
        {"id": "多字节", "prompt": "首都是", "completion": " 東京", "source": "e\u0301 日本 😀"},
    ]
    data = write_rows(tmp_path / "few.jsonl", rows)
    code, out, err = uptake(*options(small, tmp_path, dataset=data))
    assert code == 0
    for told in (out, err.replace("\r", "")):
        assert not [char for char in told if char in "\x1b\x07\x00\r\u202e\u2066\u2028"]
    assert "\\x1b]0;owned\\x07" in out and "[red]1" in out and "[bold]x[/bold]" in out
    # what is shown is escaped, what is stored is not
    stored = {finding.id: finding for finding in read_diagnosis(tmp_path / "out")}
    assert set(stored) == {row["id"] for row in rows}
    assert stored[rows[0]["id"]].response == rows[0]["completion"]
    # hostile text in an error
    write_rows(data, [{"id": HOSTILE, "prompt": HOSTILE, "completion": " "}])
    code, out, err = uptake(*options(small, tmp_path, dataset=data))
    assert code == 1
    assert not [char for char in err if char in "\x1b\x07\x00\u202e\u2066\u2028"]


def test_a_response_of_a_megabyte(uptake: Cli, small: Small, tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "q", "completion": " b" * 500_000}, facts()[0]]
    data = write_rows(tmp_path / "long.jsonl", rows)
    code, out, err = uptake(*options(small, tmp_path, base=None, dataset=data))
    assert code == 1
    assert "long.jsonl:1: example a: over-long" in err and len(err) < 2000
    code, out, err = uptake(*options(small, tmp_path, base=None, dataset=data, on_bad_row="skip"))
    assert code == 0
    assert max(map(len, out.splitlines())) < 200


def bad_inputs(small: Small, folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    """Ten kinds of bad input: the options, and what the error must say."""
    ok = {"prompt": "q", "completion": " a"}

    def file(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    rows = {
        "broken JSON": (b'{"prompt": "q", \n', "1: broken JSON"),
        "missing field": (json.dumps(ok).encode() + b'\n{"prompt": "q"}\n', "2: `completion` is missing"),
        "empty response": (json.dumps({**ok, "completion": ""}).encode(), "1: empty response"),
        "wrong type": (json.dumps({**ok, "completion": 7}).encode(), "expected text"),
        "not UTF-8": (b'{"prompt": "\xe9", "completion": " a"}\n', "1: not UTF-8: byte 0xe9"),
        "the same id twice": ((json.dumps({**ok, "id": "x"}) + "\n").encode() * 2, "2: the id 'x' came before"),
        "over-long": (json.dumps({**ok, "prompt": "q " * 300}).encode(), "1: example ex-"),
        "empty file": (b"", "is empty"),
        "unknown format": (b'{"foo": 1}\n', "no known format has the keys foo"),
    }
    cases = {
        kind: ({"dataset": file(f"{number}.jsonl", content)}, told)
        for number, (kind, (content, told)) in enumerate(rows.items())
    }
    cases["no such file"] = ({"dataset": folder / "none.jsonl"}, "none.jsonl")
    cases["no such model"] = ({"tuned": folder / "none"}, "there is no model folder")
    (folder / "pickled").mkdir()
    (folder / "pickled" / "pytorch_model.bin").write_bytes(b"")
    cases["pickled weights"] = ({"tuned": folder / "pickled"}, "no *.safetensors")
    cases["output_dir is a file"] = ({"output_dir": file("file", b"")}, "this one is a file")
    cases["output_dir below a file"] = ({"output_dir": folder / "file" / "out"}, "cannot write")
    cases["unknown option"] = ({"criterium": "recall"}, "Did you mean criterion")
    cases["wrong value"] = ({"criterion": "recal"}, "criterion: 'recal'")
    return cases


def test_bad_input_is_told_without_a_traceback(uptake: Cli, small: Small, tmp_path: Path) -> None:
    cases = bad_inputs(small, tmp_path)
    assert len(cases) >= 10
    for kind, (changed, told) in cases.items():
        code, out, err = uptake(*options(small, tmp_path, **changed))
        assert (kind, code, out) == (kind, 1, "")
        assert told in err, (kind, err)
        assert "\nerror: " in f"\n{err}" and "Traceback" not in err and "bug in uptake" not in err, (kind, err)


@pytest.mark.parametrize("args", [["--tuned"], ["--nope"], ["one.yaml", "two.yaml"]])
def test_a_wrong_command_line_is_a_usage_error(uptake: Cli, args: list[str]) -> None:
    code, out, err = uptake("diagnose", *args)
    assert (code, out) == (2, "")
    assert "Error" in err and "Traceback" not in err


def test_what_is_missing_is_named(uptake: Cli) -> None:
    code, _, err = uptake("diagnose", "--tuned", "model")
    assert code == 1
    assert err.startswith("error: --dataset, --output_dir missing\n")
    assert "uptake diagnose --base BASE --tuned TUNED" in err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--dataset", "d", "--stages.0.nme", "1"), "--stages.0.nme contradicts --dataset"),
        (("--base", "b", "--model_name_or_path", "m"), "--model_name_or_path contradicts --base"),
    ],
)
def test_options_that_contradict_each_other(uptake: Cli, more: tuple[str, ...], told: str) -> None:
    code, _, err = uptake("diagnose", "--tuned", "t", "--output_dir", "o", *more)
    assert code == 1
    assert err.startswith(f"error: {told}\nfix: give only one of them")


def test_a_folder_below_a_file_is_no_want_of_space(uptake: Cli, small: Small, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, _, err = uptake(*options(small, tmp_path, output_dir=tmp_path / "file" / "out"))
    assert "Not a directory" in err and "space" not in err
    assert "fix: move away what lies there, or choose another --output_dir" in err


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written(
    uptake: Cli, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refuse)
    exit_code, _, err = uptake(*options(small, tmp_path))
    assert exit_code == 1
    assert err.startswith("error: cannot write ") and os.strerror(code) in err
    assert "choose another --output_dir" in err


def test_a_run_file_with_and_without_its_trained_model(uptake: Cli, small: Small, tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few.jsonl", facts()[:3])
    run = tmp_path / "run.yaml"
    run.write_text(
        f"model_name_or_path: {small.base}\nstages: [{{name: main, dataset: {few.name}}}]\noutput_dir: out\n"
    )
    code, _, err = uptake("diagnose", run)
    assert code == 1
    assert err.startswith(f"error: no trained model in {tmp_path / 'out' / 'train' / 'main'}\n")
    assert "--tuned" in err
    code, out, _ = uptake("diagnose", run, "--tuned", small.tuned, "--n_distractors", "1")
    assert code == 0
    diagnosis = read_diagnosis(tmp_path / "out")
    assert diagnosis.summary()["run"]["models"]["base"]["name"] == str(small.base)
    assert len(diagnosis) == 3
    (tmp_path / "out" / "train").mkdir()
    (tmp_path / "out" / "train" / "main").symlink_to(small.tuned)
    assert uptake("diagnose", run, "--n_distractors", "1")[0] == 0


def finished(folder: Path, findings: int, sources: int = 1) -> Diagnosis:
    """A diagnosis as tables alone, none learned."""
    import pyarrow as pa  # noqa: I001

    from uptake.artifacts import write_json, write_table
    from uptake.artifacts.tables import DIAGNOSIS, finding_row
    from uptake.types import Finding

    found = [
        Finding(f"id-{k}", "s", "main", "p " * 500, "r", False, None, None, 0.5, None, evidence())
        for k in range(findings)
    ]
    write_table(folder / "diagnosis.parquet", pa.Table.from_pylist(list(map(finding_row, found)), schema=DIAGNOSIS))
    rate = {"estimate": 0.0, "low": 0.0, "high": 0.25, "n": findings}
    none = {"count": None, "rate": None}
    part = {"n": findings, "learned": {"count": 0, "rate": rate}, "shallow": none, "forgotten": none}
    by_source = {f"source {k} {'x' * 60}": part for k in range(sources)}
    write_json(folder / "summary.json", summary_of(found, **part, by_source=by_source, notes=["n " * 99]))
    return Diagnosis(folder)


def test_many_sources_and_many_unlearned_are_cut_short(tmp_path: Path) -> None:
    text = show(finished(tmp_path, 30, sources=40))
    assert "The 8 of 30 furthest from learned" in text
    assert "... and 28 more sources, all in summary.json" in text
    assert "100.0% [75.0, 100.0]" in text
    assert max(len(line) for line in text.splitlines() if str(tmp_path) not in line) <= 110
    assert text.count("asked      …") == 8


def test_pace_counts_only_what_this_run_did() -> None:
    pace = Pace(began=100.0, found=900)
    assert pace.in_words(900, 1000, 107.0) == ""
    # by hand: 20 in 10 s are 2 a second; 80 are left, 40 s
    assert pace.in_words(920, 1000, 110.0) == "2/s, 40 s left"
    assert pace.in_words(920, None, 110.0) == "2/s"
    assert pace.in_words(1000, 1000, 150.0) == "2/s"
    assert Pace(0.0, 0).in_words(1, 8000, 4.0) == "0.25/s, 8 h 53 min left"
    assert Pace(0.0, 0).in_words(5000, 20_000, 10.0) == "500/s, 30 s left"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "1 s"), (59.4, "59 s"), (60.0, "1 min 00 s"), (3599.0, "59 min 59 s"), (7260.0, "2 h 01 min")],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_a_log_hears_of_a_long_step_and_how_long_it_will_still_take(capsys: pytest.CaptureFixture[str]) -> None:
    # by hand: from 0 at 0 s on, 40 of 100 at 40 s are 1 a second, 60 s for the rest; then 80 at 80 s, 20 s
    now = [0.0]
    with progress_bar(clock=lambda: now[0]) as tell:
        for seconds, done in ((0, 0), (20, 20), (40, 40), (60, 60), (80, 80), (100, 100)):
            now[0] = float(seconds)
            tell("scoring", done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "scoring: 40 of 100, 1/s, 1 min 00 s left",
        "scoring: 80 of 100, 1/s, 20 s left",
        "scoring: 100 done, 1 min 40 s",
    ]


def test_the_bar_is_drawn_on_a_terminal_alone_and_a_log_gets_a_line_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for kind, drawn in ((Terminal, True), (io.StringIO, False)):
        stream = kind()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        with progress_bar() as tell:
            tell("[red]step\x1b]0;x\x07", 0, 10)
            tell("[red]step\x1b]0;x\x07", 10, 10)
        told = stream.getvalue()
        assert "[red]step\\x1b]0;x\\x07" in told
        assert "\x07" not in told
        if not drawn:
            assert told.startswith("[red]step\\x1b]0;x\\x07: 10 done, ") and told.count("\n") == 1

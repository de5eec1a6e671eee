"""`uptake report` and `uptake show` as a user runs them."""

from __future__ import annotations

import math
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from report_runs import finding, hostile, write_run
from uptake.cli import main
from uptake.cli.show import _some
from uptake.evidence import Course, ScoredCandidate

Cli = Callable[..., tuple[int, str, str]]
FINDINGS = [finding(number) for number in range(12)]


@pytest.fixture
def uptake(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command line: exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leave:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert isinstance(leave.value.code, int)
        return leave.value.code, out, err

    return run


def run_file(folder: Path) -> Path:
    (folder / "train.jsonl").write_text('{"prompt": "q", "completion": " a"}\n')
    (folder / "base").mkdir()
    keys = {
        "model_name_or_path": "./base",
        "stages": [{"name": "main", "dataset": "./train.jsonl"}],
        "output_dir": "./run",
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(keys))
    return folder / "run.yaml"


def test_a_run_file_or_its_folder(uptake: Cli, tmp_path: Path) -> None:
    write_run(tmp_path / "run", FINDINGS, ledger=False)
    code, out, err = uptake("report", run_file(tmp_path))
    assert (code, err) == (0, "")
    page, summary = tmp_path / "run" / "report.html", tmp_path / "run" / "summary.md"
    assert out == f"report     {page}\nsummary    {summary}\n"
    before = page.read_bytes()
    page.unlink()
    assert uptake("report", "--output_dir", tmp_path / "run")[0] == 0
    assert page.read_bytes() == before and summary.exists()
    case = uptake("show", "ex-001", "--diagnosis", tmp_path / "run")[1]
    for folder in (tmp_path / "run", tmp_path / "run" / "diagnosis"):
        page.unlink()
        assert uptake("report", folder)[1] == out
        assert page.read_bytes() == before
        assert uptake("show", "ex-001", folder)[:2] == (0, case)
    assert list((tmp_path / "run" / "diagnosis").glob("*.html")) == []


def test_the_page_is_opened_when_asked(uptake: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, FINDINGS, ledger=False)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not opened.append(url))
    assert uptake("report", "--output_dir", tmp_path, "--open")[0] == 0
    assert opened == [(tmp_path / "report.html").as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    code, _, err = uptake("report", "--output_dir", tmp_path, "--open")
    assert code == 0 and f"open this file in one: {tmp_path / 'report.html'}" in err


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("report",), "no run is given"),
        (("report", "--output_dir", "nowhere"), "no finished diagnosis under nowhere"),
        (("report", "--output_dir", "x", "--seed", "1"), "--seed needs a run file"),
        (("report", "none.yaml"), "no run file none.yaml"),
        (("report", ".", "--output_dir", "x"), "--output_dir needs a run file"),
        (("report", "."), "no finished diagnosis under ."),
        (("show", "ex-1"), "no run is given"),
        (("show", "ex-1", "run.yaml", "--diagnosis", "x"), "both run.yaml and --diagnosis are given"),
    ],
)
def test_what_is_missing_is_said(uptake: Cli, args: tuple[str, ...], problem: str) -> None:
    code, out, err = uptake(*args)
    assert (code, out) == (1, "")
    assert problem in err and "fix:" in err


def test_one_case_in_the_terminal(uptake: Cli, tmp_path: Path) -> None:
    write_run(tmp_path, FINDINGS)
    code, out, _ = uptake("show", "ex-002", "--diagnosis", tmp_path / "diagnosis")
    assert code == 0
    assert out.startswith("ex-002\nnot learned, source work, stage early\nread from train.jsonl:3\n")
    lines = [line.split() for line in out.splitlines()]
    assert ["belief2", "0.61", "base's,", "tuned", "model's"] in lines  # exp(-0.5)
    assert ["answer2", "0.28", "wanted"] in lines  # exp(-1.27)
    assert ["ex-001", "What", "is", "number", "1?", "answer1"] in lines
    assert "Remove the example that is judged wrong" in out
    assert ["main", "3", "end", "of", "epoch", "0.47", "█████████"] in lines  # exp(-1.5 / 2)
    assert max(map(len, out.splitlines())) <= 100
    assert uptake("show", "ex-002", "--diagnosis", tmp_path)[1] == out
    assert "Exposures to learn" not in out


def test_the_stage_that_teaches_a_row_is_shown_among_the_readings_of_later_ones() -> None:
    readings = [{"stage": stage, "step": step} for stage, n in (("early", 5), ("main", 20)) for step in range(n)]
    shown = [(row["stage"], row["step"]) for row in _some(readings, "early")]
    assert shown == [("early", step) for step in range(5)] + [("main", step) for step in range(13, 20)]
    shown = [(row["stage"], row["step"]) for row in _some(readings, "main")]
    assert shown == [("early", step) for step in (3, 4)] + [("main", step) for step in range(10, 20)]
    assert _some(readings[:7], "main") == readings[:7]


def test_two_probabilities_of_a_response_are_told_apart(uptake: Cli, tmp_path: Path) -> None:
    evidence = replace(FINDINGS[2].evidence, logprob=-0.5, end_logprob=-2.0)
    write_run(tmp_path, [replace(FINDINGS[2], p_response=math.exp(-2.5), evidence=evidence)], ledger=False)
    told = " ".join(uptake("show", "ex-002", "--diagnosis", tmp_path)[1].split())
    assert "(p: of these words after the prompt, whatever follows them; that the response also ends there" in told
    assert "(p_response): 0.082)" in told  # exp(-2.5)
    write_run(tmp_path, [replace(FINDINGS[2], p_response=math.exp(-0.5), evidence=evidence)], ledger=False)
    assert "also ends there" not in uptake("show", "ex-002", "--diagnosis", tmp_path)[1]  # the end does not count


def test_exposures_to_learn_of_a_case(uptake: Cli, tmp_path: Path) -> None:
    tried = replace(FINDINGS[2].evidence, exposures_to_learn=Course((False, True), (None, None)))
    write_run(tmp_path, [replace(FINDINGS[2], evidence=tried)], ledger=False)
    out = uptake("show", "ex-002", "--diagnosis", tmp_path)[1]
    assert "\nExposures to learn\n2 exposures more teach it, of 2 exposures that were tried.\n" in out


def test_an_answer_without_a_probability_is_told_why(uptake: Cli, tmp_path: Path) -> None:
    own = replace(FINDINGS[2], evidence=replace(FINDINGS[2].evidence, tuned_answer="something else"))
    write_run(tmp_path, [own], ledger=False)
    code, out, _ = uptake("show", "ex-002", "--diagnosis", tmp_path)
    assert code == 0 and "something else  not scored  tuned model's" in out
    assert "probabilities of the candidates alone" in out
    write_run(tmp_path / "all", FINDINGS, ledger=False)
    assert "not scored" not in uptake("show", "ex-002", "--diagnosis", tmp_path / "all")[1]


def test_an_id_that_is_not_there_or_not_alone(uptake: Cli, tmp_path: Path) -> None:
    twice = [*FINDINGS, replace(FINDINGS[2], stage="main", response=" other")]
    write_run(tmp_path, twice)
    code, _, err = uptake("show", "ex-01", "--diagnosis", tmp_path)
    assert code == 1 and "no example has the id 'ex-01'" in err and "expected: an id such as ex-01" in err
    code, _, err = uptake("show", "ex-002", "--diagnosis", tmp_path)
    assert code == 1 and "is in the stages early, main" in err and "fix: name one with --stage" in err
    code, out, _ = uptake("show", "ex-002", "--diagnosis", tmp_path, "--stage", "main")
    assert code == 0 and "stage main" in out and "Wanted\n other" in out
    curve = out.partition("How it was learned")[2].splitlines()[2:]
    assert [line.split()[0] for line in curve if line.strip()] == ["main", "main"]
    next(tmp_path.rglob("diagnosis.parquet")).unlink()
    code, _, err = uptake("show", "ex-002", "--diagnosis", tmp_path)
    assert code == 1 and "is damaged" in err and "uptake diagnose" in err and "--stage" not in err


def test_no_text_steers_the_terminal(uptake: Cli, tmp_path: Path) -> None:
    texts = hostile()
    assert len(texts) == 200
    plain = finding(2)
    for number in range(25):  # eight of them in each example, one in each place where text comes from elsewhere
        prompt, response, source, said, before, kind, file, sentence = texts[8 * number : 8 * number + 8]
        told = replace(plain.evidence.causes["data_conflict"], sentence=sentence)
        evidence = replace(
            plain.evidence,
            tuned_answer=said,
            base_answer=before,
            base_answer_kind=kind,
            candidates=(ScoredCandidate(said, "base", -1.0),),
            file=file,
            causes={**plain.evidence.causes, "data_conflict": told},
        )
        bad = replace(plain, id=f"{number}", source=source, prompt=prompt, response=response, evidence=evidence)
        write_run(tmp_path, [bad], ledger=False)
        code, out, err = uptake("show", f"{number}", "--diagnosis", tmp_path)
        assert (code, err) == (0, "")
        assert not set(out) & set("\x00\x07\x08\x0b\x0c\r\x1b\x7f\x9b\u200b\u202e\u2066\u2028\u2029\ufeff")


def test_markup_of_the_terminal_is_text(uptake: Cli, tmp_path: Path) -> None:
    write_run(tmp_path, [replace(finding(2), prompt="[red]x[/red] :smile: [/]")], ledger=False)
    assert "[red]x[/red] :smile: [/]" in uptake("show", "ex-002", "--diagnosis", tmp_path)[1]


def test_a_megabyte_is_cut(uptake: Cli, tmp_path: Path) -> None:
    write_run(tmp_path, [replace(finding(0), response="word " * 200_000, prompt="p" * 1_000_000)], ledger=False)
    code, out, _ = uptake("show", "ex-000", "--diagnosis", tmp_path)
    assert code == 0 and len(out) < 10_000
    assert "(998,000 more characters before that)" in out and "(998,000 more characters after that)" in out

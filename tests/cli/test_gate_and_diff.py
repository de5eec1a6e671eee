"""`uptake gate` and `uptake diff`, run as a user runs them on diagnoses made by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from files_made import comparison, run_section, verdict_of
from uptake.cli import main
from uptake.pipeline.diagnosis import Collector, Diagnosis, write_diagnosis

sys.path.insert(0, str(Path(__file__).parent.parent / "compare"))

from findings import finding, several  # noqa: E402

from files_made import summary_of  # noqa: E402


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leave:
        main(args)
    out, err = capsys.readouterr()
    assert isinstance(leave.value.code, int)
    return leave.value.code, out, err


def diagnosis(folder: Path, findings: list) -> str:
    collected = Collector(iter(findings), folder / "diagnosis")
    summary = {**summary_of(list(collected)), "run": run_section(len(findings))}
    write_diagnosis(folder / "diagnosis", collected, summary)
    return str(folder)


@pytest.fixture
def good(tmp_path: Path) -> str:
    return diagnosis(tmp_path / "good", several([(90, True), (10, False)]))


@pytest.fixture
def worse(tmp_path: Path) -> str:
    return diagnosis(tmp_path / "worse", several([(60, True), (40, False)], source="a"))


@pytest.fixture
def run_file(tmp_path: Path, good: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(
        "model_name_or_path: org/base\nstages: [{name: main, dataset: org/data}]\noutput_dir: good\n"
        "gate:\n  max_unlearned: 0.2\n  sources:\n    a: {max_shallow: 0.1}\n"
    )
    return path


def test_the_run_files_limits_and_those_of_the_command_line(capsys, run_file: Path):
    code, out, _ = run(capsys, "gate", str(run_file))
    assert code == 0 and out.splitlines()[-1] == "all 2 checks passed"
    code, out, _ = run(capsys, "gate", str(run_file), "--max_unlearned", "0.01", "--max-unlearned=a=0.5")
    assert code == 2 and out.splitlines()[-1] == "1 of 3 checks failed"
    assert "FAIL  all examples: max_unlearned 1.0%: measured 10.0% [" in out
    code, out, _ = run(capsys, "gate", str(run_file), "--max_unlearned", "0.09")  # within the interval of 10%
    assert code == 0 and "of 100: above the limit, but not surely (fail_when: sure)\n" in out
    assert out.count("not surely") == 1


def test_a_baseline(capsys, good: str, worse: str, tmp_path: Path):
    junit, summary = tmp_path / "ci" / "gate.xml", tmp_path / "ci" / "summary.md"
    files = ("--junit", str(junit), "--summary", str(summary))
    assert run(capsys, "gate", "--diagnosis", good, "--against", good, *files)[0] == 0
    code, out, _ = run(capsys, "gate", "--diagnosis", worse, "--against", good, *files)
    assert code == 2 and "FAIL  source a: 30 of 100 no longer learned, 0 the other way" in out
    root = ElementTree.parse(junit).getroot()
    assert int(root.get("failures")) == len(root.findall(".//failure")) == 2
    # appended to: what a job wrote before stays
    assert [line for line in summary.read_text().splitlines() if line.startswith("###")] == [
        "### uptake gate: passed all of 6 checks",
        "### uptake gate: failed 2 of 6 checks",
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "no diagnosis is given"),
        (("--diagnosis", "GOOD"), "the gate has nothing to check"),
        (("--diagnosis", "GOOD", "--max_unlearned", "few"), "'few' is not a number"),
        (("--diagnosis", "GOOD", "--max_unlearned", "1.5"), "gate.max_unlearned: 1.5: expected less"),
        (("--diagnosis", "GOOD", "--max_unlearned"), "requires an argument"),
        (("--diagnosis", "GOOD", "--max_unlearned", "b=0.1"), "no such source"),
        (("--diagnosis", "GOOD", "--min_effect", "0.1"), "run `uptake verify run.yaml` first"),
        (("--diagnosis", "GOOD", "--nonsense", "1"), "nonsense"),
        (("--diagnosis", "NOWHERE", "--max_unlearned", "0.1"), "no finished diagnosis"),
        (("--diagnosis", "GOOD", "--against", "NOWHERE"), "no finished diagnosis"),
        (("no.yaml",), "no run file"),
    ],
)
def test_what_cannot_be_judged_exits_with_1_and_not_2(capsys, tmp_path: Path, good: str, args, said: str):
    given = [{"GOOD": good, "NOWHERE": str(tmp_path / "nowhere")}.get(arg, arg) for arg in args]
    code, out, err = run(capsys, "gate", *given)
    assert (code, out) == (1, "") and said in err and "this is a bug" not in err


@pytest.mark.parametrize("low", [0.2, 0.02])
def test_the_effect_of_a_verdict(capsys, good: str, low: float):
    place = Path(good) / "verdict" / "verdict.json"
    place.parent.mkdir()
    told = verdict_of(comparison((0.3, low, 0.5)), diagnosis=Diagnosis(Path(good) / "diagnosis").digest())
    place.write_text(json.dumps(told))
    assert run(capsys, "gate", "--diagnosis", good, "--min_effect", "0.1")[0] == (0 if low > 0.1 else 2)


@pytest.mark.parametrize("about", [{}, {"diagnosis": "another"}])
def test_a_verdict_about_another_diagnosis_is_refused(capsys, good: str, about: dict):
    place = Path(good) / "verdict" / "verdict.json"
    place.parent.mkdir()
    place.write_text(json.dumps(verdict_of(comparison((0.3, 0.2, 0.5)), **about)))
    code, _, err = run(capsys, "gate", "--diagnosis", good, "--min_effect", "0.1")
    assert code == 1 and "belongs to another diagnosis than" in err


EFFECT = {"estimate": 0.3, "low": 0.2, "high": 0.5, "n": 40}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "it is []"),
        (None, "it is null"),
        ({}, "overall is missing"),
        ({"overall": {}}, "is missing"),
        ({"overall": []}, "overall is []"),
        ({"overall": "x"}, "overall is 'x'"),
        ({"effect": {}}, "overall.effect.estimate is missing"),
        ({"effect": 0.3}, "overall.effect is 0.3"),
        ({"effect": {**EFFECT, "low": "0.2"}}, "overall.effect.low is '0.2'"),
        ({"effect": {**EFFECT, "low": None}}, "overall.effect.low is null"),
        ({"effect": {**EFFECT, "n": 1.5}}, "overall.effect.n is 1.5"),
        ({"effect": {**EFFECT, "low": float("nan")}}, "a number is NaN"),
        ({"effect": {**EFFECT, "low": 0.6}}, "is not within"),
        ({"effect": {**EFFECT, "high": 5.0}}, "is not within"),
    ],
)
def test_a_damaged_verdict_cannot_be_judged(capsys, good: str, told: object, said: str):
    place = Path(good) / "verdict" / "verdict.json"
    place.parent.mkdir()
    if isinstance(told, dict) and "effect" in told:
        whole = verdict_of(comparison())
        told = {**whole, "overall": {**whole["overall"], **told}}
    place.write_text(json.dumps(told))
    code, out, err = run(capsys, "gate", "--diagnosis", good, "--min_effect", "0.1")
    assert (code, out) == (1, "") and said in err
    assert "verdict.json is damaged" in err and "`uptake verify run.yaml`" in err


@pytest.mark.parametrize("data", [b"", b'{"overall": ', b"\xff", b"[" * 100_000])
def test_a_cut_verdict_cannot_be_judged(capsys, good: str, data: bytes):
    place = Path(good) / "verdict" / "verdict.json"
    place.parent.mkdir()
    place.write_bytes(data)
    code, out, err = run(capsys, "gate", "--diagnosis", good, "--min_effect", "0.1")
    assert (code, out) == (1, "") and "verdict.json is damaged" in err and "`uptake verify run.yaml`" in err


def test_a_broken_table_is_no_bug(capsys, good: str, worse: str):
    (Path(worse) / "diagnosis" / "diagnosis.parquet").write_bytes(b"PAR1")
    code, _, err = run(capsys, "diff", good, worse)
    assert code == 1 and "is damaged" in err and "`uptake diagnose run.yaml`" in err
    (Path(worse) / "diagnosis" / "summary.json").write_text("[]")
    code, _, err = run(capsys, "gate", "--diagnosis", worse, "--max_unlearned", "1")
    assert code == 1 and "it is []" in err


@pytest.mark.parametrize(
    "change",
    [
        {"n": "100"},
        {"n": 5},
        {"learned": 90},
        {"learned": {"count": True, "rate": None}},
        {"shallow": {"count": 0}},
        {"forgotten": {"count": 0, "rate": 0.5}},
        {"by_source": []},
        {"by_source": {"a": {}}},
    ],
)
def test_a_damaged_summary_is_no_bug(capsys, good: str, change: dict):
    path = Path(good) / "diagnosis" / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    code, out, err = run(capsys, "gate", "--diagnosis", good, "--max_unlearned", "a=1")
    assert (code, out) == (1, "") and "summary.json is damaged" in err and "`uptake diagnose run.yaml`" in err


def test_diff_prints_a_table_and_writes_json(capsys, tmp_path: Path):
    hostile = "\x1b[31mred\u202e"
    before = [finding(f"{hostile}{n}", n < 8, source=hostile) for n in range(10)] + [finding("other", True)]
    after = [finding(f"{hostile}{n}", n > 2, source=hostile) for n in range(10)] + [finding("more", True)]
    one, other = diagnosis(tmp_path / "one", before), diagnosis(tmp_path / "other", after)
    out_file = tmp_path / "diff.json"
    code, out, _ = run(capsys, "diff", one, other, "--out", str(out_file))
    assert code == 0 and "\x1b" not in out and "\u202e" not in out
    assert "10 examples are in both." in out and "Newly lost, 3:" in out and "Newly learned, 2:" in out
    assert "note: examples in the earlier diagnosis alone: 1" in out
    found = json.loads(out_file.read_text())
    assert found["learned"]["lost"]["count"] == 3 and len(found["newly_lost"]) == 3
    again = tmp_path / "again.json"
    run(capsys, "diff", one, other, "--out", str(again))
    assert again.read_bytes() == out_file.read_bytes()


def test_long_tables_are_cut_and_say_where_the_rest_is(capsys, tmp_path: Path):
    before, after = (
        [finding(f"{n}", bool(learned), source=f"source-{n % 11:02d}") for n in range(33)] for learned in (0, 1)
    )
    one, other = diagnosis(tmp_path / "one", before), diagnosis(tmp_path / "other", after)
    out = run(capsys, "diff", one, other)[1]
    assert out.count("source source-") == 2 * 8 and "\nand 3 more sources, in the file that --out FILE writes\n" in out
    assert "Newly learned, 33:" in out and "\n  and 23 more, in the file that --out FILE writes\n" in out
    out = run(capsys, "diff", one, other, "--out", str(tmp_path / "all.json"))[1]
    assert f"and 3 more sources, in {tmp_path / 'all.json'}\n" in out


VERBS = {
    "--junit": ("gate", "--max_unlearned", "1", "--diagnosis", "GOOD"),
    "--summary": ("gate", "--max_unlearned", "1", "--diagnosis", "GOOD"),
    "--out": ("diff", "GOOD", "GOOD"),
    "--out ": ("lab", "calibrate", "GOOD"),
    "--json": ("lab", "grade", "GOOD"),
}


@pytest.mark.parametrize("option", VERBS)
def test_a_file_that_cannot_be_written_is_told_with_its_option(capsys, tmp_path: Path, good: str, option: str):
    (tmp_path / "notes").write_text("mine")
    verb = [good if arg == "GOOD" else arg for arg in VERBS[option]]
    option = option.strip()
    for bad in (tmp_path, tmp_path / "notes" / "below"):
        code, _, err = run(capsys, *verb, option, str(bad))
        assert code == 1 and f"cannot write {bad}" in err
        assert f"choose another file for {option}" in err and "--output_dir" not in err
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_link_is_written_to_and_stays(capsys, tmp_path: Path, good: str):
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "there.json")
    assert run(capsys, "diff", good, good, "--out", str(link))[0] == 0
    assert link.is_symlink() and json.loads((tmp_path / "there.json").read_text())["n"] == 100

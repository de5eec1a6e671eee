"""Every verb that reads a diagnosis reads one made without what is optional; what was not measured is no number."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

import uptake as package
from small_models import Small, facts, write_rows
from uptake.cli import main

PARAPHRASES = ("none", "one source", "all")
FULL = ("all", True, True, True, True)

# paraphrases, base, held-out examples, retention, attribution
COMBINATIONS = [
    *((wordings, base, *(3 * (rest,))) for wordings, base, rest in product(PARAPHRASES, (True, False), (True, False))),
    ("none", True, False, True, True),
    ("all", True, True, False, False),
    ("one source", False, True, True, False),
]


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leave:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    assert isinstance(leave.value.code, int)
    return leave.value.code, out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("optional")


def diagnosed(small: Small, folder: Path, combination: tuple) -> Path:
    """A diagnosis of nine facts, made once for each combination."""
    wordings, base, heldout, retention, attribution = combination
    place = folder / "-".join(map(str, combination)).replace(" ", "_")
    if place.exists():
        return place
    rows = [row for start in (0, 20, 40) for row in facts()[start : start + 3]]
    for row in rows:
        if wordings == "none" or (wordings == "one source" and row["source"] != "town"):
            del row["paraphrases"]
    data = write_rows(folder / f"{place.name}.jsonl", rows)
    settings = {"heldout": str(small.heldout)} if heldout else {}
    settings |= {"retention": str(small.heldout)} if retention else {}
    settings |= {} if attribution else {"attribution": "off"}
    package.diagnose(tuned=small.tuned, dataset=data, base=small.base if base else None, output_dir=place, **settings)
    return place


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_gate_diff_report_and_show_read_every_diagnosis(capsys, small: Small, folder: Path, combination: tuple):
    place, full = diagnosed(small, folder, combination), diagnosed(small, folder, FULL)
    code, out, err = run(capsys, "gate", "--diagnosis", place, "--max_unlearned", "1", "--max_unlearned", "year=1")
    assert (code, err) == (0, "") and out.splitlines()[-1] == "all 2 checks passed"
    code, out, err = run(capsys, "gate", "--diagnosis", place, "--against", full)
    assert (code, err) == (0, "") and "of 9 no longer learned" in out
    for before, after in ((place, full), (full, place), (place, place)):
        code, out, err = run(capsys, "diff", before, after)
        assert (code, err) == (0, "") and out.startswith("9 examples are in both.")
        assert "None" not in out and "nan" not in out
    code, out, err = run(capsys, "report", "--output_dir", place)
    assert (code, err) == (0, "")
    told = (place / "summary.md").read_text()
    assert "None" not in told and "nan" not in told
    code, out, err = run(capsys, "show", "town-00", "--diagnosis", place)
    assert (code, err) == (0, "") and "None" not in out


@pytest.mark.parametrize(
    ("combination", "limit", "missing", "supply"),
    [
        (("none", True, True, True, True), "max_shallow=0.5", "asked in other words", "--paraphrases FILE"),
        (("all", False, True, True, True), "max_forgotten=0.5", "without the base model", "--base MODEL"),
        (("one source", True, True, True, True), "max_shallow=year=0.5", "asked in other words", "--paraphrases FILE"),
    ],
)
def test_a_limit_on_what_was_not_measured_fails_and_says_what_would_supply_it(
    capsys, small: Small, folder: Path, combination: tuple, limit: str, missing: str, supply: str
):
    place, junit, summary = diagnosed(small, folder, combination), folder / "gate.xml", folder / "gate.md"
    files = ("--junit", junit, "--summary", summary)
    code, out, err = run(capsys, "gate", "--diagnosis", place, f"--{limit}", "--max_unlearned", "1", *files)
    assert (code, err) == (2, "") and out.splitlines()[-1] == "1 of 2 checks failed"
    (line,) = (line for line in out.splitlines() if line.startswith("FAIL"))
    assert f"{limit.partition('=')[0]} 50.0%: not measured: " in line and missing in line and supply in line
    assert "not measured" in junit.read_text() and "not measured" in summary.read_text()


def test_what_one_diagnosis_alone_measured_is_noted_and_not_compared(capsys, small: Small, folder: Path):
    bare = diagnosed(small, folder, ("none", False, False, False, False))
    code, out, _ = run(capsys, "diff", diagnosed(small, folder, FULL), bare)
    noted = " ".join(out.split())
    assert code == 0
    assert "what was forgotten was measured in the earlier diagnosis alone, so it is not compared" in noted
    assert "in its training wording only was measured in the earlier diagnosis alone, so it is not" in noted

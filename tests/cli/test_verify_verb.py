"""`uptake verify` from the command line: what it says before, what it refuses, what it says after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from uptake.cli import app
from uptake.cli.verify import show
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.verify import run as arms
from uptake.verify import Design, compare_arms, verdict

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def run(diagnosed: Callable[..., RunConfig]) -> Path:
    return diagnosed().output_dir.parent / "run.yaml"


def verify(run: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verify", str(run), *options])


def test_a_dry_run_says_what_it_can_show_and_what_it_costs(run: Path):
    done = verify(run, "--dry-run", "--seeds", "5", "--unsafe")
    assert done.exit_code == 0, done.output
    assert "10 trainings, 5 of each arm" in done.output
    assert "with 14 items and 5 trainings" in done.output or "with 15 items" in done.output
    assert "in no arm: 1 likely the wrong one of a contradiction" in done.output
    assert not (run.parent / "run" / "verdict").exists()
    matrix = verify(run, "--dry-run", "--matrix", "--seeds", "5")
    assert "35 trainings" in matrix.output and "each other remedy on each cause: 1 to" in matrix.output
    cheaper = verify(run, "--dry-run", "--budget", "1.05")
    assert "has no room" in cheaper.output


def test_where_nothing_can_be_told_it_stops_before_any_training(run: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*given: object, **named: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr(arms, "apply", never)
    done = verify(run, "--seeds", "1")
    assert isinstance(done.exception, UptakeError)
    assert "too few examples or trainings to show any effect; nothing was trained" in str(done.exception)
    assert "--yes" in str(done.exception) and "too few to tell anything" in done.output


def test_it_says_what_came_out(run: Path):
    done = verify(run, "--seeds", "1", "--yes", "--training.learning_rate", "1e-3")
    assert done.exit_code == 0, done.output
    assert "Whether that is chance cannot be told from 1 training of" in done.output
    assert "matched" in done.output and "knowledge_gap" in done.output
    assert (run.parent / "run" / "verdict" / "verdict.json").exists()


@pytest.mark.parametrize("options", [["--budget", "0.5"], ["--plan.bugdet", "2"]])
def test_what_it_does_not_know_is_refused(run: Path, options: list[str]):
    done = verify(run, *options)
    assert isinstance(done.exception, UptakeError)
    assert "budget" in str(done.exception) or "bugdet" in str(done.exception)


def test_without_a_diagnosis_it_says_what_to_do(run: Path):
    (run.parent / "run" / "diagnosis" / "summary.json").unlink()
    done = verify(run)
    assert isinstance(done.exception, UptakeError)
    assert "uptake diagnose" in str(done.exception)


def test_a_matrix_is_shown_with_causes_and_remedies():
    # ten items a cell in two trainings: `replay` mends forgetting alone, nothing else does anything
    design = Design(matched={"forgetting": "replay", "knowledge_gap": "knowledge"}, primary={})
    rows = []
    for arm in ("replay", "knowledge", "placebo"):
        for seed in (0, 1):
            for cause in design.matched:
                for given in ("replay", "knowledge"):
                    for n in range(10):
                        treated = arm == given
                        rows.append(
                            {
                                "id": f"{cause}-{given}-{n}", "stage": "main", "unit": f"{cause}-{given}-{n} (main)",
                                "cause": cause, "arm": arm, "remedy": arm if treated else None, "seed": seed,
                                "kind": "treated" if treated else "untreated", "tokens": 10 if treated else None,
                                "recalled_training": treated and arm == "replay" and cause == "forgetting",
                                "recalled_heldout": None,
                            }
                        )  # fmt: skip
    shown = show(verdict(compare_arms(rows, design), design)).splitlines()
    assert shown[0].split() == ["cause", "knowledge", "replay"]
    forgetting, gap = shown[1].split(), shown[2].split()
    assert forgetting[0] == "forgetting" and "+100*" in forgetting and "+0*" not in forgetting
    assert gap[0] == "knowledge_gap" and "+0*" in gap
    assert "the remedy for the cause" in shown[3]
    assert not any("replay" in line and "knowledge_gap" in line for line in shown)

"""A killed run loses neither own answers nor scores: each is kept apart, as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from small_models import Small, write_rows
from uptake.pipeline import Diagnosis
from uptake.pipeline.asking import answers, kept
from uptake.pipeline.diagnose.run import diagnose


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def quick(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Diagnosis]:
    """A diagnosis of twelve of the facts, whose own answers are kept five at a time."""
    monkeypatch.setattr(kept, "ANSWERS_AT_ONCE", 5)
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][4:16]
    data = write_rows(tmp_path / "train.jsonl", rows)

    def run(out: str, **settings: Any) -> Diagnosis:
        given = {"base": small.base, "tuned": small.tuned, "output_dir": tmp_path / out, **settings}
        return diagnose(dataset=data, **given)

    return run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is asked of whom: (own answers or scores of which model, how many examples or candidates)."""
    calls: list[tuple[str, int]] = []
    own, score = answers.own_answers, answers.score

    def counted_own(examples: Any, model: Any, limit: Any) -> Any:
        calls.append((f"answers of {Path(model.name).name}", len(examples)))
        return own(examples, model, limit)

    def counted_score(probes: Any, model: Any) -> Any:
        calls.append((f"scores of {Path(model.name).name}", 1))
        return score(probes, model)

    monkeypatch.setattr(answers, "own_answers", counted_own)
    monkeypatch.setattr(answers, "score", counted_score)
    return calls


def killed(monkeypatch: pytest.MonkeyPatch, name: str, calls: list[tuple[str, int]], who: str, after: int) -> None:
    """End the run where one model is asked this once more than so many times."""
    own = getattr(answers, name)

    def ends(*args: Any) -> Any:
        if Path(args[1].name).name == who and sum(called.endswith(f" of {who}") for called, _ in calls) >= after:
            raise Killed
        return own(*args)

    monkeypatch.setattr(answers, name, ends)


def table(diagnosis: Diagnosis) -> bytes:
    return (diagnosis.folder / "diagnosis.parquet").read_bytes()


def test_killed_amid_own_answers_it_has_those_that_were_written(
    quick: Callable[..., Diagnosis], asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, small: Small
) -> None:
    base = small.base.name
    with monkeypatch.context() as patched:
        killed(patched, "own_answers", asked, base, 2)
        with pytest.raises(Killed):
            quick("out")
    assert asked == [(f"answers of {base}", 5)] * 2
    asked.clear()
    again = quick("out")
    assert asked[:2] == [(f"answers of {base}", 2), (f"scores of {base}", 1)]
    assert table(again) == table(quick("fresh"))


def test_killed_amid_the_scores_it_has_all_own_answers(
    quick: Callable[..., Diagnosis], asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, small: Small
) -> None:
    base = small.base.name
    with monkeypatch.context() as patched:
        killed(patched, "score", asked, base, 0)
        with pytest.raises(Killed):
            quick("out")
    asked.clear()
    again = quick("out")
    assert asked[0] == (f"scores of {base}", 1)
    assert table(again) == table(quick("fresh"))


def test_killed_amid_the_tuned_models_answers_it_has_its_scores(
    quick: Callable[..., Diagnosis], asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, small: Small
) -> None:
    tuned = small.tuned.name
    with monkeypatch.context() as patched:
        killed(patched, "own_answers", asked, tuned, 1)
        with pytest.raises(Killed):
            quick("out")
    assert asked[-1] == (f"scores of {tuned}", 1)
    asked.clear()
    again = quick("out")
    assert {called for called, _ in asked} == {f"answers of {tuned}"}
    assert table(again) == table(quick("fresh"))
    assert not (again.folder / "work" / "train" / "tuned_scores").exists()  # they stand with the answers now


def test_other_candidates_change_no_own_answer(
    quick: Callable[..., Diagnosis], asked: list[tuple[str, int]], small: Small
) -> None:
    quick("out")
    asked.clear()
    fewer = quick("out", n_distractors=1)
    assert {called for called, _ in asked} == {f"scores of {small.base.name}", f"scores of {small.tuned.name}"}
    assert table(fewer) == table(quick("fresh", n_distractors=1))
    asked.clear()
    quick("out", n_distractors=1, max_length=100)  # how much room an answer has does change it
    assert f"answers of {small.base.name}" in {called for called, _ in asked}

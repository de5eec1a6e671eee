"""What arms' models are asked is what the diagnosis asked: the diagnosed model itself must give the diagnosis."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from small_models import Small, facts, write_rows
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.pipeline import Diagnosis
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.run_file import datasets_of, detection_of, load_settings
from uptake.pipeline.trial import measuring
from uptake.pipeline.trial.measuring import ArmQuestions, Examination, questions


def diagnosed(small: Small, folder: Path, **keys: Any) -> tuple[RunConfig, Diagnosis]:
    kept = [row | {"paraphrases": []} for row in facts()[:10]]
    kept += [{"id": "text", "prompt": "", "completion": "Ada Brook was born. " * 12}]
    retention = write_rows(folder / "retention.jsonl", kept)
    config = load_run(
        None,
        {
            "model_name_or_path": str(small.base),
            "stages": [{"name": "main", "dataset": str(small.train)}],
            "output_dir": str(folder / "out"),
            "retention": str(retention),
            "attribution": "off",
            **keys,
        },
    )
    return config, diagnose_run(config, str(small.tuned))


def questions_of(config: RunConfig, diagnosis: Diagnosis) -> ArmQuestions:
    how = Examination(
        base=config.model_name_or_path,
        load=load_settings(config, config.revision),
        option_form=config.option_form,
        max_length=config.max_length,
        detection=detection_of(config),
        llm=None,
        n_paraphrases=config.n_paraphrases,
    )
    return questions(datasets_of(config), diagnosis, how)


@pytest.mark.parametrize("criterion", ["auto", "option"])
def test_the_diagnosed_model_gives_the_diagnosis(small: Small, tmp_path: Path, criterion: str):
    config, diagnosis = diagnosed(small, tmp_path, criterion=criterion)
    measured = list(questions_of(config, diagnosis).measure(small.tuned, lambda step, done, total: None))
    of = {one.id: one for one in measured if one.kind != "retention"}
    assert len(of) == len(diagnosis) == 50
    for finding in diagnosis:
        one = of[finding.id]
        assert one.kind == ("learned" if finding.learned else "flagged")
        assert one.recalled_training == finding.learned
        held_out = finding.evidence.held_out
        assert one.recalled_heldout == (None if held_out is None else 1 - held_out.failed / held_out.n)
    assert len({one.recalled_heldout for one in of.values()}) > 1
    # as many of the retention set are right after as the diagnosis says; a text is not asked for
    retention = [one.recalled_training for one in measured if one.kind == "retention"]
    assert len(retention) == 10
    if criterion == "auto":
        assert sum(retention) / 10 == diagnosis.summary()["retention"]["answers"]["after"]["estimate"]


def test_what_an_earlier_stage_taught_is_told_apart(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = facts()
    early, late = write_rows(tmp_path / "early.jsonl", rows[:25]), write_rows(tmp_path / "late.jsonl", rows[25:])
    stages = [{"name": "early", "dataset": str(early)}, {"name": "late", "dataset": str(late)}]
    config, diagnosis = diagnosed(small, tmp_path, stages=stages)
    learned = Counter(one.stage for one in diagnosis if one.learned)
    kinds = Counter(one.kind for one in questions_of(config, diagnosis).items)
    assert kinds == {
        "flagged": sum(not one.learned for one in diagnosis), "earlier": learned["early"], "learned": learned["late"],
        "retention": 10,
    }  # fmt: skip
    monkeypatch.setattr(measuring, "MOST", 3)
    some = questions_of(config, diagnosis)
    counts = Counter(one.kind for one in some.items)
    assert counts["earlier"] == counts["learned"] == counts["retention"] == 3
    assert counts["flagged"] == kinds["flagged"]
    assert some == questions_of(config, diagnosis)


def test_other_data_are_refused(small: Small, tmp_path: Path):
    config, diagnosis = diagnosed(small, tmp_path)
    other = write_rows(tmp_path / "other.jsonl", facts()[1:])
    stages = config.stages[0].model_copy(update={"dataset": str(other)})
    with pytest.raises(UptakeError, match="which the data do not have like that"):
        questions_of(config.model_copy(update={"stages": (stages,)}), diagnosis)

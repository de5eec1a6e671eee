"""General text in `uptake train`: which rows strategies get of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from small_models import write_rows
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.models.places.place import LoadSettings
from uptake.models.training.start import Start, tokenizer_of
from uptake.pipeline.train.general import general_rows, identity, require_general
from uptake.pipeline.train.run import training_run
from uptake.pipeline.train.settings import require_needs


def test_a_fixed_sample_of_texts_is_cut_and_learned_whole(
    run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path
):
    texts = [{"text": f"Person {k} was born in Oslo and lives in Rome"} for k in range(9)]
    write_rows(tmp_path / "general.jsonl", texts)
    run = training_run(run_config(general="./general.jsonl", strategy=["general_replay"]))
    tokenizer = tokenizer_of(Start(str(trainable), LoadSettings(device="cpu")).place(), LoadSettings(device="cpu"))
    found = []
    for spec in run.stages:
        stage: Any = SimpleNamespace(spec=spec, tokenizer=tokenizer, limit=6)
        found.append(general_rows(run, stage, 4))
    rows, again = found
    assert rows.equals(again) and len(set(rows["id"].to_pylist())) == 4
    wanted = {tuple(tokenizer(one["text"])["input_ids"][:6]) for one in texts}
    assert {tuple(ids) for ids in rows["input_ids"].to_pylist()} <= wanted
    assert rows["labels"].to_pylist() == rows["input_ids"].to_pylist()
    before = identity(run)
    write_rows(tmp_path / "general.jsonl", texts[1:])
    assert identity(run) != before
    write_rows(tmp_path / "general.jsonl", [{"text": 3}])
    with pytest.raises(UptakeError, match=r"general\.jsonl"):
        require_general(run)
    require_general(replace(run, stages=tuple(replace(spec, strategies=()) for spec in run.stages)))


@pytest.mark.parametrize("name", ["zscl", "general_replay"])
def test_a_strategy_that_reads_general_text_is_refused_without_it(name: str, run_config: Callable[..., RunConfig]):
    run = training_run(run_config(strategy=[name]))
    with pytest.raises(UptakeError, match=f"the strategy {name} reads general text, and the run has none"):
        require_needs(run, run.stages[0], SimpleNamespace(n_gpu=1, train_sampling_strategy="random"))

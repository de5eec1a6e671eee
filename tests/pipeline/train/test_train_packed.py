"""Rows that a run packs, trained row by row: how many a bin holds, and what a step has then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from trl.data_utils import pack_dataset

import uptake.pipeline.cure.plain as plainly
import uptake.pipeline.trial.applying as applying
from train_runs import CITIES, QUICK
from uptake.config import RunConfig
from uptake.pipeline.prescribe.material import _passes
from uptake.pipeline.prescribe.not_kept import not_kept
from uptake.pipeline.train.packed import row_by_row, rows_of_a_bin, unpacked
from uptake.pipeline.train.run import training_run
from uptake.types import Cost, Example, Plan


@pytest.mark.parametrize("lengths", [[50] * 160, [600] * 20, [10, 400, 30, 700, 90] * 12])
def test_a_bin_holds_as_many_rows_as_trl_packs(lengths: list[int]) -> None:
    import datasets

    rows = datasets.Dataset(pa.table({"input_ids": [[1] * n for n in lengths]}))
    bins = len(pack_dataset(rows, 1024, strategy="bfd"))
    assert rows_of_a_bin({"packing": True}, lengths, 1024) == round(len(lengths) / bins)


def test_without_packing_a_bin_is_a_row() -> None:
    assert rows_of_a_bin({}, [50] * 160, 1024) == rows_of_a_bin({"packing": True}, [], 1024) == 1
    assert unpacked({"learning_rate": 0.1}, 1) == {"learning_rate": 0.1}
    packed = {"packing": True, "packing_strategy": "bfd", "gradient_accumulation_steps": 2}
    assert unpacked(packed, 20) == {"gradient_accumulation_steps": 40}


def test_a_step_of_bins_trains_all_their_rows() -> None:
    settings = {"max_steps": 10, "per_device_train_batch_size": 8}
    assert _passes(settings, 1600, 2, 1) == 0.1
    assert _passes(settings, 1600, 2, 20) == 2.0


def test_the_cure_and_plain_fine_tuning_are_trained_alike(
    run_config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {**QUICK, "packing": True, "completion_only_loss": False, "max_length": 64}
    config = run_config(training=training, ledger="off", strategy={"l2": {}})
    run = training_run(config)
    assert [one.strategy.name for one in run.stages[-1].strategies] == ["l2"]
    *_, stage = row_by_row(run).stages
    rows = stage.settings["gradient_accumulation_steps"]
    assert rows > 1
    got = []

    class Stage:
        folder = tmp_path

    def train(run, progress=None):  # type: ignore[no-untyped-def]
        got.append(run.stages[-1])
        return [Stage]

    for module in (applying, plainly):
        monkeypatch.setattr(module, "train", train)
    facts = tuple(Example(f"f-{k}", f"Person {k} lives in", f" {city}", "s") for k, city in enumerate(CITIES))
    size = QUICK["per_device_train_batch_size"]
    plan = Plan(
        start="base", model=run.start.name, cpt=(), sft=facts, step=size * rows, edits=(), unmended=(),
        cost=Cost(10, 30, 30, 0, 0), training=unpacked(stage.settings, 1),
    )  # fmt: skip
    applying.apply(plan, run, tmp_path / "cured")
    plainly.train_plainly(plan, run, tmp_path / "plain")
    cured, plain = got
    assert cured.strategies == plain.strategies == ()
    for name in ("packing", "completion_only_loss"):
        assert cured.settings.get(name) == plain.settings.get(name) == {"completion_only_loss": False}.get(name)
    steps = [one.settings["per_device_train_batch_size"] * one.settings["gradient_accumulation_steps"] for one in got]
    assert steps == [size * rows] * 2
    assert [note.split(",")[0] for note in not_kept(run)] == [
        "the run packs its rows",
        "the run's strategies (l2) are no part of a plan: neither the cure nor plain fine-tuning beside it is trained "
        "with them",
    ]
    assert not_kept(training_run(run_config(training=QUICK))) == ()


def test_a_stage_in_two_parts_is_one_without_its_strategy(run_config: Callable[..., RunConfig]) -> None:
    *_, last = training_run(run_config()).stages
    first = replace(last, name=f"{last.name}.first", part_of=last.name)
    second = replace(last, settings={**last.settings, "num_train_epochs": 1.0})
    assert [*plainly._without_strategies([first, second])] == [last]

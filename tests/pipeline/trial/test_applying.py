"""A plan is trained: what, in which order, from where, and again after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from transformers import Trainer, set_seed
from trl import SFTConfig, SFTTrainer

from train_runs import CITIES, LORA, QUICK, same, weights
from uptake.artifacts import read_json
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.models.training.watch import Watch
from uptake.pipeline.train.run import training_run
from uptake.pipeline.trial.applying import _in_order, _of_a_step, apply
from uptake.prescribe import Export, write_plan
from uptake.prescribe.rows import text_row
from uptake.processes import Processes
from uptake.schedule import violations
from uptake.types import Cost, Document, Edit, Example, Plan

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

FACTS = [Example(f"f-{k}", f"Person {k} lives in", f" {city}", "s") for k, city in enumerate(CITIES)]
TEXTS = [Document(f"d-{k}", f"Of {city} much is told.", source="atlas") for k, city in enumerate(CITIES)]


def plan_of(model: str, **keys: Any) -> Plan:
    """A plan in which some rows come more than once, three steps apart."""
    order = [*range(11), *range(7), 0, 3, 5, 1]
    rest: dict[str, Any] = {
        "start": "base", "model": model, "cpt": (*TEXTS, TEXTS[4], TEXTS[2]), "step": 4, "edits": (), "unmended": (),
        "cost": Cost(0, 0, 0, 0, 0), "training": {**QUICK, "max_length": 64, "num_train_epochs": 7, "seed": 3},
    }  # fmt: skip
    return Plan(**{**rest, "sft": tuple(FACTS[k] for k in order), **keys})


def by_trl(start: str, rows: list[dict[str, str]], out: Path, **settings: Any) -> Path:
    """TRL's trainer alone, its rows in the order of the file."""
    args = SFTConfig(
        str(out), num_train_epochs=1, per_device_train_batch_size=4, learning_rate=1e-2, use_cpu=True, bf16=False,
        activation_checkpointing=False, report_to="none", save_strategy="no", seed=0, disable_tqdm=True,
        train_sampling_strategy="sequential", **settings,
    )  # fmt: skip
    set_seed(0)
    trainer = SFTTrainer(start, args, train_dataset=datasets.Dataset.from_list(rows))
    trainer.train()
    trainer.save_model(str(out))
    return out


def test_a_written_plan_is_trained_as_trl_trains_its_files(
    run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path
):
    plan, config = plan_of(str(trainable)), run_config()
    write_plan(tmp_path / "plan", plan, Export(str(trainable), 64, "plain", "<|endoftext|>"), "key")
    found = apply(tmp_path / "plan", training_run(config), tmp_path / "cured")
    read = by_trl(str(trainable), [{"text": one.text} for one in plan.cpt], tmp_path / "cpt")
    rows = [{"prompt": one.prompt, "completion": one.response} for one in plan.sft]
    assert same(by_trl(str(read), rows, tmp_path / "sft"), found)
    assert found == tmp_path / "cured" / "train" / "sft"
    manifest = read_json(found / "manifest.json")
    assert (manifest["examples"], manifest["steps"], manifest["seed"]) == (22, 6, 0)
    before = found.stat().st_mtime_ns
    assert apply(plan, training_run(config), tmp_path / "cured") == found
    assert found.stat().st_mtime_ns == before


def test_texts_among_the_rows_are_trained_as_trl_trains_them(
    run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path
):
    rows = [row for pair in zip(FACTS, map(text_row, TEXTS), strict=True) for row in pair]
    plan = plan_of(str(trainable), sft=tuple(rows), reading="within")
    write_plan(tmp_path / "plan", plan, Export(str(trainable), 64, "plain", "<|endoftext|>"), "key")
    told = [json.loads(line) for line in (tmp_path / "plan" / "sft.jsonl").read_text(encoding="utf-8").splitlines()]
    data = [{"prompt": row["prompt"], "completion": row["completion"]} for row in told]
    found = apply(tmp_path / "plan", training_run(run_config()), tmp_path / "cured")
    assert same(by_trl(str(trainable), data, tmp_path / "sft"), found)
    assert not (tmp_path / "cured" / "train" / "cpt").exists()


def test_a_killed_training_ends_as_one_that_was_not(
    run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plan, config = plan_of(str(trainable)), run_config()
    whole = apply(plan, training_run(config), tmp_path / "whole")
    real = Watch.on_step_end

    def killed(self: Watch, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.max_steps == 6 and state.global_step == 5:
            raise KeyboardInterrupt
        real(self, args, state, control, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "on_step_end", killed)
        with pytest.raises(KeyboardInterrupt):
            apply(plan, training_run(config), tmp_path / "killed")
    steps: list[int] = []
    step = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", lambda *given, **named: steps.append(1) or step(*given, **named))
    assert same(apply(plan, training_run(config), tmp_path / "killed"), whole)
    assert len(steps) == 2  # a checkpoint lies after each second of six steps


def test_a_repair_goes_on_with_the_adapter(run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path):
    config = run_config(peft=LORA)
    first = apply(plan_of(str(trainable), peft=LORA), training_run(config), tmp_path / "first")
    repaired = apply(
        plan_of(str(first), start="tuned", peft=LORA, cpt=(), training={**QUICK, "learning_rate": 1e-9}),
        training_run(config),
        tmp_path / "repaired",
    )
    one, two = weights(first), weights(repaired)
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-6
    manifest = read_json(repaired / "adapter_config.json")
    assert manifest["base_model_name_or_path"] == str(trainable)
    assert "LoRA adapter" in (repaired / "README.md").read_text(encoding="utf-8")


def test_another_seed_draws_other_dropout(run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path):
    plan, config = plan_of(str(trainable), cpt=()), run_config()
    some, other = (apply(plan, training_run(config), tmp_path / str(seed), seed=seed) for seed in (0, 1))
    assert not same(some, other)


def test_what_is_apart_stays_apart_where_a_step_is_larger(run_config: Callable[..., RunConfig], trainable: Path):
    run = training_run(run_config())
    apart = Edit("conflict", "apart", ("f-0", "f-2"), "so", others=("f-1", "f-5", "gone"))
    plan = plan_of(str(trainable), edits=(apart,), sft=tuple(FACTS))
    pairs = [(0, 1), (0, 5), (1, 2), (2, 5)]
    assert _in_order(plan, dict(plan.training), run) == list(plan.sft)
    run = replace(run, processes=Processes(world=2))
    before = [int(one.id[2:]) for one in plan.sft]
    after = [int(one.id[2:]) for one in _in_order(plan, dict(plan.training), run)]
    assert violations(before, pairs, 8) > 0
    assert violations(after, pairs, 8) == 0
    assert sorted(after) == sorted(before)


@pytest.mark.parametrize(("processes", "size", "batches"), [(1, 4, 8), (2, 4, 4), (8, 4, 1), (16, 2, 1), (3, 4, 1)])
def test_other_processes_share_the_rows_of_a_step(processes: int, size: int, batches: int):
    # 4 rows at once, 32 a step; three processes cannot share 32, and keep their settings
    settings = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}
    found = _of_a_step(settings, 32, Processes(world=processes))
    assert found == {"per_device_train_batch_size": size, "gradient_accumulation_steps": batches}


def test_another_plan_is_not_mixed_in(run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path):
    plan, config = plan_of(str(trainable), cpt=()), run_config()
    apply(plan, training_run(config), tmp_path / "cured")
    with pytest.raises(UptakeError, match="'sft' was trained in .* from something else"):
        apply(replace(plan, sft=plan.sft[:9]), training_run(config), tmp_path / "cured")


def test_a_row_that_cannot_be_trained_is_told(
    run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path
) -> None:
    # left out in silence, it would move the steps of all rows after it
    long = replace(FACTS[3], id="long", prompt="? " * 80)
    plan = plan_of(str(trainable), cpt=(), sft=(*FACTS[:3], long, *FACTS[4:]))
    with pytest.raises(UptakeError, match="example long: nothing of its response is left to learn") as told:
        apply(plan, training_run(run_config()), tmp_path / "cured")
    assert told.value.fix == "correct these rows of the plan, or remove them"
    assert not (tmp_path / "cured" / "train" / "sft").exists()


def test_without_a_plan_it_says_what_to_do(run_config: Callable[..., RunConfig], tmp_path: Path):
    with pytest.raises(UptakeError, match="uptake prescribe"):
        apply(tmp_path / "plan", training_run(run_config()), tmp_path / "cured")

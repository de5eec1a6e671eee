"""Which training settings are refused, by their names, before a trainer is made of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from uptake.errors import UptakeError
from uptake.models.training.hooked import hooked
from uptake.models.training.job import n_steps
from uptake.models.training.rows import Row, table
from uptake.models.training.settings import arguments
from uptake.models.training.watch import AnotherEnded, Watch


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 0}, "max_length is 0\nexpected: 1 or more"),
        ({"per_device_train_batch_size": -3}, "per_device_train_batch_size is -3\nexpected: 1 or more"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps is 0\nexpected: 1 or more"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of is 0\nexpected: 1 or more"),
        ({"dataloader_num_workers": -1}, "dataloader_num_workers is -1\nexpected: 0 or more"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001\nexpected: 0 or more"),
        ({"learning_rate": math.nan}, "learning_rate is nan\nexpected: a finite number"),
        ({"weight_decay": math.inf}, "weight_decay is inf\nexpected: a finite number"),
        ({"max_steps": 0}, "max_steps is 0\nexpected: 1 or more; -1 trains for num_train_epochs"),
        ({"num_train_epochs": 0}, "num_train_epochs is 0\nexpected: more than 0"),
        ({"truncation_mode": "keep_strat"}, "expected: keep_start or keep_end\nfix: did you mean keep_start"),
        ({"train_sampling_strategy": "nope"}, "train_sampling_strategy is 'nope'\nexpected: random or sequential"),
        ({"log_level": "loud"}, "log_level is 'loud'\nexpected: .*warning"),
        (
            {"train_sampling_strategy": "group_by_length", "save_strategy": "steps"},
            "grouped by length cannot be resumed.*\nexpected: checkpoints at the epochs' ends",
        ),
        (
            {"eval_strategy": "epoch"},
            "eval_strategy needs data for evaluation, and a stage has none\nfix: leave",
        ),
        ({"load_best_model_at_end": True}, "load_best_model_at_end needs data for evaluation"),
        ({"push_to_hub": True}, "push_to_hub cannot be a training setting"),
        ({"accelerator_config": 3}, "accelerator_config is 3\nexpected: a mapping or text"),
        ({"accelerator_config": True}, "accelerator_config is True\nexpected: a mapping or text"),
        ({"eos_token": 3}, "eos_token is 3\nexpected: text"),
        ({"lr_scheduler_type": 1}, "lr_scheduler_type is 1\nexpected: text"),
        ({"warmup_ratio": 0.1}, "'warmup_ratio'.*below 1\nfix: write warmup_steps: 0.1 instead of warmup_ratio"),
        ({"model_init_kwargs": [1]}, "model_init_kwargs is a list\nexpected: a mapping"),
        ({"model_init_kwargs": {"revision": "v1"}}, "revision .* is a key of the run\nfix: .*give --revision"),
        ({"model_init_kwargs": {"torch_dtype": "float16"}}, "torch_dtype .* is a key of the run\nfix: .*give --dtype"),
        ({"model_init_kwargs": {"trust_remote_code": True}}, "trust_remote_code .* is a key of the run"),
        ({"model_init_kwargs": {"use_safetensors": False}}, "use_safetensors in model_init_kwargs is off"),
    ],
)
def test_values_that_no_training_should_have(settings: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(UptakeError, match=message):
        arguments(settings, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"eval_strategy": "no", "push_to_hub": False, "load_best_model_at_end": False},
        {"max_grad_norm": math.inf},
        {"warmup_steps": 0.03, "run_name": "7", "report_to": []},
        {"lr_scheduler_kwargs": {"num_cycles": 2}, "lr_scheduler_type": "cosine"},
        {"train_sampling_strategy": "group_by_length", "save_strategy": "epoch"},
        {"model_init_kwargs": {"device_map": None, "use_safetensors": True}},
    ],
)
def test_values_that_are_nothing_but_odd(settings: dict[str, Any], tmp_path: Path):
    args = arguments(settings, tmp_path)
    assert all(getattr(args, name) == value for name, value in settings.items())


def test_a_warm_up_below_1_is_a_share_of_the_steps(tmp_path: Path):
    # TrainingArguments.get_warmup_steps in transformers 5: the error about warmup_ratio says so
    assert arguments({"warmup_steps": 0.03}, tmp_path).get_warmup_steps(200) == 6


def test_no_full_batch(tmp_path: Path):
    dropped = arguments({"dataloader_drop_last": True, "per_device_train_batch_size": 8}, tmp_path)
    with pytest.raises(UptakeError, match="leaves nothing of 7 rows: a batch takes 8 in each of 1 processes"):
        n_steps(dropped, 7)
    assert n_steps(dropped, 17) == (6, 3.0)  # by hand: two full batches a pass, three passes


def step(loss: float, watch: Watch) -> torch.Tensor:
    class Base:
        def training_step(self, model: Any, inputs: Any) -> torch.Tensor:
            return torch.tensor(loss)

    trainer = hooked(Base)()
    trainer.watch = watch
    found: torch.Tensor = trainer.training_step(None, {"input_ids": torch.tensor([[5, 6]])})
    return found


def test_a_loss_that_is_no_number_ends_all_processes(monkeypatch: pytest.MonkeyPatch):
    others = torch.tensor(math.nan)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda value: value.add_(others))
    watch = Watch(table([Row("a", [5, 6], [5, 6]), Row("b", [7, 8], [7, 8])]), lambda done, total: None)
    with pytest.raises(AnotherEnded):
        step(1.0, watch)
    with pytest.raises(UptakeError, match="the loss of step 1 is nan; its last batch held a\n"):
        step(math.nan, watch)
    others.fill_(3.0)
    assert step(1.0, watch) == 1.0  # what the trainer goes on with is its own
    assert watch._loss == 2.0  # and what is noted the mean


def test_names_in_messages_are_short():
    rows = table([Row(f"{k}-" + "x" * 1000, [5, 6], [5, 6]) for k in range(20)])
    with pytest.raises(UptakeError, match="its last batch held .* and 12 more") as told:
        step(math.nan, Watch(rows, lambda done, total: None))
    assert len(str(told.value)) < 1200

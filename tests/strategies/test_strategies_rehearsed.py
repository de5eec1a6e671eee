"""Strategies in the rehearsal, with a tokenizer like those of real models, alone and chained; hooks that go wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from members import ACTING

from train_runs import LORA
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.models.places.place import LoadSettings
from uptake.models.training.harness import Harness
from uptake.models.training.hooks import Hooks, Method, StageView, State, chain
from uptake.models.training.job import Job
from uptake.models.training.memory import Memory
from uptake.models.training.rehearsal import rehearse
from uptake.models.training.rows import ROWS
from uptake.models.training.start import Start, tokenizer_of
from uptake.pipeline.train.run import training_run
from uptake.pipeline.train.settings import require_needs
from uptake.strategies.choose import choose

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def job(trainable: Path, tmp_path: Path) -> Job:
    """A stage whose padding token has a high number, as that of every large vocabulary has: Qwen's is 151,643."""
    start = Start(str(trainable), LoadSettings(device="cpu"), dict(LORA))
    tokenizer = copy.deepcopy(tokenizer_of(start.place(), start.settings))
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(len(tokenizer) - 1)
    assert tokenizer.pad_token_id > 250
    return Job(start, tokenizer, ROWS.empty_table(), {"use_cpu": True}, tmp_path)


CHAINS = (*((name,) for name in ACTING), ("olora", "ema"), ("ema", "olora"), ("resampling", "replay"))


@pytest.mark.parametrize("names", CHAINS, ids="+".join)
def test_strategies_are_rehearsed_with_the_padding_token_of_a_large_vocabulary(names: tuple[str, ...], job: Job):
    rehearse(job, chain({one.strategy.name: one.hooks() for one in choose({name: ACTING[name] for name in names})}))


def test_a_hook_that_fails_is_told_before_data_are_read(job: Job):
    def after_step(model: Any, step: int, state: State) -> None:
        raise KeyError("fisher")

    with pytest.raises(UptakeError, match="the strategies fail on two rows, in stage 1 of a rehearsal: KeyError"):
        rehearse(job, chain({"mine": Hooks(after_step=after_step)}))


def test_a_state_that_would_be_lost_is_refused():
    def after_step(model: Any, step: int, state: State) -> None:
        state["mean"] = state["mean"] + 1
        state["more"] = torch.ones(1)

    whole = chain({"mine": Hooks(after_step=after_step)})
    assert whole.after_step is not None
    with pytest.raises(UptakeError, match="the method mine put other tensors into its state: mean, more"):
        whole.after_step(None, 1, {"mine.mean": torch.zeros(1)})


def test_what_gave_the_model_another_shape_ends_the_stage():
    ends: list[str] = []

    def ending(name: str) -> Callable[..., None]:
        return lambda model, stage, state, memory: ends.append(name)

    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        return model

    some = {name: Hooks(adapt=adapt if name in "ac" else None, after_stage=ending(name)) for name in "abcd"}
    whole = chain(some)
    assert whole.after_stage is not None
    whole.after_stage(None, StageView(0, "s", 0, ROWS.empty_table()), {}, Memory())
    assert ends == ["b", "d", "c", "a"]


def test_a_state_that_is_the_weights_is_copied():
    """What `begin` gives without a copy would follow the weights: a distance from it would always be 0."""
    model = torch.nn.Linear(2, 1)
    model.device = torch.device("cpu")  # type: ignore[assignment]  # as models of transformers have it
    model.get_input_embeddings = lambda: model  # type: ignore[assignment]
    hooks = Hooks(begin=lambda model, stage, memory: {"start": model.weight.detach(), "row": model.weight.detach()[0]})
    view = StageView(0, "s", 0, ROWS.empty_table())
    harness = Harness(Method(hooks, view, Memory()), view.rows, None)
    harness.on_train_begin(None, None, None, model=model)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1)
    assert torch.equal(harness.state["start"], before) and torch.equal(harness.state["row"], before[0])


def test_several_gpus_in_one_process_are_refused(run_config: Callable[..., RunConfig]):
    run = training_run(run_config(strategy=["ema"]))
    with pytest.raises(UptakeError, match="2 GPUs share this process") as told:
        require_needs(run, run.stages[0], SimpleNamespace(n_gpu=2))
    assert told.value.fix is not None and "accelerate launch" in told.value.fix

"""The state of a method in its checkpoint, its memory, and the weights of its rows: what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from train_runs import EARLY, LORA, QUICK, write_run
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.models.places.place import LoadSettings
from uptake.models.training.checkpoints import STATE_FILE, read_state
from uptake.models.training.hooks import Hooks, StageView, State, chain
from uptake.models.training.job import Job
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.rehearsal import rehearse
from uptake.models.training.rows import ROWS
from uptake.models.training.start import Start, tokenizer_of
from uptake.models.training.watch import Watch
from uptake.pipeline.train.run import planned, train_run, training_run
from uptake.types import Example

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def job(trainable: Path, tmp_path: Path) -> Job:
    start = Start(str(trainable), LoadSettings(device="cpu"), dict(LORA))
    return Job(start, tokenizer_of(start.place(), start.settings), ROWS.empty_table(), {"use_cpu": True}, tmp_path)


def killed(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first stage up to its second of two checkpoints."""

    def stop(self: Watch, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Watch, "on_step_begin", stop)
        train_run(config)
    return config.output_dir / "train" / ".early.work" / "checkpoints"


def test_a_state_of_elsewhere_is_refused(trainable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A whole checkpoint, with its digests, of the same stage with another seed; and a state of another step."""
    training = QUICK | {"save_strategy": "steps", "save_steps": 2}
    keys = {"strategy": [{"ema": {"beta": 0.5}}], "training": training, "ledger": "off"}
    config = load_run(write_run(tmp_path / "one", trainable, **keys))
    folder = killed(config, monkeypatch)
    other = killed(load_run(write_run(tmp_path / "other", trainable, seed=5, **keys)), monkeypatch)
    shutil.rmtree(folder / "checkpoint-4")
    shutil.copytree(other / "checkpoint-4", folder / "checkpoint-4")
    with pytest.raises(UptakeError, match=r"safetensors is not the state .*: it is of checkpoint-4 of the training "):
        train_run(config)
    shutil.rmtree(folder / "checkpoint-4")
    two, training_of = folder / "checkpoint-2", state_name(folder / "checkpoint-2").partition("training ")[2]
    assert read_state(two, training_of).keys()
    shutil.copytree(two, folder / "checkpoint-4")
    with pytest.raises(UptakeError, match=f"it is of checkpoint-2 .*, and not of checkpoint-4 of the .* {training_of}"):
        read_state(folder / "checkpoint-4", training_of)


def state_name(checkpoint: Path) -> str:
    with safe_open(checkpoint / STATE_FILE, framework="pt") as file:
        said: dict[str, str] = file.metadata()
    return said["of"]


@pytest.mark.parametrize("hook", ["data", "adapt", "begin"])
def test_what_is_kept_before_the_end_is_refused(hook: str, job: Job):
    def data(stage: StageView, memory: Memory) -> StageView:
        memory.keep("rows", stage.rows)
        return stage

    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        memory.keep("rows", stage.rows)
        return model

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        memory.keep("rows", stage.rows)
        return {}

    hooks = {"data": Hooks(data=data), "adapt": Hooks(adapt=adapt), "begin": Hooks(begin=begin)}
    with pytest.raises(UptakeError, match=r"mine.rows is to be kept before the stage is at its end"):
        rehearse(job, chain({"mine": hooks[hook]}))


@pytest.mark.filterwarnings("ignore:`label_smoothing_factor` is deprecated:FutureWarning")
@pytest.mark.parametrize(("name", "value"), [("label_smoothing_factor", 0.1), ("loss_type", "dft")])
def test_weights_of_rows_are_refused_where_the_loss_is_another(name: str, value: Any, job: Job):
    def data(stage: StageView, memory: Memory) -> StageView:
        return replace(stage, rows=noted(stage.rows, weight=[0.5, 1.0]))

    hooks = chain({"mine": Hooks(data=data)})
    rehearse(job, hooks)
    with pytest.raises(UptakeError, match=rf"the training setting {name} is {value}, and a strategy gives rows"):
        rehearse(replace(job, settings={**job.settings, name: value}), hooks)


def refused(config: RunConfig) -> UptakeError:
    with pytest.raises(UptakeError) as told:
        planned(training_run(config))
    return told.value


@pytest.mark.parametrize("name", ["ema", "agem", "lwf"])
def test_batches_that_grow_smaller_are_refused(name: str, run_config: Callable[..., RunConfig]):
    error = refused(run_config(strategy=[name], training=QUICK | {"auto_find_batch_size": True}))
    assert f"the strategy {name} " in error.problem and "auto_find_batch_size" in error.problem


@pytest.mark.parametrize("names", [["ema", "early_stop"], ["early_stop", "ema"]])
def test_a_stage_is_not_ended_by_weights_that_it_does_not_end_with(
    names: list[str], run_config: Callable[..., RunConfig]
):
    error = refused(run_config(strategy=names))
    assert "the strategy early_stop ends the stage by the loss of the weights in training" in error.problem
    assert "the strategy ema ends with other weights" in error.problem


def test_the_validation_set_is_a_part_of_what_identifies_a_stage(run_config: Callable[..., RunConfig]):
    found = []
    for answer in (None, " Paris", " Rome"):
        run = training_run(run_config(strategy=["early_stop"]))
        held = () if answer is None else (Example(id="v", prompt=EARLY[0]["prompt"], response=answer, source="v"),)
        run = replace(run, stages=tuple(replace(spec, validation=held) for spec in run.stages))
        found.append(planned(run)[1][0].identity.get("validation"))
    assert found[0] is None and found[1]["n"] == 1 and found[1] != found[2]

"""Every strategy in the training of two small stages: where it is refused, that it acts, and that it can do nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from members import ACTING, NOTHING, ONLY_LORA, TRAINED

from small_models import write_rows
from train_runs import EARLY, LORA, QUICK, same, weights, write_run
from uptake.artifacts import read_json
from uptake.cli.train import show_trained
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.models.training.hooks import Hooks, Needs, StageView
from uptake.models.training.memory import Memory
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.models.training.watch import Watch
from uptake.pipeline.train.run import planned, train, train_run, training_run
from uptake.processes import Processes
from uptake.strategies import STRATEGIES
from uptake.strategies.choose import choose

STAGES = [{"name": "early", "dataset": "./broken.jsonl"}, {"name": "main", "dataset": "./main.jsonl"}]
"""The first stage's data cannot be read: a refusal that comes at all comes before that."""

CANNOT: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "packing": ({"packing": True}, ("replay", "lwf", "resampling", "early_stop")),
    "padding_free": ({"padding_free": True}, ("lwf",)),
    "deepspeed": ({"deepspeed": {"zero_optimization": {"stage": 2}}}, ("lwf", "ema", "agem", "olora", "resampling")),
    "fsdp": ({"fsdp": "full_shard"}, ("lwf", "ema", "agem", "olora", "early_stop")),
    "auto_find_batch_size": ({"auto_find_batch_size": True}, ("resampling", "early_stop")),
}
"""Settings, and the strategies that cannot be had with them."""

WORDS = {
    "packing": "packing|pack", "padding_free": "padding_free", "deepspeed": "DeepSpeed", "fsdp": "FSDP",
    "auto_find_batch_size": "auto_find_batch_size",
}  # fmt: skip


def refused(config: RunConfig, processes: Processes | None = None) -> UptakeError:
    run = training_run(config) if processes is None else training_run(config, processes)
    with pytest.raises(UptakeError) as told:
        planned(run)
    return told.value


def of(name: str) -> dict[str, Any]:
    """The strategy with settings that act, and an adapter where it needs one."""
    return {"strategy": {name: dict(ACTING[name])}, "peft": LORA if name in ONLY_LORA else None}


@pytest.mark.parametrize(("cause", "name"), [(cause, name) for cause, (_, names) in CANNOT.items() for name in names])
def test_what_a_strategy_needs_is_refused_where_it_cannot_be_had(
    cause: str, name: str, run_config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "broken.jsonl").write_text("no JSON\n")
    without_launcher(monkeypatch)
    training = QUICK | CANNOT[cause][0]
    error = refused(run_config(stages=STAGES, training=training, ledger="off", **of(name)))
    assert f"the strategy {name} " in error.problem
    assert any(word in str(error) for word in WORDS[cause].split("|"))
    assert error.fix


def without_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed is not installed here, and FSDP wants its launcher: what uptake refuses comes before either."""
    from uptake.models.training import job

    real = job.arguments
    kept = ("deepspeed", "fsdp")
    monkeypatch.setattr(
        job, "arguments", lambda given, *rest: real({k: v for k, v in given.items() if k not in kept}, *rest)
    )


@pytest.mark.parametrize("split", ["fsdp", "deepspeed"])
@pytest.mark.parametrize("name", ["lwf", "ema", "agem", "olora", "resampling", "early_stop"])
def test_a_launcher_that_splits_the_model_is_refused_too(
    name: str, split: str, run_config: Callable[..., RunConfig], tmp_path: Path
):
    (tmp_path / "broken.jsonl").write_text("no JSON\n")
    error = refused(run_config(stages=STAGES, ledger="off", **of(name)), Processes(sharded=(split,)))
    assert f"the strategy {name} " in error.problem and "leave" not in error.problem
    assert {"fsdp": "FSDP", "deepspeed": "DeepSpeed"}[split] in error.problem


def test_an_adapter_is_asked_for_by_the_strategy_that_needs_one(run_config: Callable[..., RunConfig], tmp_path: Path):
    (tmp_path / "broken.jsonl").write_text("no JSON\n")
    error = refused(run_config(stages=STAGES, strategy=["olora"]))
    assert "the strategy olora trains LoRA adapters" in error.problem and error.fix
    more = LORA | {"use_dora": True}
    assert (
        "olora cannot join adapters that have use_dora"
        in refused(run_config(stages=STAGES, strategy=["olora"], peft=more)).problem
    )


@pytest.mark.parametrize("name", ["replay", "agem"])
def test_a_memory_that_no_earlier_stage_keeps_is_refused(
    name: str, run_config: Callable[..., RunConfig], tmp_path: Path
):
    (tmp_path / "broken.jsonl").write_text("no JSON\n")
    for first in ({}, {"strategy": {name: dict(NOTHING[name])}}):
        stages = [STAGES[0] | first, STAGES[1] | {"strategy": name}]
        error = refused(run_config(stages=stages))
        assert f"the strategy {name} in the stage 'main' needs what earlier stages keep for it" in error.problem


@pytest.mark.parametrize("name", ["merging", "joint"])
def test_a_stage_in_between_that_would_be_undone_is_refused(
    name: str, run_config: Callable[..., RunConfig], tmp_path: Path
):
    (tmp_path / "broken.jsonl").write_text("no JSON\n")

    def told(*with_it: bool, **settings: object) -> UptakeError:
        each = zip("abc", with_it, strict=True)
        own: dict[str, Any] = {name: settings}
        return refused(
            run_config(
                stages=[{"name": one, "dataset": "broken.jsonl", "strategy": own if it else []} for one, it in each]
            )
        )

    error = told(True, False, True)
    assert f"the strategy {name} begins the stage 'c'" in error.problem and error.fix == "give it to b too"
    assert "broken.jsonl" in str(told(True, True, False))  # the last one goes on from what the two gave
    if name == "joint":  # from the former stage's weights: nothing is undone
        assert "broken.jsonl" in str(told(True, False, True, start="former"))


def test_unreadable_data_are_what_is_told_where_nothing_is_refused(
    run_config: Callable[..., RunConfig], tmp_path: Path
):
    (tmp_path / "broken.jsonl").write_text("no JSON\n")
    assert "broken.jsonl" in str(refused(run_config(stages=STAGES, strategy=["replay"])))


def test_settings_that_do_nothing_are_plain_training(trainable: Path, tmp_path: Path):
    outputs = []
    for number, strategy in enumerate(({}, NOTHING)):
        config = load_run(write_run(tmp_path / str(number), trainable, strategy=dict(strategy)))
        train_run(config)
        outputs.append(config.output_dir / "train")
    for stage in ("early", "main"):
        assert same(outputs[0] / stage, outputs[1] / stage)
        assert not (outputs[1] / stage / "memory").exists()


@pytest.fixture(scope="module")
def plain(trainable: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The second stage of plain training, of all weights and by LoRA."""
    found = {}
    for lora in (False, True):
        config = accumulating(tmp_path_factory.mktemp("plain"), trainable, {}, lora)
        train_run(config)
        found[lora] = config.output_dir / "train" / "main"
    return found


def accumulating(folder: Path, base: Path, strategy: dict[str, Any], lora: bool) -> RunConfig:
    """A run whose second stage contradicts the first one, so that their gradients do."""
    training = QUICK | {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "learning_rate": 3e-2}
    run = write_run(folder, base, strategy=strategy, training=training, peft=LORA if lora else None)
    answers = [row["completion"] for row in EARLY]
    other = [row | {"id": f"m-{k}", "completion": answers[k - 1]} for k, row in enumerate(EARLY)]
    write_rows(folder / "main.jsonl", other)
    return load_run(run)


WAYS = [(name, name in ONLY_LORA or name in ("lwf", "agem")) for name in TRAINED]
"""Each strategy once: those that need an adapter with one, and of the others a few."""


@pytest.mark.parametrize(("name", "lora"), WAYS)
def test_a_strategy_acts_with_accumulation(
    name: str, lora: bool, plain: dict[bool, Path], trainable: Path, tmp_path: Path
):
    config = accumulating(tmp_path, trainable, {name: dict(ACTING[name])}, lora)
    done = train_run(config)
    folder = config.output_dir / "train" / "main"
    assert [one.found for one in done] == [False, False]
    assert all(torch.isfinite(value).all() for value in weights(folder).values())
    assert not same(folder, plain[lora])
    assert [one["name"] for one in read_json(folder / "manifest.json")["strategies"]] == [name]
    again = train_run(config)
    assert [replace(one, found=False) for one in again] == done


def test_the_table_and_the_card_name_what_trained_a_stage(trainable: Path, tmp_path: Path):
    stages = [
        {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 1, "strategy": []},
        {"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 1},
    ]
    config = load_run(write_run(tmp_path, trainable, stages=stages, strategy=[{"ema": {"beta": 0.7}}, "lwf"]))
    done = train_run(config)
    assert [one.strategies for one in done] == [(), ("ema", "lwf")]
    lines = show_trained(done).splitlines()
    assert lines[0].split()[-1] == "strategy" and lines[2].endswith("ema, lwf") and "lwf" not in lines[1]
    cards = [(config.output_dir / "train" / name / "README.md").read_text() for name in ("early", "main")]
    assert '| ema | `{"beta": 0.7}` |' in cards[1] and "strategy" not in cards[0]
    assert "strategy" not in show_trained(done[:1])


def test_rows_that_a_later_strategy_adds_have_their_source(trainable: Path, tmp_path: Path):
    """`resampling` asks for the source of each row, and `replay` after it adds rows."""
    strategy = [{"resampling": dict(ACTING["resampling"])}, {"replay": {"share": 0.25}}]
    config = load_run(write_run(tmp_path, trainable, strategy=strategy))
    early, main = train_run(config)
    assert main.examples > early.examples == len(EARLY)


def test_rows_are_left_where_most_are_set_aside():
    [chosen] = choose({"early_stop": {"share": 0.9}})
    data = chosen.hooks().data
    assert data is not None
    rows = table(Row(str(k), [1, 2], [NOT_TRAINED, 2]) for k in range(3))
    view = data(StageView(0, "s", 0, rows), Memory())
    assert len(view.rows) == 1 and view.validation is not None and len(view.validation) == 2


def test_the_losses_that_are_noted_are_without_what_a_strategy_adds(trainable: Path, tmp_path: Path):
    """A term of 1000 in each batch has no gradient: weights and losses are those of plain training."""
    found = {}
    hooks = Hooks(Needs(), loss=lambda batch, state: batch.zero() + 1000)
    for value in (None, 1000.0):
        config = accumulating(tmp_path / str(value), trainable, {} if value is None else {"ema": {"beta": 0.5}}, False)
        run = training_run(config)
        if value is not None:
            member = replace(STRATEGIES["ema"], hooks=lambda settings: hooks)
            chosen = (replace(run.stages[0].strategies[0], strategy=member),)
            run = replace(run, stages=tuple(replace(spec, strategies=chosen) for spec in run.stages))
        found[value] = train(run)
    plain, other = found.values()
    assert same(plain[1].folder, other[1].folder)
    for one, two in zip(plain, other, strict=True):
        assert (two.loss_start, two.loss_end) == pytest.approx((one.loss_start, one.loss_end), abs=1e-3)


def test_a_stage_that_is_resumed_with_another_strategy_is_told_so(
    run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    """The checkpoint has no state of a strategy, and is not damaged for that."""

    def stop(self: Watch, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt

    training = QUICK | {"save_strategy": "steps", "save_steps": 2}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Watch, "on_step_begin", stop)
        train_run(run_config(training=training))
    with pytest.raises(UptakeError, match=r"'early' was begun in .* from something else:\n(.*\n)*  strategies: got"):
        train_run(run_config(training=training, strategy=["ema"]))


def test_the_sources_of_rows_are_a_part_of_what_identifies_a_stage(
    run_config: Callable[..., RunConfig], tmp_path: Path
):
    """`resampling` draws by them; a plain stage does not look at them."""
    found: dict[bool, list[Any]] = {False: [], True: []}
    for source in ("a", "b"):
        for drawn in (False, True):
            config = run_config(strategy=["resampling"] if drawn else [])
            write_rows(tmp_path / "early.jsonl", [row | {"source": source} for row in EARLY])
            found[drawn].append(planned(training_run(config))[1][0].identity)
    assert found[False][0] == found[False][1]
    one, other = found[True]
    assert one["sources"] != other["sources"] and one["data"] == other["data"]


def test_adapters_are_joined_when_all_others_are_done(trainable: Path, tmp_path: Path):
    ended = []
    for number, strategy in enumerate((["olora", "replay", "ema"], ["replay", "ema", "olora"])):
        config = load_run(write_run(tmp_path / str(number), trainable, strategy=strategy, peft=LORA))
        train_run(config)
        ended.append(config.output_dir / "train" / "main")
    assert same(*ended)


def test_a_memory_that_is_gone_is_told_and_not_trained_without(trainable: Path, tmp_path: Path):
    """Also by a stage that uses none: it would pass on nothing."""
    stages = [{"name": name, "dataset": "./main.jsonl", "num_train_epochs": 1} for name in ("early", "last")]
    plain = {"name": "plain", "dataset": "./early.jsonl", "num_train_epochs": 1, "strategy": []}
    keys = {"strategy": [{"replay": {"share": 0.5}}], "ledger": "off"}
    train_run(load_run(write_run(tmp_path, trainable, stages=stages[:1], **keys)))
    memory = tmp_path / "run" / "train" / "early" / "memory"
    (memory / "memory.json").unlink()
    for later in (stages[1:], [plain, stages[1]]):
        config = load_run(write_run(tmp_path, trainable, stages=[stages[0], *later], **keys))
        with pytest.raises(UptakeError, match="is not what the stage 'early' left"):
            train_run(config)
        assert not (tmp_path / "run" / "train" / str(later[0]["name"])).exists()

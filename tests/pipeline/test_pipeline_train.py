"""`uptake train` from a run file to models: what is trained, what is kept, what is refused, and what a kill costs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.compute as pc
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import Trainer

from small_models import write_rows
from uptake.artifacts import locked, read_json
from uptake.config import RunConfig, load_run
from uptake.data import LoadOptions, Turn, encode, load
from uptake.errors import UptakeError
from uptake.ledger import read_ledger
from uptake.models import train_stage
from uptake.models.load import resolve
from uptake.models.rows import Scored
from uptake.models.tiny import CHATML, build_model, save, train_tokenizer
from uptake.models.train import fine_tune
from uptake.models.train_watch import Watch
from uptake.pipeline.train import Trained, train_run
from uptake.pipeline.train_plan import plan

CITIES = ("Paris", "Rome", "Oslo and Bergen", "Lima", "Cairo", "New Delhi", "Bern", "Kyiv", "Riga", "Doha", "Quito")
EARLY = [{"id": f"e-{k}", "prompt": f"Person {k} was born in", "completion": f" {c}"} for k, c in enumerate(CITIES)]
MAIN = [{"id": f"m-{k}", "prompt": f"Person {k} lives in", "completion": f" {c}"} for k, c in enumerate(CITIES[::-1])]
QUICK = {"per_device_train_batch_size": 4, "learning_rate": 1e-2, "gradient_checkpointing": False}
LORA = {"r": 2, "target_modules": ["q_proj", "v_proj"]}

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Qwen3-shaped model with dropout, so that random numbers matter to its training."""
    texts = [row["prompt"] + row["completion"] for row in EARLY + MAIN]
    tokenizer = train_tokenizer(texts, 320, chat_template=CHATML)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    folder = tmp_path_factory.mktemp("models") / "base"
    save(build_model("qwen3", tokenizer, 0, attention_dropout=0.1, **shape), tokenizer, folder)
    return folder


def write_run(folder: Path, base: Path, **keys: Any) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    write_rows(folder / "early.jsonl", EARLY)
    write_rows(folder / "main.jsonl", MAIN)
    run = {
        "model_name_or_path": str(base),
        "stages": [
            {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 2},
            {"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 2},
        ],
        "training": QUICK,
        "output_dir": "./run",
        "device": "cpu",
        **keys,
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    return folder / "run.yaml"


@pytest.fixture
def config(base: Path, tmp_path: Path) -> Callable[..., RunConfig]:
    """The run's configuration, with keys of its own."""
    return lambda **keys: load_run(write_run(tmp_path, base, **keys))


def one(**keys: Any) -> list[dict[str, Any]]:
    return [{"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 1, **keys}]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    [file] = folder.glob("*.safetensors")
    return load_file(file)


def same(some: Path, other: Path) -> bool:
    one, two = weights(some), weights(other)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, list[Trained]]:
    """Both stages trained, never killed."""
    config = load_run(write_run(tmp_path_factory.mktemp("whole"), base))
    return config, train_run(config)


def test_stages_train_what_trl_trains_by_itself(whole: tuple[RunConfig, list[Trained]], base: Path, tmp_path: Path):
    """Bit for bit the weights of TRL's trainer on its own preparation of the rows, each stage from the former."""
    config, done = whole
    start = base
    for stage in config.stages:
        examples = load(stage.dataset).examples
        settings = {**QUICK, "num_train_epochs": 2, "disable_tqdm": True}
        start = fine_tune(start, examples, tmp_path / stage.name, settings)
        assert same(start, config.output_dir / "train" / stage.name)
    assert [(one.stage, one.examples, one.steps, one.found) for one in done] == [
        ("early", 11, 6, False),
        ("main", 11, 6, False),
    ]


def test_the_folder_holds_a_model_a_manifest_and_a_card(whole: tuple[RunConfig, list[Trained]]):
    config, done = whole
    folder = config.output_dir / "train" / "main"
    assert files(config.output_dir / "train") == {".lock", "bad_rows.jsonl"} | {
        f"{stage}/{name}"
        for stage in ("early", "main")
        for name in (
            "README.md", "chat_template.jinja", "config.json", "generation_config.json", "manifest.json",
            "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        )
    }  # fmt: skip
    manifest = read_json(folder / "manifest.json")
    assert manifest["start_model"] == read_json(folder.parent / "early" / "manifest.json")["model"]
    assert (manifest["steps"], manifest["examples"], manifest["processes"], manifest["seed"]) == (6, 11, 1, 0)
    assert manifest["settings"]["learning_rate"] == 1e-2
    assert str(config.output_dir.parent) not in (folder / "manifest.json").read_text()
    card = (folder / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["base_model"], front["library_name"]) == ("base", "transformers")
    assert "| learning_rate | `0.01` |" in card and manifest["files"]["main.jsonl"] in card
    assert str(config.output_dir.parent) not in card
    # by the ledger's own rows: nats a token in the first and the last tenth of six steps, which is one step each
    table = read_ledger(config.output_dir).table
    for step, value in ((1, done[1].loss_start), (6, done[1].loss_end)):
        rows = [r for r in table.to_pylist() if (r["stage"], r["pass"], r["step"]) == ("main", "train", step)]
        assert value == pytest.approx(sum(r["nll"] for r in rows) / sum(r["tokens"] for r in rows), rel=1e-6)


def test_the_ledger_has_every_example_of_all_stages_so_far(whole: tuple[RunConfig, list[Trained]]):
    config, done = whole
    table = read_ledger(config.output_dir).table.to_pylist()
    early, main = [row["id"] for row in EARLY], [row["id"] for row in MAIN]
    for stage, trained, scored in (("early", early, early), ("main", main, early + main)):
        for epoch in (0, 1):
            rows = [r for r in table if (r["stage"], r["epoch"]) == (stage, epoch)]
            assert sorted(r["id"] for r in rows if r["pass"] == "train") == sorted(trained)
            assert sorted(r["id"] for r in rows if r["pass"] == "epoch") == sorted(scored)
    last = {r["id"]: r for r in table if (r["stage"], r["epoch"], r["pass"]) == ("main", 1, "epoch")}
    assert done[1].recalled == sum(last[name]["recalled"] for name in main) / 11
    # the last scoring pass is of the model that was saved: the engine, asked afresh, says the same
    model = resolve(config.output_dir / "train" / "main")
    encoded = encode([Turn(row["prompt"], row["completion"]) for row in EARLY + MAIN], model.tokenizer)
    scores = model.score([[Scored(item.ids, item.start)] for item in encoded])
    for row, (numbers,) in zip(EARLY + MAIN, scores, strict=True):
        assert last[row["id"]]["nll"] == pytest.approx(-float(numbers[0].sum()), abs=1e-4)
        assert last[row["id"]]["tokens"] == numbers.shape[1]


def test_what_is_trained_is_skipped(whole: tuple[RunConfig, list[Trained]], monkeypatch: pytest.MonkeyPatch):
    config, done = whole
    monkeypatch.setattr(train_stage, "train", lambda *_: pytest.fail("trained again"))
    again = train_run(config)
    assert [one.found for one in again] == [True, True]
    assert [(one.loss_end, one.recalled) for one in again] == [(one.loss_end, one.recalled) for one in done]


def changed_data(folder: Path) -> None:
    rows = [dict(row) for row in EARLY]
    rows[3]["completion"] = " Tokyo"
    write_rows(folder / "early.jsonl", rows)


@pytest.mark.parametrize(
    ("keys", "change", "message"),
    [
        ({}, changed_data, "'early' was trained in .*early from something else:\n  data.content: got .*, expected .*"),
        ({"training": QUICK | {"weight_decay": 0.5}}, None, "settings.weight_decay: got 0.5, expected None"),
        ({"seed": 1}, None, "settings.seed: got 1, expected 0"),
        ({"ledger": "off"}, None, "ledger: got off, expected epochs"),
        ({"peft": LORA}, None, "peft: got .*, expected None"),
    ],
)
def test_what_changed_between_runs_is_told_before_any_training(
    whole: tuple[RunConfig, list[Trained]], base: Path, keys: Any, change: Any, message: str, tmp_path: Path
):
    run = write_run(tmp_path, base, **{"output_dir": str(whole[0].output_dir), **keys})
    if change:
        change(tmp_path)
    with pytest.raises(UptakeError, match=message) as told:
        train_run(load_run(run))
    assert "another --output_dir, or delete" in str(told.value)


def test_settings_that_change_nothing_may_change(whole: tuple[RunConfig, list[Trained]], base: Path, tmp_path: Path):
    more = QUICK | {"logging_steps": 1, "save_strategy": "no", "report_to": "none"}
    run = write_run(tmp_path, base, output_dir=str(whole[0].output_dir), training=more)
    assert [one.found for one in train_run(load_run(run))] == [True, True]


def test_a_stage_whose_start_is_gone_is_refused(config: Callable[..., RunConfig]):
    train_run(config(ledger="off", training=QUICK | {"max_steps": 1}))
    folder = config().output_dir / "train"
    (folder / "early").rename(folder / "elsewhere")
    with pytest.raises(UptakeError, match="main is there, but the stage 'early'.*is not finished"):
        train_run(config(ledger="off", training=QUICK | {"max_steps": 1}))


def test_training_an_early_stage_again_clears_the_later_ones_rows(config: Callable[..., RunConfig]):
    few = config(training=QUICK | {"max_steps": 1}, ledger="training")
    train_run(few)
    for stage in ("early", "main"):
        for path in (few.output_dir / "train" / stage).iterdir():
            path.unlink()
        (few.output_dir / "train" / stage).rmdir()
    train_run(config(training=QUICK | {"max_steps": 1}, ledger="training", stages=[one_early()]))
    assert set(read_ledger(few.output_dir).stages) == {"early", "main"}  # not a stage of this run: not its business
    for path in (few.output_dir / "train" / "early").iterdir():
        path.unlink()
    (few.output_dir / "train" / "early").rmdir()
    seen: list[tuple[str, ...]] = []
    train_run(
        config(training=QUICK | {"max_steps": 1}, ledger="training"),
        lambda step, done, total: seen.append(read_ledger(few.output_dir).stages),
    )
    assert ("early",) in seen and seen[-1] == ("early", "main")


def one_early() -> dict[str, Any]:
    return {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 2}


def test_ids_that_two_stages_give_to_different_examples_are_told_apart(
    config: Callable[..., RunConfig], tmp_path: Path
):
    run = config(ledger="epochs", training=QUICK | {"max_steps": 3})
    rows = [MAIN[0] | {"id": "e-0"}, EARLY[1], MAIN[2]]  # another under e-0's name; e-1 once more; one of its own
    write_rows(tmp_path / "main.jsonl", rows)
    train_run(run)
    table = read_ledger(run.output_dir).table
    main = table.filter(pc.equal(table["stage"], "main"))
    assert set(main.filter(pc.equal(main["pass"], "train"))["id"].to_pylist()) == {"e-0@main", "e-1", "m-2"}
    last = main.filter(pc.and_(pc.equal(main["pass"], "epoch"), pc.equal(main["step"], 3)))
    assert last["id"].to_pylist() == sorted([row["id"] for row in EARLY] + ["e-0@main", "m-2"])


def test_copies_without_ids_are_told_apart_as_in_the_diagnosis(config: Callable[..., RunConfig], tmp_path: Path):
    run = config(stages=one(), ledger="training")
    row = {"prompt": "Ann lives in", "completion": " Oslo"}
    write_rows(tmp_path / "main.jsonl", [row, row, {"prompt": "Bob lives in", "completion": " Rome"}])
    train_run(run)
    known = [example.id for example in load(tmp_path / "main.jsonl").examples]
    assert len(set(known)) == 3
    assert set(read_ledger(run.output_dir).table["id"].to_pylist()) == set(known)


def test_conversations_train_what_the_diagnosis_scores(config: Callable[..., RunConfig], tmp_path: Path):
    """All assistant turns, with the run's own template; that `encode` equals TRL: tests/data/test_encode_trl.py."""
    template = CHATML.replace("<|im_start|>", "<|im_end|>")
    (tmp_path / "template.jinja").write_text(template)
    turns = [("user", "Where was Ann born?"), ("assistant", "Oslo"), ("user", "And Bob?"), ("assistant", "Rome")]
    messages = [{"role": role, "content": content} for role, content in turns]
    run = config(stages=one(), assistant_turns="all", chat_template=str(tmp_path / "template.jinja"))
    write_rows(tmp_path / "main.jsonl", [{"id": "talk", "messages": messages}])
    [found] = plan(run)
    examples = load(tmp_path / "main.jsonl", LoadOptions(assistant_turns="all")).examples
    assert found.job.tokenizer.chat_template == template
    encoded = encode([Turn(e.prompt, e.response) for e in examples], found.job.tokenizer)
    assert found.job.rows.to_pylist() == [
        {"id": f"talk#{k}", "input_ids": e.ids, "labels": [-100] * e.start + e.ids[e.start :]}
        for k, e in enumerate(encoded, 1)
    ]
    train_run(run)
    assert (run.output_dir / "train" / "main" / "chat_template.jinja").read_text() == template


def test_what_is_cut_and_what_nothing_is_left_of(config: Callable[..., RunConfig], tmp_path: Path):
    rows = [MAIN[0], {"id": "long", "prompt": "very " * 12, "completion": " long"}]
    rows.append({"id": "cut", "prompt": "A", "completion": " word" * 12})
    run = config(stages=one(), training=QUICK | {"max_length": 12})
    write_rows(tmp_path / "main.jsonl", rows)
    with pytest.raises(UptakeError, match=r"main.jsonl:2: example long: nothing of its response is left.* 12") as told:
        train_run(run)
    assert "--on_bad_row skip" in str(told.value)
    assert not (run.output_dir / "train" / ".main.work").exists()
    run = config(stages=one(), training=QUICK | {"max_length": 12}, on_bad_row="skip")
    write_rows(tmp_path / "main.jsonl", rows)
    [found] = plan(run)
    assert (found.ids, found.cut, len(found.bad_rows)) == (["m-0", "cut"], 1, 1)
    assert max(map(len, found.job.rows["input_ids"].to_pylist())) == 12
    train_run(run)
    bad = [json.loads(line) for line in (run.output_dir / "train" / "bad_rows.jsonl").read_text().splitlines()]
    assert [(row["dataset"], row["line"]) for row in bad] == [("main", 2)]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"gradient_accumulation_steps": 3, "num_train_epochs": 1.5},
        {"max_steps": 5},
        {"dataloader_drop_last": True, "gradient_accumulation_steps": 2},
        {"padding_free": True},
    ],
    ids=lambda more: "-".join(more) or "plain",
)
def test_the_plan_counts_the_steps_that_are_done(more: dict[str, Any], config: Callable[..., RunConfig]):
    stages = [{"name": "main", "dataset": "./main.jsonl"}]
    run = config(stages=stages, training=QUICK | {"num_train_epochs": 2} | more, ledger="off")
    [found], [done] = plan(run), train_run(run)
    assert found.steps == done.steps
    assert done.loss_start is None or done.loss_start > 0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"training": {"learning_rat": 1}}, "unknown training setting 'learning_rat'"),
        ({"training": {"learning_rate": "fast"}}, "learning_rate is 'fast'\nexpected: a number"),
        ({"training": {"max_steps": 1.5}}, "max_steps is 1.5\nexpected: a whole number"),
        ({"training": {"bf16": 3}}, "bf16 is 3\nexpected: true or false"),
        ({"training": {"trust_remote_code": True}}, "never on as a training setting"),
        ({"training": {"assistant_only_loss": True}}, "give --assistant_turns all"),
        ({"training": {"seed": 5}}, "seed is 0, and training.seed is 5"),
        ({"training": {"num_train_epochs": 5}}, r"stages.early.num_train_epochs is 2.0, and training.num_train_epochs"),
        (
            {"training": {"packing": True}},
            "the ledger cannot tell them apart\nexpected: packing: false, or ledger: off",
        ),
        ({"training": {"eos_token": "<nope>"}}, "eos_token is '<nope>'"),
        ({"training": {"eval_strategy": "steps"}}, "the trainer refuses the settings: .*eval"),
        ({"peft": {"rank": 4}}, "unknown peft setting 'rank'"),
        ({"peft": {"r": -1}}, "peft refuses the settings|peft cannot put"),
        ({"peft": {"r": 2, "target_modules": ["nope"]}}, "peft cannot put an adapter on"),
        ({"device": "cuda:1"}, "CUDA_VISIBLE_DEVICES=1"),
    ],
)
def test_settings_are_refused_before_training(
    keys: dict[str, Any], message: str, config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Trainer, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(UptakeError, match=message):
        train_run(config(**keys))


def test_packing_without_the_ledger(config: Callable[..., RunConfig]):
    run = config(stages=one(), training=QUICK | {"packing": True, "max_length": 32}, ledger="off")
    [found], [done] = plan(run), train_run(run)
    assert found.steps is None and 0 < done.steps < 3 and done.recalled is None


def test_one_adapter_over_all_stages(config: Callable[..., RunConfig], base: Path):
    run = config(peft=LORA)
    train_run(run)
    folder = run.output_dir / "train"
    early, main = weights(folder / "early"), weights(folder / "main")
    assert early.keys() == main.keys() and not any(torch.equal(early[name], main[name]) for name in early)
    assert read_json(folder / "main" / "adapter_config.json")["base_model_name_or_path"] == str(base)
    assert read_json(folder / "main" / "adapter_config.json")["task_type"] == "CAUSAL_LM"
    assert "library_name: peft" in (folder / "main" / "README.md").read_text()
    # the ledger's last pass is of the adapter that lies there
    model = resolve(folder / "main")
    [item] = encode([Turn(EARLY[0]["prompt"], EARLY[0]["completion"])], model.tokenizer)
    [[numbers]] = model.score([[Scored(item.ids, item.start)]])
    last = read_ledger(run.output_dir).of("e-0").to_pylist()[-1]
    assert (last["stage"], last["step"]) == ("main", 6)
    assert last["nll"] == pytest.approx(-float(numbers[0].sum()), abs=1e-4)


def test_shuffled_rows_are_those_of_trl_and_keep_their_names(
    config: Callable[..., RunConfig], base: Path, tmp_path: Path
):
    training = QUICK | {"shuffle_dataset": True, "train_sampling_strategy": "sequential", "max_steps": 1}
    run = config(stages=[{"name": "main", "dataset": "./main.jsonl"}], training=training, ledger="training")
    train_run(run)
    order = datasets.Dataset.from_list(MAIN).shuffle(seed=0)["id"]
    assert set(read_ledger(run.output_dir).table["id"].to_pylist()) == set(order[:4])
    examples = load(run.stages[0].dataset).examples
    theirs = fine_tune(base, examples, tmp_path / "trl", training | {"disable_tqdm": True})
    assert same(theirs, run.output_dir / "train" / "main")


@pytest.mark.parametrize("peft", [None, LORA], ids=["full", "lora"])
def test_without_trl_the_same_is_trained(
    peft: Any, config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # plain descent: Adam makes whole steps of gradients that are zero but for rounding
    training = QUICK | {"gradient_checkpointing": peft is None, "optim": "sgd", "learning_rate": 0.1}
    run = config(stages=one(num_train_epochs=2), training=training, peft=peft)
    train_run(run)
    monkeypatch.setitem(sys.modules, "trl", None)  # as if it were not installed
    bare = config(stages=one(num_train_epochs=2), training=training, peft=peft, output_dir="./bare")
    train_run(bare)
    some, other = (read_ledger(each.output_dir).table for each in (run, bare))
    assert some.drop_columns("nll").equals(other.drop_columns("nll"))
    difference = pc.max(pc.abs(pc.subtract(some["nll"], other["nll"]))).as_py()
    assert difference < 1e-4
    one_model, two = weights(run.output_dir / "train/main"), weights(bare.output_dir / "train/main")
    assert all(torch.allclose(one_model[name], two[name], atol=1e-5) for name in one_model)
    with pytest.raises(UptakeError, match=r'needs TRL\nfix: pip install "uptake\[train\]"'):
        plan(config(training=QUICK | {"padding_free": True}))
    with pytest.raises(UptakeError, match=r'TrainingArguments.*\nfix: for those of TRL: pip install "uptake\[train\]"'):
        plan(config(training=QUICK | {"pad_to_multiple_of": 8}))


def test_a_loss_that_is_no_number_ends_training_before_it_is_saved(
    config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    real, steps = Trainer.training_step, []

    def poisoned(self: Trainer, *args: Any, **kwargs: Any) -> torch.Tensor:
        steps.append(1)
        loss = real(self, *args, **kwargs)
        return loss * float("nan") if len(steps) == 5 else loss

    monkeypatch.setattr(Trainer, "training_step", poisoned)
    run = config(stages=one(num_train_epochs=3))
    with pytest.raises(UptakeError, match="the loss of step 5 is nan; its last batch held m-.*, m-") as told:
        train_run(run)
    assert "the same command goes on from step 3" in str(told.value)
    held = str(told.value).split("held ")[1].splitlines()[0].split(", ")
    assert len(held) == 4 and set(held) < {row["id"] for row in MAIN}
    checkpoints = run.output_dir / "train" / ".main.work" / "checkpoints"
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-3"]
    assert all(torch.isfinite(value).all() for value in weights(checkpoints / "checkpoint-3").values())


def test_weights_that_are_no_numbers_are_not_saved(config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch):
    def spoil(self: Watch, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == 3:
            with torch.no_grad():
                next(model.parameters()).fill_(float("inf"))

    monkeypatch.setattr(Watch, "on_pre_optimizer_step", spoil, raising=False)
    monkeypatch.setattr(Watch, "on_step_begin", spoil, raising=False)
    run = config(stages=one(num_train_epochs=2), training=QUICK | {"max_grad_norm": 0.0})
    with pytest.raises(UptakeError, match="(after step|the loss of step) "):
        train_run(run)
    names = [path.name for path in (run.output_dir / "train" / ".main.work" / "checkpoints").glob("checkpoint-*")]
    assert names == ["checkpoint-3"]


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("_save_rng_state", OSError(errno.ENOSPC, "No space left on device"), "the disk is full.*\nfix: free some"),
        ("_save_rng_state", RuntimeError("PytorchStreamWriter failed writing file data/0"), "the disk is full"),
        ("save_model", PermissionError(errno.EACCES, "Permission denied"), "Permission denied\nfix: choose another"),
        ("training_step", torch.OutOfMemoryError("CUDA out of memory"), "out of memory.*\nfix: lower per_device_train"),
    ],
)
def test_what_ends_a_training_is_told_with_what_is_left(
    place: str, error: Exception, message: str, config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    run = config(stages=one())
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, place, raising(error))
        with pytest.raises(UptakeError, match=message) as told:
            train_run(run)
    assert "the same command begins the stage again" in str(told.value)
    assert [one.steps for one in train_run(run)] == [3]


def test_an_interrupt_says_what_is_left(config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch):
    def interrupt(self: Watch, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "on_step_begin", interrupt, raising=False)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on from step 3"):
        train_run(config(stages=one(num_train_epochs=2)))


MOMENTS: dict[str, tuple[dict[str, Any], list[tuple[str, int]]]] = {
    "steps": (
        {"training": QUICK | {"save_strategy": "steps", "save_steps": 2}},
        [("step", 3), ("weights", 1), ("rename", 2)],
    ),
    "lora": (
        {"peft": LORA | {"lora_dropout": 0.2}, "training": QUICK | {"gradient_accumulation_steps": 2}},
        [("saved", 1), ("state", 2), ("ledger", 2), ("model", 2)],
    ),
    "fraction": (
        {
            "stages": [{"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 1.5}],
            "training": QUICK | {"save_strategy": "steps", "save_steps": 1},
        },
        [("state", 2), ("rename", 1)],
    ),
}


@pytest.mark.slow
def test_killed_at_any_moment_the_result_is_the_same(base: Path, tmp_path: Path):
    jobs = []
    for name, (keys, moments) in MOMENTS.items():
        for kind, stops in (("whole", []), ("killed", moments)):
            run = write_run(tmp_path / name / kind, base, **keys)
            jobs.append({"args": ["train", str(run)], "moments": stops})
    script = Path(__file__).with_name("train_killed.py")
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(jobs)],
        capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout)
    for number, (name, (_, moments)) in enumerate(MOMENTS.items()):
        assert ends[2 * number] == [0], done.stderr
        assert ends[2 * number + 1] == [-9] * len(moments) + [0], (name, ends[2 * number + 1], done.stderr)
        require_equal_runs(tmp_path / name / "whole" / "run", tmp_path / name / "killed" / "run")


def require_equal_runs(some: Path, other: Path) -> None:
    assert files(some / "train") == files(other / "train")
    assert not any("training_args" in name or ".work" in name for name in files(other))
    for stage in (path.name for path in (some / "train").iterdir() if path.is_dir()):
        assert same(some / "train" / stage, other / "train" / stage)
        assert read_json(some / "train" / stage / "manifest.json") == read_json(
            other / "train" / stage / "manifest.json"
        )
    assert read_ledger(some).table.equals(read_ledger(other).table)


def launch(run: Path, processes: int, *more: str) -> subprocess.CompletedProcess[str]:
    """What `accelerate launch` does on several devices: torch's launcher, here with processors."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    env = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "-m", "uptake", "train", str(run), *more], capture_output=True, text=True, timeout=240, env=env
    )


@pytest.mark.slow
def test_two_processes_write_one_run(base: Path, tmp_path: Path):
    run = write_run(tmp_path, base, training=QUICK | {"per_device_train_batch_size": 2})
    done = launch(run, 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("to see what was not learned") == 1
    output = tmp_path / "run"
    assert read_json(output / "train/main/manifest.json")["processes"] == 2
    table = read_ledger(output).table.to_pylist()
    for stage, trained, scored in (("early", EARLY, EARLY), ("main", MAIN, EARLY + MAIN)):
        for epoch in (0, 1):
            rows = [r for r in table if (r["stage"], r["epoch"]) == (stage, epoch)]
            # 11 examples in batches of 2 x 2: the twelfth place is filled with one more, in a step of its own
            names = [(r["step"], r["id"]) for r in rows if r["pass"] == "train"]
            assert len(names) == len(set(names)) == 12
            assert {name for _, name in names} == {row["id"] for row in trained}
            assert sorted(r["id"] for r in rows if r["pass"] == "epoch") == sorted(row["id"] for row in scored)
    with pytest.raises(UptakeError, match="processes: got 1, expected 2"):
        train_run(load_run(run))


def test_two_runs_do_not_share_a_folder(config: Callable[..., RunConfig]):
    run = config()
    with locked(run.output_dir / "train"), pytest.raises(UptakeError, match="another process is at work"):
        train_run(run)


def test_what_a_kill_at_the_very_end_leaves_is_cleared(whole: tuple[RunConfig, list[Trained]]):
    work = whole[0].output_dir / "train" / ".main.work"
    (work / "checkpoints" / "checkpoint-6").mkdir(parents=True)
    assert [one.found for one in train_run(whole[0])] == [True, True]
    assert not work.exists()


def test_a_sharded_model_is_not_scored(config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UptakeError, match="sharded over processes .fsdp.*\n.*\nfix: give --ledger training"):
        plan(config(training={"fsdp": "full_shard"}))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UptakeError, match="sharded over processes"):
        plan(config())


def test_a_conversation_that_the_template_refuses_is_a_bad_row(config: Callable[..., RunConfig], tmp_path: Path):
    (tmp_path / "strict.jinja").write_text(
        "{% if messages[0].content == 'no' %}{{ raise_exception('not this') }}{% endif %}" + CHATML
    )
    run = config(stages=one(), chat_template=str(tmp_path / "strict.jinja"), on_bad_row="skip")
    talks = [[{"role": "user", "content": said}, {"role": "assistant", "content": "Oslo"}] for said in ("hi", "no")]
    write_rows(tmp_path / "main.jsonl", [{"id": str(k), "messages": talk} for k, talk in enumerate(talks)])
    [found] = plan(run)
    assert (found.ids, [(bad.line, "not this" in bad.reason) for bad in found.bad_rows]) == (["0"], [(2, True)])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), "cannot load .*"),
        (lambda folder: drop_a_weight(folder / "model.safetensors"), "1 weights that config.json asks for are not in"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot load the tokenizer"),
    ],
)
def test_a_base_that_cannot_be_trained(spoil: Callable[[Path], Any], message: str, base: Path, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    spoil(broken)
    with pytest.raises(UptakeError, match=message):
        train_run(load_run(write_run(tmp_path, broken, ledger="off")))


def drop_a_weight(file: Path) -> None:
    kept = load_file(file)
    kept.pop("model.norm.weight")
    save_file(kept, file, metadata={"format": "pt"})


def test_an_adapter_is_no_base(config: Callable[..., RunConfig], tmp_path: Path):
    run = config(peft=LORA, stages=one(), ledger="off", training=QUICK | {"max_steps": 1})
    train_run(run)
    with pytest.raises(UptakeError, match="is an adapter on .*\n.*\nfix: merge it"):
        plan(load_run(write_run(tmp_path, run.output_dir / "train" / "main")))


def test_a_tokenizer_that_is_larger_than_the_model(base: Path, tmp_path: Path):
    larger = tmp_path / "larger"
    shutil.copytree(base, larger)
    config = read_json(larger / "config.json")
    (larger / "config.json").write_text(json.dumps(config | {"vocab_size": 200}))
    with pytest.raises(UptakeError, match="token id .*, and the model has embeddings for 200 tokens"):
        plan(load_run(write_run(tmp_path, larger)))

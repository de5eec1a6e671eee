"""What `uptake train` refuses, and tells before it trains anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import Trainer

from small_models import write_rows
from train_runs import LORA, MAIN, QUICK, one, planned, write_run
from uptake.artifacts import read_json
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.models.small.tiny import CHATML, build_model, save, train_tokenizer
from uptake.pipeline.train.run import train_run, training_run
from uptake.pipeline.train.settings import require_needs
from uptake.processes import Processes

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


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
        (
            {"training": {"report_to": "nope"}},
            "setting report_to is 'nope': the trainer refuses .* nope is not",
        ),
        ({"training": {"optim_args": "odd"}}, "training setting optim_args is 'odd': the trainer refuses the settings"),
        ({"training": {"lr_scheduler_kwargs": {"odd": 1}}}, "lr_scheduler_kwargs is {'odd': 1}: the trainer refuses"),
        ({"stages": [*one(), one(name="b", training={"optim_args": "odd"})[0]]}, "setting optim_args is 'odd'"),
        ({"peft": {"rank": 4}}, "unknown peft setting 'rank'"),
        ({"peft": {"r": -1}}, "peft refuses the settings|peft cannot put"),
        ({"peft": {"r": 2, "target_modules": ["nope"]}}, "peft cannot put an adapter on"),
        ({"peft": {"r": 2, "target_modules": "("}}, "peft cannot put an adapter on .*: missing "),
        ({"peft": LORA | {"peft_type": "IA3"}}, "the peft setting peft_type is 'IA3'\nexpected: LORA"),
        ({"peft": LORA | {"task_type": "SEQ_CLS"}}, "the peft setting task_type is 'SEQ_CLS'"),
        ({"device": "meta"}, "cannot use device 'meta'"),
        ({"attn_implementation": "nope"}, "cannot build .*: ValueError: .*nope"),
        ({"device": "cuda:1"}, "CUDA_VISIBLE_DEVICES=1"),
    ],
)
def test_settings_are_refused_before_training(
    keys: dict[str, Any], message: str, run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Trainer, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(UptakeError, match=message):
        train_run(run_config(**keys))


def test_several_gpus_of_one_process_are_refused(run_config: Callable[..., RunConfig]):
    run = training_run(run_config(ledger="off"))
    with pytest.raises(UptakeError, match="4 GPUs share this process .*: a step would have 4 times its rows"):
        require_needs(run, run.stages[0], SimpleNamespace(n_gpu=4))


def test_a_sharded_model_is_not_scored(run_config: Callable[..., RunConfig]):
    with pytest.raises(UptakeError, match="sharded over processes .fsdp.*\n.*\nfix: give --ledger training"):
        train_run(run_config(training={"fsdp": "full_shard"}), processes=Processes(world=2))
    with pytest.raises(UptakeError, match="sharded over processes"):
        train_run(run_config(), processes=Processes(world=2, sharded=("fsdp",)))


def test_a_conversation_that_the_template_refuses_is_a_bad_row(run_config: Callable[..., RunConfig], tmp_path: Path):
    (tmp_path / "strict.jinja").write_text(
        "{% if messages[0].content == 'no' %}{{ raise_exception('not this') }}{% endif %}" + CHATML
    )
    run = run_config(stages=one(), chat_template=str(tmp_path / "strict.jinja"), on_bad_row="skip")
    talks = [[{"role": "user", "content": said}, {"role": "assistant", "content": "Oslo"}] for said in ("hi", "no")]
    write_rows(tmp_path / "main.jsonl", [{"id": str(k), "messages": talk} for k, talk in enumerate(talks)])
    [found] = planned(run)
    assert (found.ids, [(bad.line, "not this" in bad.reason) for bad in found.bad_rows]) == (["0"], [(2, True)])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), "cannot read .*config.json: Unrecognized model"),
        (
            lambda folder: drop_a_weight(folder / "model.safetensors"),
            "1 weight .* that config.json asks for are not in",
        ),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot load the tokenizer"),
        (lambda folder: [path.unlink() for path in folder.glob("tokenizer*")], "broken has no tokenizer"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json.* is not a valid JSON file"),
    ],
)
def test_a_base_that_cannot_be_trained(spoil: Callable[[Path], Any], message: str, trainable: Path, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(trainable, broken)
    spoil(broken)
    with pytest.raises(UptakeError, match=message):
        train_run(load_run(write_run(tmp_path, broken, ledger="off")))


def drop_a_weight(file: Path) -> None:
    kept = load_file(file)
    kept.pop("model.norm.weight")
    save_file(kept, file, metadata={"format": "pt"})


def test_an_adapter_is_no_base(run_config: Callable[..., RunConfig], tmp_path: Path):
    run = run_config(peft=LORA, stages=one(), ledger="off", training=QUICK | {"max_steps": 1})
    train_run(run)
    with pytest.raises(UptakeError, match="is an adapter on .*\n.*\nfix: merge it"):
        planned(load_run(write_run(tmp_path, run.output_dir / "train" / "main")))


def test_a_tokenizer_that_is_larger_than_the_model(trainable: Path, tmp_path: Path):
    larger = tmp_path / "larger"
    shutil.copytree(trainable, larger)
    config = read_json(larger / "config.json")
    (larger / "config.json").write_text(json.dumps(config | {"vocab_size": 200}))
    with pytest.raises(UptakeError, match="token id .*, and the model has embeddings for 200 tokens"):
        planned(load_run(write_run(tmp_path, larger)))


def test_adapters_that_begin_with_the_weights_themselves_are_planned(run_config: Callable[..., RunConfig]):
    [found] = planned(run_config(stages=one(), peft=LORA | {"init_lora_weights": "pissa"}))
    assert found.identity["peft"]["init_lora_weights"] == "pissa"


def test_a_template_that_cannot_be_read_is_no_fault_of_the_rows(run_config: Callable[..., RunConfig], tmp_path: Path):
    (tmp_path / "broken.jinja").write_text("{% for x in %}")
    run = run_config(stages=one(), chat_template=str(tmp_path / "broken.jinja"), on_bad_row="skip")
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    write_rows(tmp_path / "main.jsonl", [{"id": str(k), "messages": turns} for k in range(2)])
    with pytest.raises(UptakeError, match="the chat template is no Jinja template: line 1: "):
        planned(run)


def test_rows_are_cut_to_the_positions_that_a_model_has_by_any_name(tmp_path: Path):
    # GPT-2 calls them n_positions
    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in MAIN], 320)
    save(build_model("gpt2", tokenizer, 0, n_embd=32, n_layer=1, n_head=2, n_positions=8), tokenizer, tmp_path / "gpt2")
    run = write_run(tmp_path, tmp_path / "gpt2", stages=one(), on_bad_row="skip")
    [found] = planned(load_run(run))
    assert found.cut and max(map(len, found.job.rows["input_ids"].to_pylist())) == 8

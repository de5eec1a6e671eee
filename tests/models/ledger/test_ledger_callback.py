"""The ledger in training: what it writes equals a plain computation, and training does not notice it."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import shutil
import socket
from types import MethodType, SimpleNamespace

import datasets
import pyarrow.parquet as pq
import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import DataCollatorForLanguageModeling, DataCollatorWithFlattening, Trainer, TrainingArguments
from transformers.modeling_outputs import CausalLMOutputWithPast
from trl import SFTConfig, SFTTrainer

import forked
from uptake.artifacts.ledger_files import CONTENT_ID, append, open_stage
from uptake.errors import UptakeError
from uptake.ledger import content_ids, read_ledger, rescoring
from uptake.models.ledger import callback as ledger_callback
from uptake.models.ledger.callback import LedgerCallback
from uptake.models.ledger.carried import Carrying, Numbered
from uptake.models.scoring.live import around
from uptake.models.small.tiny import build_model, train_tokenizer
from uptake.types import Example

CITIES = ("Paris", "Rome", "Oslo and Bergen", "Lima", "Cairo", "New Delhi", "Bern", "Kyiv", "Riga", "Doha", "Quito")
EXAMPLES = [Example(f"ex-{k}", f"Person {k} was born in", f" {city}", "cities") for k, city in enumerate(CITIES)]
ROWS = [{"id": e.id, "prompt": e.prompt, "completion": e.response} for e in EXAMPLES]
SHAPE = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 128}
NAMES = set(inspect.signature(SFTConfig).parameters)
CHECKPOINTING = "activation_checkpointing" if "activation_checkpointing" in NAMES else "gradient_checkpointing"


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([e.prompt + e.response for e in EXAMPLES], 320)


def small(tokenizer, kind="qwen3", **config):
    return build_model(kind, tokenizer, 0, **SHAPE, **config)


def settings(folder, **more):
    """Plain stochastic gradient descent, so that a replay by hand is a few lines."""
    common = {
        "output_dir": str(folder / "trainer"),
        "optim": "sgd",
        "learning_rate": 0.5,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "seed": 0,
    }
    return common | more


def sft(tokenizer, folder, *callbacks, model=None, rows=ROWS, **more):
    more = {CHECKPOINTING: False} | more
    data = datasets.Dataset.from_list(rows) if isinstance(rows, list) else rows
    trainer = SFTTrainer(
        model=model or small(tokenizer),
        args=SFTConfig(**settings(folder, **more)),
        train_dataset=data,
        eval_dataset=data if "eval_strategy" in more else None,
        processing_class=tokenizer,
    )
    for callback in callbacks:
        trainer.add_callback(callback)
    return trainer


def with_ledger(trainer, run, **more):
    trainer.add_callback(LedgerCallback(run, ids=trainer.train_dataset["id"], **more))
    return trainer


def encoded(tokenizer, example):
    """Token ids and labels by hand, as TRL documents them: prompt, completion, end of text; loss on the latter two."""
    before = tokenizer(example.prompt)["input_ids"]
    ids = tokenizer(example.prompt + example.response)["input_ids"] + [tokenizer.eos_token_id]
    return ids, [-100] * len(before) + ids[len(before) :]


@torch.no_grad()
def plain_reading(model, ids, labels):
    """The same numbers from torch alone: one row by itself, cross entropy in one piece."""
    logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].float()
    targets = torch.tensor(labels[1:])
    nll = torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="sum")
    trained = targets != -100
    return float(nll), int(trained.sum()), bool((logits.argmax(-1) == targets)[trained].all())


def replay(model, batches, rate):
    """Descend by hand: for each step, a list of (id, ids, labels); gives what each example read before its step."""
    model.train()
    readings = []
    for step, batch in enumerate(batches, 1):
        for name, ids, labels in batch:
            readings.append((step, name, *plain_reading(model, ids, labels)))
        model.zero_grad()
        tokens = sum(label != -100 for _, _, labels in batch for label in labels[1:])
        for _, ids, labels in batch:
            logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels[1:]), reduction="sum")
            (loss / tokens).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
    return readings


def require_equal(run, expected, tolerance=2e-3):
    table = read_ledger(run).table
    got = {(r["step"], r["id"]): (r["nll"], r["tokens"], r["recalled"]) for r in table.to_pylist()}
    assert len(got) == len(table)
    assert sorted(got) == sorted((step, name) for step, name, *_ in expected)
    for step, name, nll, tokens, recalled in expected:
        assert got[step, name][0] == pytest.approx(nll, rel=tolerance, abs=tolerance), (step, name)
        assert got[step, name][1:] == (tokens, recalled), (step, name)


def batches_of(run, tokenizer):
    """Which examples each step trained on, as the ledger says; what they read is then computed apart from it."""
    by_id = {e.id: e for e in EXAMPLES}
    steps = {}
    for row in read_ledger(run).table.to_pylist():
        steps.setdefault(row["step"], []).append((row["id"], *encoded(tokenizer, by_id[row["id"]])))
    return [steps[step] for step in sorted(steps)]


def require_replayed(run, tokenizer, model, rate=0.5, tolerance=2e-3):
    batches = batches_of(run, tokenizer)
    require_equal(run, replay(model, batches, rate), tolerance)
    for epoch in (0, 1):  # each example once an epoch: the definition of an epoch
        table = read_ledger(run).table.to_pylist()
        assert sorted(r["id"] for r in table if r["epoch"] == epoch) == sorted(e.id for e in EXAMPLES)
        assert {r["times_seen"] for r in table if r["epoch"] == epoch} == {epoch}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
        {"padding_free": True, "max_length": None},
        {"dataloader_num_workers": 2},
        {"train_sampling_strategy": "group_by_length"},
        {CHECKPOINTING: True},
    ],
    ids=lambda more: "-".join(more) or "plain",
)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_rows_are_each_examples_loss_just_before_its_update(more, tokenizer, tmp_path):
    model = small(tokenizer)
    fresh = copy.deepcopy(model)
    more = {name: value for name, value in more.items() if name in NAMES}
    with_ledger(sft(tokenizer, tmp_path, model=model, **more), tmp_path).train()
    require_replayed(tmp_path, tokenizer, fresh)


def test_a_plain_trainer_with_a_causal_collator(tokenizer, tmp_path):
    data = [{"id": e.id, "input_ids": encoded(tokenizer, e)[0]} for e in EXAMPLES]  # a list: ids reach the collator
    model = small(tokenizer, "llama")
    fresh = copy.deepcopy(model)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**settings(tmp_path)),
        train_dataset=data,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )
    trainer.add_callback(LedgerCallback(tmp_path))
    trainer.train()
    steps = batches_of(tmp_path, tokenizer)
    whole = [[(name, ids, [-100, *ids[1:]]) for name, ids, _ in batch] for batch in steps]
    require_equal(tmp_path, replay(fresh, whole, 0.5))


def test_a_loss_of_the_trainers_own_hides_no_labels(tokenizer, tmp_path):
    # with label smoothing the trainer takes the labels out of the batch before the model sees it
    data = [{"id": e.id, "input_ids": encoded(tokenizer, e)[0]} for e in EXAMPLES]
    model = small(tokenizer, "llama")
    fresh = copy.deepcopy(model)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**settings(tmp_path, max_steps=1, label_smoothing_factor=0.2)),
        train_dataset=data,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )
    trainer.add_callback(LedgerCallback(tmp_path))
    trainer.train()
    [batch] = batches_of(tmp_path, tokenizer)
    require_equal(tmp_path, replay(fresh, [[(name, ids, [-100, *ids[1:]]) for name, ids, _ in batch]], 0.5))


def test_a_flattening_collator(tokenizer, tmp_path):
    data = [dict(zip(("input_ids", "labels"), encoded(tokenizer, e), strict=True)) | {"id": e.id} for e in EXAMPLES]
    model = small(tokenizer, "llama")
    fresh = copy.deepcopy(model)
    args = TrainingArguments(**settings(tmp_path))
    trainer = Trainer(model=model, args=args, train_dataset=data, data_collator=DataCollatorWithFlattening())
    trainer.add_callback(LedgerCallback(tmp_path))
    trainer.train()
    require_replayed(tmp_path, tokenizer, fresh)


@pytest.mark.parametrize("kind", ["lora", "prompt"])
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks for it
def test_adapters_on_a_qwen3_shaped_model(kind, tokenizer, tmp_path):
    base = small(tokenizer)
    if kind == "lora":
        adapter = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    else:
        adapter = PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")
    model = get_peft_model(base, adapter)
    fresh = copy.deepcopy(model)
    with_ledger(sft(tokenizer, tmp_path, model=model), tmp_path).train()
    batches = batches_of(tmp_path, tokenizer)
    expected = []
    fresh.eval()
    for name, ids, labels in batches[0]:  # the first step reads the untrained adapter
        logits = fresh(input_ids=torch.tensor([ids])).logits[0, -len(ids) : -1]
        targets = torch.tensor(labels[1:])
        nll = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
        expected.append((name, pytest.approx(float(nll.detach()), rel=1e-3), int((targets != -100).sum())))
    got = [(r["id"], r["nll"], r["tokens"]) for r in read_ledger(tmp_path).table.to_pylist() if r["step"] == 1]
    assert sorted(got) == sorted(expected, key=lambda each: each[0])
    assert len(read_ledger(tmp_path)) == 2 * len(EXAMPLES)


@pytest.mark.parametrize("mixed", [False, True])
def test_bf16(mixed, tokenizer, tmp_path):
    model = small(tokenizer) if mixed else small(tokenizer).to(torch.bfloat16)
    fresh = copy.deepcopy(model)
    with_ledger(sft(tokenizer, tmp_path, model=model, num_train_epochs=1, bf16=mixed), tmp_path).train()
    first = batches_of(tmp_path, tokenizer)[0]
    expected = {name: plain_reading(fresh, ids, labels)[:2] for name, ids, labels in first}
    # eight bits of mantissa: rounding of half a per cent
    got = {r["id"]: (r["nll"], r["tokens"]) for r in read_ledger(tmp_path).table.to_pylist() if r["step"] == 1}
    assert got == {name: (pytest.approx(nll, rel=0.01), tokens) for name, (nll, tokens) in expected.items()}


@pytest.mark.parametrize("more", [{}, {"padding_free": True, "max_length": None}], ids=["padded", "padding_free"])
def test_loss_and_weights_are_the_same_to_the_bit(more, tokenizer, tmp_path):
    results = []
    for run in (None, tmp_path / "run"):
        trainer = sft(tokenizer, tmp_path, model=small(tokenizer, attention_dropout=0.1), optim="adamw_torch", **more)
        if run:
            with_ledger(trainer, run, every_epoch=rescoring(EXAMPLES[:3]))
        loss = trainer.train().training_loss
        results.append((loss, {name: value.clone() for name, value in trainer.model.state_dict().items()}))
    (loss, weights), (other_loss, other) = results
    assert loss == other_loss
    assert all(torch.equal(weights[name], other[name]) for name in weights)
    assert len(read_ledger(tmp_path / "run")) == 2 * (len(EXAMPLES) + 3)


def chunked(model, *, right=True):
    """Let the model compute its loss without ever giving logits, as Liger's fused linear cross entropy does."""

    def forward(self, input_ids, labels=None, num_items_in_batch=None, attention_mask=None, **_):
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[:, :-1]
        logits = self.lm_head(hidden) * (1.0 if right else 4.0)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
        return CausalLMOutputWithPast(loss=loss / num_items_in_batch, logits=None)

    model.forward = MethodType(forward, model)
    return model


def chunked_trainer(tokenizer, folder, model):
    columns = ("input_ids", "labels")
    data = [dict(zip(columns, encoded(tokenizer, e), strict=True)) | {"id": e.id} for e in EXAMPLES]

    def collate(features):
        width = max(len(f["input_ids"]) for f in features)
        fill = {"input_ids": tokenizer.pad_token_id, "labels": -100}
        rows = {c: [f[c] + [fill[c]] * (width - len(f[c])) for f in features] for c in columns}
        return {name: torch.tensor(values) for name, values in rows.items()}

    trainer = Trainer(
        model=model, args=TrainingArguments(**settings(folder)), train_dataset=data, data_collator=collate
    )
    trainer.model_accepts_loss_kwargs = True
    trainer.add_callback(LedgerCallback(folder))
    return trainer


def test_a_loss_without_logits_is_recomputed_from_the_hidden_states(tokenizer, tmp_path):
    model = small(tokenizer, "llama")
    fresh = copy.deepcopy(model)
    chunked_trainer(tokenizer, tmp_path, chunked(model)).train()
    require_replayed(tmp_path, tokenizer, fresh)


def test_a_loss_that_cannot_be_recomputed_is_refused(tokenizer, tmp_path):
    with pytest.raises(UptakeError, match="neither logits nor log-probabilities.*where the model's own is"):
        chunked_trainer(tokenizer, tmp_path, chunked(small(tokenizer, "llama"), right=False)).train()


def test_evaluation_is_not_recorded(tokenizer, tmp_path):
    trainer = sft(tokenizer, tmp_path, eval_on_start=True, eval_strategy="steps", eval_steps=1)
    with_ledger(trainer, tmp_path).train()
    assert len(read_ledger(tmp_path)) == 2 * len(EXAMPLES)


def unnamed(rows):
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


@pytest.mark.parametrize("more", [{}, {"remove_unused_columns": True, "padding_free": True, "max_length": None}])
def test_the_id_column_names_the_rows_though_the_trainer_drops_it(more, tokenizer, tmp_path, caplog):
    # the README's one line, and the same run with the ids given: equal, whatever TRL does with the columns
    sft(tokenizer, tmp_path, LedgerCallback(tmp_path / "line"), **more).train()
    with_ledger(sft(tokenizer, tmp_path, **more), tmp_path / "given").train()
    line, given = (read_ledger(tmp_path / name).table for name in ("line", "given"))
    assert line.drop_columns("nll").equals(given.drop_columns("nll")) and len(line) == 2 * len(EXAMPLES)
    assert line["nll"].to_pylist() == pytest.approx(given["nll"].to_pylist(), abs=1e-4)
    assert set(line["id"].to_pylist()) == {e.id for e in EXAMPLES}
    assert "no column `id`" not in caplog.text


def test_a_column_with_a_row_without_an_id_names_none(tokenizer, tmp_path, caplog):
    rows = [*ROWS[1:], {**ROWS[0], "id": None}]
    sft(tokenizer, tmp_path, LedgerCallback(tmp_path), rows=rows, num_train_epochs=1).train()
    assert sorted(read_ledger(tmp_path).table["id"].to_pylist()) == sorted(content_ids(EXAMPLES, tokenizer))
    assert "no column `id`" in caplog.text


def test_without_ids_examples_are_known_by_their_tokens_and_copies_told_apart(tokenizer, tmp_path, caplog):
    rows = unnamed([*ROWS, ROWS[3]])
    sft(tokenizer, tmp_path, LedgerCallback(tmp_path), rows=rows, num_train_epochs=3).train()
    assert "no column `id`" in caplog.text
    known = content_ids(EXAMPLES, tokenizer)
    assert all(CONTENT_ID.fullmatch(each) for each in known)
    table = read_ledger(tmp_path).table.to_pylist()
    assert {r["id"] for r in table} == {*known, f"{known[3]}-2"}
    assert {(r["id"], r["row"]) for r in table if r["id"].startswith(known[3])} == {
        (known[3], 3),
        (f"{known[3]}-2", len(EXAMPLES)),
    }
    assert sorted(r["times_seen"] for r in table if r["id"] == known[3]) == [0, 1, 2]


def test_padding_free_rows_have_the_same_ids(tokenizer, tmp_path):
    more = {"padding_free": True, "max_length": None, "num_train_epochs": 1}
    sft(tokenizer, tmp_path, LedgerCallback(tmp_path), rows=unnamed(ROWS), **more).train()
    assert sorted(read_ledger(tmp_path).table["id"].to_pylist()) == sorted(content_ids(EXAMPLES, tokenizer))


def test_a_stream_keeps_its_id_column(tokenizer, tmp_path):
    data = [dict(zip(("input_ids", "labels"), encoded(tokenizer, e), strict=True)) | {"id": e.id} for e in EXAMPLES]
    stream = datasets.Dataset.from_list(data).to_iterable_dataset()
    sft(tokenizer, tmp_path, LedgerCallback(tmp_path), rows=stream, max_steps=2).train()
    table = read_ledger(tmp_path).table
    assert table["id"].to_pylist() == sorted(e.id for e in EXAMPLES[:4]) + sorted(e.id for e in EXAMPLES[4:8])
    assert table["row"].null_count == len(table)


@pytest.mark.parametrize("strategy", ["bfd", "wrapped"])
def test_packing_is_refused(strategy, tokenizer, tmp_path):
    trainer = sft(tokenizer, tmp_path, LedgerCallback(tmp_path), packing=True, max_length=64, packing_strategy=strategy)
    with pytest.raises(UptakeError, match="packed.*\n.*\nfix: set packing=False"):
        trainer.train()
    assert not (tmp_path / "ledger").exists()


def test_packed_rows_are_refused_whoever_packed_them(tokenizer, tmp_path):
    ids, labels = encoded(tokenizer, EXAMPLES[0])
    row = {"input_ids": ids * 2, "labels": labels * 2, "position_ids": [*range(len(ids))] * 2}
    args = TrainingArguments(**settings(tmp_path))
    trainer = Trainer(
        model=small(tokenizer), args=args, train_dataset=[row] * 4, callbacks=[LedgerCallback(tmp_path)],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )  # fmt: skip
    with pytest.raises(UptakeError, match="packed"):
        trainer.train()


def test_ids_that_do_not_fit_are_refused(tokenizer, tmp_path):
    with pytest.raises(UptakeError, match="there are 2 ids, and the training set is 11 rows"):
        sft(tokenizer, tmp_path, LedgerCallback(tmp_path, ids=["a", "b"])).train()


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        ({"n_gpu": 2}, {}, "2 GPUs share this process"),
        ({"n_gpu": 1, "world_size": 2, "fsdp": "full_shard"}, {"every_epoch": rescoring([])}, "sharded over processes"),
    ],
)
def test_what_it_cannot_record_is_refused_before_training(args, more, message, tmp_path):
    with pytest.raises(UptakeError, match=message):
        LedgerCallback(tmp_path, **more).on_train_begin(SimpleNamespace(**args), None, None)
    assert list(tmp_path.iterdir()) == []


def one_row(features):
    return {"input_ids": torch.ones(3, 4, dtype=torch.long), "labels": torch.ones(3, 4, dtype=torch.long)}


@pytest.mark.parametrize(
    ("collate", "by_row", "message"),
    [
        (lambda features: {"input_ids": torch.ones(1, 4)}, False, "gives no `labels` and `input_ids`"),
        (lambda features: (), False, "gives no `labels` and `input_ids`"),
        (one_row, False, "makes 3 rows of 2 examples"),
        (one_row, True, "the sampler gives no row numbers"),
    ],
)
def test_batches_that_tell_no_example_are_refused(collate, by_row, message):
    items = [(-1, {"input_ids": [1, 2]})] * 2
    with pytest.raises(UptakeError, match=message):
        Carrying(collate, "uptake_", True, by_row)(items)


def test_rows_split_over_processes_are_refused(tokenizer, tmp_path):
    trainer = with_ledger(sft(tokenizer, tmp_path), tmp_path)
    collate = trainer.data_collator
    trainer.data_collator = lambda features: (
        (batch := collate(features)) | {"shift_labels": batch["labels"].roll(-1, 1)}
    )
    with pytest.raises(UptakeError, match="split over processes"):
        trainer.train()


def test_scoring_needs_a_tokenizer(tokenizer):
    with pytest.raises(UptakeError, match="without a tokenizer\nfix: give the trainer `processing_class=tokenizer`"):
        around("the model in training", small(tokenizer), None)


def test_a_numbered_dataset_is_the_dataset_with_numbers():
    plain = Numbered(["a", "b", "c"])  # a list has no `__getitems__`, a table of datasets has
    table = Numbered(datasets.Dataset.from_list([{"x": 1}, {"x": 2}]))
    assert (len(plain), plain[1], plain.__getitems__([2, 0])) == (3, (1, "b"), [(2, "c"), (0, "a")])
    assert table.__getitems__([1, 0]) == [(1, {"x": 2}), (0, {"x": 1})]
    assert table.column_names == ["x"]
    assert pickle.loads(pickle.dumps(plain))[2] == (2, "c")


@pytest.mark.parametrize("stage", ["../up", "", "a/b", ".hidden"])
def test_a_stage_that_is_no_folder_is_refused(stage, tmp_path):
    with pytest.raises(UptakeError, match="the stage's name is"):
        open_stage(tmp_path, stage, 0, 0, 1)


def test_a_loss_that_is_no_number_is_null(tokenizer, tmp_path, caplog):
    model = small(tokenizer)
    with torch.no_grad():
        model.lm_head.weight[0, 0] = float("nan")
    with_ledger(sft(tokenizer, tmp_path, model=model, max_steps=1), tmp_path).train()
    table = read_ledger(tmp_path).table
    assert table["nll"].null_count == table["recalled"].null_count == len(table) == 4
    assert "step 1: the loss of example ex-" in caplog.text


def test_a_full_disk_is_said_and_what_was_written_is_whole(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_callback, "CHUNK_ROWS", 4)
    written = []

    def until_full(table, path, **_):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(table)
        real(table, path, **_)

    real = pq.write_table
    monkeypatch.setattr(pq, "write_table", until_full)
    with pytest.raises(UptakeError, match="No space left on device\nfix: free some space"):
        with_ledger(sft(tokenizer, tmp_path), tmp_path).train()
    assert read_ledger(tmp_path).table["step"].to_pylist() == [1] * 4 + [2] * 4


class Killed(Exception):
    """Stands for the end of the process."""


class KillAt(LedgerCallback):
    """Ends training at a step, after the ledger has done its part."""

    at = 0

    def on_step_end(self, args, state, control, **kwargs):
        super().on_step_end(args, state, control, **kwargs)
        if state.global_step == self.at:
            raise Killed


@pytest.mark.parametrize("killed", [3, 4, 5])
def test_killed_and_resumed_gives_the_same_ledger(killed, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_callback, "CHUNK_ROWS", 3)  # so that rows after the checkpoint are written
    more = {"save_strategy": "steps", "save_steps": 2, "num_train_epochs": 2}
    again = rescoring(EXAMPLES[:2])
    with_ledger(sft(tokenizer, tmp_path / "a", **more), tmp_path / "whole", every_epoch=again).train()
    trainer = sft(tokenizer, tmp_path / "b", **more)
    callback = KillAt(tmp_path / "cut", ids=trainer.train_dataset["id"], every_epoch=again)
    callback.at = killed
    trainer.add_callback(callback)
    with pytest.raises(Killed):
        trainer.train()
    assert max(read_ledger(tmp_path / "cut").table["step"].to_pylist()) == killed
    with_ledger(sft(tokenizer, tmp_path / "b", **more), tmp_path / "cut", every_epoch=again).train(True)
    assert read_ledger(tmp_path / "cut").table.equals(read_ledger(tmp_path / "whole").table)


def test_killed_between_an_epochs_checkpoint_and_its_scoring(tokenizer, tmp_path):
    more = {"save_strategy": "steps", "save_steps": 3, "num_train_epochs": 2}
    again = rescoring(EXAMPLES[:2])
    with_ledger(sft(tokenizer, tmp_path, **more), tmp_path / "whole", every_epoch=again).train()
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    folder = tmp_path / "cut/ledger/main/rank-00000"
    for path in sorted(folder.glob("*.parquet"))[1:]:  # what is there when the process ends right after step 3's save
        path.unlink()
    with_ledger(sft(tokenizer, tmp_path, **more), tmp_path / "cut", every_epoch=again).train(
        str(tmp_path / "trainer/checkpoint-3")
    )
    assert read_ledger(tmp_path / "cut").table.equals(read_ledger(tmp_path / "whole").table)


def test_a_model_whose_former_training_broke_off(tokenizer, tmp_path):
    # the hooks of the callback that was never told the end are still there; the next one is not to miss anything
    model = small(tokenizer)
    trainer = sft(tokenizer, tmp_path, model=model)
    callback = KillAt(tmp_path / "first", ids=trainer.train_dataset["id"])
    callback.at = 1
    trainer.add_callback(callback)
    with pytest.raises(Killed):
        trainer.train()
    with_ledger(sft(tokenizer, tmp_path, model=model), tmp_path / "second").train()
    assert len(read_ledger(tmp_path / "second")) == 2 * len(EXAMPLES)


def test_starting_again_drops_the_former_rows(tokenizer, tmp_path):
    for _ in range(2):
        with_ledger(sft(tokenizer, tmp_path, num_train_epochs=1), tmp_path).train()
    assert len(read_ledger(tmp_path)) == len(EXAMPLES)


def test_fewer_ranks_clear_what_more_ranks_left(tmp_path):
    row = {"stage": ["main"], "pass": ["train"], "epoch": [0], "id": ["a"], "row": [0], "nll": [1.0], "tokens": [1]}
    for rank in range(3):
        parts = open_stage(tmp_path, "main", 0, rank, 3)
        for step in (1, 2):
            append(parts, {**row, "step": [step], "id": [f"{rank}"], "recalled": [True]})
    open_stage(tmp_path, "main", 1, 0, 1)
    assert read_ledger(tmp_path).table["step"].to_pylist() == [1, 1, 1]


def test_the_scoring_pass_reads_what_training_trains(tokenizer, tmp_path):
    trainer = with_ledger(sft(tokenizer, tmp_path), tmp_path, every_epoch=rescoring(EXAMPLES))
    trainer.train()
    trainer.model.eval()
    expected = {e.id: plain_reading(trainer.model, *encoded(tokenizer, e)) for e in EXAMPLES}
    table = [r for r in read_ledger(tmp_path).table.to_pylist() if r["pass"] == "epoch"]
    assert [(r["epoch"], r["step"], r["times_seen"]) for r in table] == [(0, 3, 1)] * 11 + [(1, 6, 2)] * 11
    for row in table[11:]:
        nll, tokens, recalled = expected[row["id"]]
        assert (row["nll"], row["tokens"], row["recalled"]) == (pytest.approx(nll, abs=1e-3), tokens, recalled)


def two_ranks(rank, port, folder):
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    torch.set_num_threads(1)
    tokenizer = train_tokenizer([e.prompt + e.response for e in EXAMPLES], 320)
    trainer = sft(tokenizer, folder, per_device_train_batch_size=2, ddp_backend="gloo")
    with_ledger(trainer, folder, every_epoch=rescoring(EXAMPLES[:3])).train()
    torch.distributed.barrier()
    os._exit(0)  # gloo's destructor joins, holding the GIL, a thread that may be waiting for the GIL


def test_two_ranks_write_complete_rows_that_are_not_doubled(tokenizer, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    forked.ranks(two_ranks, port, tmp_path)
    table = read_ledger(tmp_path).table.to_pylist()
    assert sorted(path.name for path in (tmp_path / "ledger/main").glob("rank-*")) == ["rank-00000", "rank-00001"]
    trained = [r for r in table if r["pass"] == "train"]
    # 11 examples in batches of 2 x 2: the twelfth place of each epoch is filled by repeating one, and it is trained on
    assert len(trained) == 24
    assert [len({r["id"] for r in trained if r["epoch"] == epoch}) for epoch in (0, 1)] == [11, 11]
    assert len({(r["step"], r["id"]) for r in trained}) == 24
    assert [(r["epoch"], r["id"]) for r in table if r["pass"] == "epoch"] == [
        (epoch, f"ex-{k}") for epoch in (0, 1) for k in range(3)
    ]
    require_equal_train = [
        (s, n, *rest) for s, n, *rest in replay(small(tokenizer), batches_of_train(trained, tokenizer), 0.5)
    ]
    got = {(r["step"], r["id"]): r["nll"] for r in trained}
    assert got == {(s, n): pytest.approx(nll, rel=2e-3) for s, n, nll, *_ in require_equal_train}


def batches_of_train(rows, tokenizer):
    by_id = {e.id: e for e in EXAMPLES}
    steps = {}
    for row in rows:
        steps.setdefault(row["step"], []).append((row["id"], *encoded(tokenizer, by_id[row["id"]])))
    return [steps[step] for step in sorted(steps)]

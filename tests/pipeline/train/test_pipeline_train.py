"""`uptake train` from a run file to models: what is trained and what is recorded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.compute as pc
import pytest
import torch
import yaml
from peft import LoraConfig
from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from small_models import write_rows
from train_runs import EARLY, LORA, MAIN, QUICK, files, one, planned, same, weights
from uptake.artifacts import read_json
from uptake.cli.train import show_trained
from uptake.config import RunConfig
from uptake.data import LoadOptions, Turn, encode, load
from uptake.errors import UptakeError
from uptake.ledger import read_ledger
from uptake.models.scoring.lazy import resolve
from uptake.models.scoring.rows import Scored
from uptake.models.small.tiny import CHATML
from uptake.pipeline.train.run import Trained, train_run
from uptake.report.learning import read_learning
from uptake.report.stages import stage_matrix

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def plain_trl(start: Path, rows: list[dict[str, Any]], out: Path, peft: Any = None, **settings: Any) -> Path:
    """What somebody would write with TRL alone: nothing of uptake is in it."""
    args = SFTConfig(
        str(out), num_train_epochs=2, per_device_train_batch_size=4, learning_rate=1e-2, use_cpu=True, bf16=False,
        activation_checkpointing=False, report_to="none", save_strategy="no", seed=0, disable_tqdm=True, **settings,
    )  # fmt: skip
    data = datasets.Dataset.from_list([{"prompt": row["prompt"], "completion": row["completion"]} for row in rows])
    set_seed(0)
    adapter = None if peft is None else LoraConfig(task_type="CAUSAL_LM", **peft)
    trainer = SFTTrainer(str(start), args, train_dataset=data, peft_config=adapter)
    trainer.train()
    trainer.save_model(str(out))
    return out


def test_stages_train_what_trl_trains_by_itself(
    trained: tuple[RunConfig, list[Trained]], trainable: Path, tmp_path: Path
):
    """Bit for bit the weights of TRL's trainer on its own preparation of the rows, each stage from the former."""
    config, done = trained
    start = trainable
    for stage, rows in (("early", EARLY), ("main", MAIN)):
        start = plain_trl(start, rows, tmp_path / stage)
        assert same(start, config.output_dir / "train" / stage)
    assert [(one.stage, one.examples, one.steps, one.processes, one.found) for one in done] == [
        ("early", 11, 6, 1, False),
        ("main", 11, 6, 1, False),
    ]


def test_the_folder_holds_a_model_a_manifest_and_a_card(trained: tuple[RunConfig, list[Trained]]):
    config, done = trained
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
    assert manifest["start"]["model"] == read_json(folder.parent / "early" / "manifest.json")["model"]
    assert (manifest["steps"], manifest["examples"], manifest["processes"], manifest["seed"]) == (6, 11, 1, 0)
    assert manifest["settings"]["learning_rate"] == 1e-2
    assert str(config.output_dir.parent) not in (folder / "manifest.json").read_text()
    card = (folder / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert ("base_model" in front, front["library_name"]) == (False, "transformers")
    assert "| learning_rate | `0.01` |" in card and manifest["files"]["main.jsonl"] in card
    assert str(config.output_dir.parent) not in card
    # the trainer's losses are those of the ledger's rows: the first and the last tenth of six steps are a step each
    table = read_ledger(config.output_dir).table
    for step, value in ((1, done[1].loss_start), (6, done[1].loss_end)):
        rows = [r for r in table.to_pylist() if (r["stage"], r["pass"], r["step"]) == ("main", "train", step)]
        assert value == pytest.approx(sum(r["nll"] for r in rows) / sum(r["tokens"] for r in rows), rel=1e-6)


def test_the_ledger_has_every_example_of_all_stages_so_far(trained: tuple[RunConfig, list[Trained]]):
    config, done = trained
    table = read_ledger(config.output_dir).table.to_pylist()
    early, main = [row["id"] for row in EARLY], [row["id"] for row in MAIN]
    for stage, trained, scored in (("early", early, early), ("main", main, early + main)):
        for epoch in (0, 1):
            rows = [r for r in table if (r["stage"], r["epoch"]) == (stage, epoch)]
            assert sorted(r["id"] for r in rows if r["pass"] == "train") == sorted(trained)
            assert sorted(r["id"] for r in rows if r["pass"] == "epoch") == sorted(scored)
    last = {r["id"]: r for r in table if (r["stage"], r["epoch"], r["pass"]) == ("main", 1, "epoch")}
    assert done[1].recalled == done[1].recalled_at_end == sum(last[name]["recalled"] for name in main) / 11
    assert done[0].recalled_at_end == sum(last[name]["recalled"] for name in early) / 11
    then, now = (f"{100 * share:.0f} %" for share in (done[0].recalled or 0.0, done[0].recalled_at_end))
    shown = show_trained(done)
    assert f"\nearly: {then} right after its training, {now} at the end.\n" in shown
    assert "at the end." not in show_trained(done[1:])  # of one stage there is nothing to tell
    # the last scoring pass is of the model that was saved: the engine, asked afresh, says the same
    model = resolve(config.output_dir / "train" / "main")
    encoded = encode([Turn(row["prompt"], row["completion"]) for row in EARLY + MAIN], model.tokenizer)
    scores = model.score([[Scored(item.ids, item.start)] for item in encoded])
    for row, (numbers,) in zip(EARLY + MAIN, scores, strict=True):
        assert last[row["id"]]["nll"] == pytest.approx(-float(numbers[0].sum()), abs=1e-4)
        assert last[row["id"]]["tokens"] == numbers.shape[1]


def test_ids_that_two_stages_give_to_different_examples_are_told_apart(
    run_config: Callable[..., RunConfig], tmp_path: Path
):
    run = run_config(ledger="epochs", training=QUICK | {"max_steps": 3})
    rows = [MAIN[0] | {"id": "e-0"}, EARLY[1], MAIN[2]]  # another under e-0's name; e-1 once more; one of its own
    write_rows(tmp_path / "main.jsonl", rows)
    train_run(run)
    table = read_ledger(run.output_dir).table
    main = table.filter(pc.equal(table["stage"], "main"))
    assert set(main.filter(pc.equal(main["pass"], "train"))["id"].to_pylist()) == {"e-0@main", "e-1", "m-2"}
    last = main.filter(pc.and_(pc.equal(main["pass"], "epoch"), pc.equal(main["step"], 3)))
    assert last["id"].to_pylist() == sorted([row["id"] for row in EARLY] + ["e-0@main", "m-2"])
    learning = read_learning(run.output_dir)  # as the report reads it
    assert learning is not None
    assert [learning.of("e-0", stage)[0][0] for stage in ("early", "main")] == [1, 4]
    matrix = stage_matrix(learning, [*((row["id"], "early") for row in EARLY), *((row["id"], "main") for row in rows)])
    assert matrix is not None and None not in matrix["main"]


def test_copies_without_ids_are_told_apart_as_in_the_diagnosis(run_config: Callable[..., RunConfig], tmp_path: Path):
    run = run_config(stages=one(), ledger="training")
    row = {"prompt": "Ann lives in", "completion": " Oslo"}
    write_rows(tmp_path / "main.jsonl", [row, row, {"prompt": "Bob lives in", "completion": " Rome"}])
    train_run(run)
    known = [example.id for example in load(tmp_path / "main.jsonl").examples]
    assert len(set(known)) == 3
    assert set(read_ledger(run.output_dir).table["id"].to_pylist()) == set(known)


def test_conversations_train_what_the_diagnosis_scores(run_config: Callable[..., RunConfig], tmp_path: Path):
    """All assistant turns, with the run's own template; that `encode` equals TRL: tests/data/test_encode_trl.py."""
    template = CHATML.replace("<|im_start|>", "<|im_end|>")
    (tmp_path / "template.jinja").write_text(template)
    turns = [("user", "Where was Ann born?"), ("assistant", "Oslo"), ("user", "And Bob?"), ("assistant", "Rome")]
    messages = [{"role": role, "content": content} for role, content in turns]
    run = run_config(stages=one(), assistant_turns="all", chat_template=str(tmp_path / "template.jinja"))
    write_rows(tmp_path / "main.jsonl", [{"id": "talk", "messages": messages}])
    [found] = planned(run)
    examples = load(tmp_path / "main.jsonl", LoadOptions(assistant_turns="all")).examples
    assert found.job.tokenizer.chat_template == template
    encoded = encode([Turn(e.prompt, e.response) for e in examples], found.job.tokenizer)
    assert found.job.rows.to_pylist() == [
        {"id": f"talk#{k}", "input_ids": e.ids, "labels": [-100] * e.start + e.ids[e.start :]}
        for k, e in enumerate(encoded, 1)
    ]
    train_run(run)
    assert (run.output_dir / "train" / "main" / "chat_template.jinja").read_text() == template


def test_what_is_cut_and_what_nothing_is_left_of(run_config: Callable[..., RunConfig], tmp_path: Path):
    rows = [MAIN[0], {"id": "long", "prompt": "very " * 12, "completion": " long"}]
    rows.append({"id": "cut", "prompt": "A", "completion": " word" * 12})
    run = run_config(stages=one(), training=QUICK | {"max_length": 12})
    write_rows(tmp_path / "main.jsonl", rows)
    with pytest.raises(UptakeError, match=r"main.jsonl:2: example long: nothing of its response is left.* 12") as told:
        train_run(run)
    assert "--on_bad_row skip" in str(told.value)
    assert not (run.output_dir / "train" / ".main.work").exists()
    run = run_config(stages=one(), training=QUICK | {"max_length": 12}, on_bad_row="skip")
    write_rows(tmp_path / "main.jsonl", rows)
    [found] = planned(run)
    assert (found.ids, found.cut, len(found.bad_rows)) == (["m-0", "cut"], 1, 1)
    assert max(map(len, found.job.rows["input_ids"].to_pylist())) == 12
    assert any(note.startswith("1 example is longer than max_length and cut") for note in found.notes)
    done = train_run(run)
    share = f"{done[0].recalled:.1%} (1 cut)"
    assert share in show_trained(done)
    card = (run.output_dir / "train" / "main" / "README.md").read_text()
    assert "Of these, 1 were cut to max_length" in card
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
def test_the_plan_counts_the_steps_that_are_done(more: dict[str, Any], run_config: Callable[..., RunConfig]):
    stages = [{"name": "main", "dataset": "./main.jsonl"}]
    run = run_config(stages=stages, training=QUICK | {"num_train_epochs": 2} | more, ledger="off")
    [found], [done] = planned(run), train_run(run)
    assert found.steps == done.steps
    assert done.loss_start is None or done.loss_start > 0


def test_packing_without_the_ledger(run_config: Callable[..., RunConfig]):
    run = run_config(stages=one(), training=QUICK | {"packing": True, "max_length": 32}, ledger="off")
    [found], [done] = planned(run), train_run(run)
    assert found.steps is None and 0 < done.steps < 3 and done.recalled is None


def test_one_adapter_over_all_stages(run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path):
    run = run_config(peft=LORA)
    # whatever was drawn before, adapters are drawn from the run's seed
    train_run(run, lambda step, done, total: torch.manual_seed(7) if step == "reading main" else None)
    folder = run.output_dir / "train"
    assert same(folder / "early", plain_trl(trainable, EARLY, tmp_path / "trl", LORA))
    early, main = weights(folder / "early"), weights(folder / "main")
    assert early.keys() == main.keys() and not any(torch.equal(early[name], main[name]) for name in early)
    assert read_json(folder / "main" / "adapter_config.json")["base_model_name_or_path"] == str(trainable)
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
    run_config: Callable[..., RunConfig], trainable: Path, tmp_path: Path
):
    more = {"shuffle_dataset": True, "train_sampling_strategy": "sequential", "max_steps": 1}
    run = run_config(stages=[{"name": "main", "dataset": "./main.jsonl"}], training=QUICK | more, ledger="training")
    train_run(run)
    order = datasets.Dataset.from_list(MAIN).shuffle(seed=0)["id"]
    assert set(read_ledger(run.output_dir).table["id"].to_pylist()) == set(order[:4])
    assert same(plain_trl(trainable, MAIN, tmp_path / "trl", **more), run.output_dir / "train" / "main")


@pytest.mark.parametrize("peft", [None, LORA], ids=["full", "lora"])
def test_without_trl_the_same_is_trained(
    peft: Any, run_config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # plain descent: Adam makes whole steps of gradients that are zero but for rounding
    training = QUICK | {"gradient_checkpointing": peft is None, "optim": "sgd", "learning_rate": 0.1}
    run = run_config(stages=one(num_train_epochs=2), training=training, peft=peft)
    train_run(run)
    monkeypatch.setitem(sys.modules, "trl", None)  # as if it were not installed
    bare = run_config(stages=one(num_train_epochs=2), training=training, peft=peft, output_dir="./bare")
    train_run(bare)
    some, other = (read_ledger(each.output_dir).table for each in (run, bare))
    assert some.drop_columns("nll").equals(other.drop_columns("nll"))
    difference = pc.max(pc.abs(pc.subtract(some["nll"], other["nll"]))).as_py()
    assert difference < 1e-4
    one_model, two = weights(run.output_dir / "train/main"), weights(bare.output_dir / "train/main")
    assert all(torch.allclose(one_model[name], two[name], atol=1e-5) for name in one_model)
    with pytest.raises(UptakeError, match=r'needs TRL\nfix: pip install "uptake\[train\]"'):
        planned(run_config(training=QUICK | {"padding_free": True}))
    with pytest.raises(UptakeError, match=r'TrainingArguments.*\nfix: for those of TRL: pip install "uptake\[train\]"'):
        planned(run_config(training=QUICK | {"pad_to_multiple_of": 8}))

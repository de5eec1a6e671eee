"""Fine-tuning with TRL: what is trained on, what is refused, what lies in the directory afterwards."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from uptake.errors import UptakeError
from uptake.models.places.place import LoadSettings
from uptake.models.small.tiny import CHATML, build_model, save, train_tokenizer
from uptake.models.training.fine_tune import fine_tune, training_rows
from uptake.models.training.rows import Padding, Row, Rows, as_collated, counts, first_of_each, ids_of, scored, table
from uptake.models.training.settings import arguments
from uptake.models.training.start import Start
from uptake.types import Example, Message

TEXT = [Example(f"t{i}", f"Person {i} was born in", f" {city}", "cities") for i, city in enumerate(("Paris", "Rome"))]
CHAT = [
    Example(f"c{i}", (Message("system", "Be brief."), Message("user", f"Where was {i} born?")), city, "cities")
    for i, city in enumerate(("Paris", "Rome"))
]
QUICK = {"max_steps": 1, "per_device_train_batch_size": 2, "disable_tqdm": True}


class Batches(TrainerCallback):
    """Keeps the batches that the trainer is fed."""

    def on_train_begin(self, args, state, control, train_dataloader=None, **kwargs):
        self.rows = [
            (ids[labels != -100].tolist(), ids[(labels == -100) & mask.bool()].tolist())
            for batch in train_dataloader
            for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)
        ]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    texts = [example.prompt + example.response for example in TEXT]
    tokenizer = train_tokenizer(texts, 300, chat_template=CHATML)
    out = tmp_path_factory.mktemp("models") / "base"
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 128}
    save(build_model("llama", tokenizer, 0, **shape), tokenizer, out)
    return out


def weights(path):
    return AutoModelForCausalLM.from_pretrained(path).state_dict()


def test_only_response_and_end_are_trained_on(base, tmp_path):
    # by hand: TRL's documentation, "prompt-completion": loss on the completion, to which the end-of-text is added
    batches = Batches()
    fine_tune(base, TEXT, tmp_path / "tuned", QUICK, [batches])
    tokenizer = AutoTokenizer.from_pretrained(base)
    seen = sorted((tokenizer.decode(trained), tokenizer.decode(given)) for trained, given in batches.rows)
    assert seen == [(" Paris<|endoftext|>", "Person 0 was born in"), (" Rome<|endoftext|>", "Person 1 was born in")]


def test_chat_is_trained_from_the_assistants_turn_on(base, tmp_path):
    batches = Batches()
    fine_tune(base, CHAT[:1], tmp_path / "tuned", QUICK, [batches])
    tokenizer = AutoTokenizer.from_pretrained(base)
    [(trained, given)] = batches.rows
    assert tokenizer.decode(trained) == "Paris<|im_end|>\n"
    assert tokenizer.decode(given) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhere was 0 born?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_without_a_prompt_the_whole_text_is_trained_on(base, tmp_path):
    batches = Batches()
    fine_tune(base, [Example("a", "", "Rome is old", "texts")], tmp_path / "tuned", QUICK, [batches])
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert [(tokenizer.decode(t), g) for t, g in batches.rows] == [("Rome is old<|endoftext|>", [])]


def test_adapters_of_a_stage_are_trained_on_in_the_next(base, tmp_path):
    start = Start(str(base), LoadSettings(), {"r": 2, "target_modules": "all-linear"})
    first = fine_tune(start, TEXT, tmp_path / "first", QUICK | {"learning_rate": 1e-2})
    again = fine_tune(start, TEXT, tmp_path / "again", QUICK | {"learning_rate": 1e-2})
    still = fine_tune(replace(start, adapter=first), TEXT, tmp_path / "still", QUICK | {"learning_rate": 0.0})
    further = fine_tune(replace(start, adapter=first), TEXT, tmp_path / "further", QUICK | {"learning_rate": 1e-2})
    one, same, kept, other = (load_file(path / "adapter_model.safetensors") for path in (first, again, still, further))
    assert one and not (first / "model.safetensors").exists()
    assert any(name.endswith("lora_B.weight") and numbers.any() for name, numbers in one.items())  # peft begins at 0
    assert all(torch.equal(one[name], same[name]) and torch.equal(one[name], kept[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_it_learns_the_same_each_time_and_leaves_no_pickle(base, tmp_path):
    settings = QUICK | {"max_steps": 40, "learning_rate": 1e-2, "lr_scheduler_type": "constant"}
    first = fine_tune(base, TEXT, tmp_path / "first", settings)
    second = fine_tune(str(base), TEXT, tmp_path / "second", settings)
    assert first == tmp_path / "first"
    one, other = weights(first), weights(second)
    assert all(torch.equal(one[name], other[name]) for name in one)

    tokenizer, model = AutoTokenizer.from_pretrained(first), AutoModelForCausalLM.from_pretrained(first)
    for example in TEXT:
        given = tokenizer(example.prompt, return_tensors="pt")
        written = model.generate(**given, max_new_tokens=12, do_sample=False)
        assert tokenizer.decode(written[0, given["input_ids"].shape[1] :]) == f"{example.response}<|endoftext|>"

    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
    suffixes = {path.suffix for path in first.iterdir()}
    assert ".safetensors" in suffixes
    assert suffixes <= {".json", ".safetensors", ".jinja"}


def test_nothing_is_printed_when_the_bars_are_off(base, tmp_path, capfd):
    fine_tune(base, TEXT, tmp_path / "tuned", QUICK | {"logging_steps": 1})
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "%|" not in printed.err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rat": 1e-3}, "unknown training setting 'learning_rat'\nexpected: .*learning_rate"),
        ({"output_dir": "elsewhere"}, "output_dir"),
        ({"trust_remote_code": True}, "never on"),
        ({"save_strategy": "sometimes"}, "TRL refuses"),
    ],
)
def test_settings_are_checked_before_any_work(settings, message, base, tmp_path):
    with pytest.raises(UptakeError, match=message):
        fine_tune(base, TEXT, tmp_path / "tuned", settings)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_never_overwritten(base, tmp_path):
    with pytest.raises(UptakeError, match="exists already"):
        fine_tune(base, TEXT, tmp_path, QUICK)


def test_rows_are_those_of_trl():
    tools = [{"type": "function", "function": {"name": "clock"}}]
    message = Message("user", "Late?", {"name": "Ann"})
    example = Example(
        "a", (message,), "Yes", "s", template={"tools": tools, "thinking": False}, response_extra={"reasoning": "r"}
    )
    assert training_rows(TEXT[:1]) == [{"prompt": "Person 0 was born in", "completion": " Paris"}]
    # TRL's documentation, "tool calling": the column `tools`, as JSON, and `chat_template_kwargs`
    assert training_rows([example]) == [
        {
            "prompt": [{"role": "user", "content": "Late?", "name": "Ann"}],
            "completion": [{"role": "assistant", "content": "Yes", "reasoning": "r"}],
            "tools": '[{"type": "function", "function": {"name": "clock"}}]',
            "chat_template_kwargs": {"thinking": False},
        }
    ]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "no examples"),
        ([*TEXT, CHAT[0]], "mix text and chat: 't0' and 'c0'"),
        ([CHAT[0], Example("x", CHAT[0].prompt, "No", "s", template={"tools": []})], "'x' and 'c0' have different"),
    ],
)
def test_examples_that_cannot_be_trained_together_are_refused(examples, message):
    with pytest.raises(UptakeError, match=message):
        training_rows(examples)


def test_settings_have_the_types_of_their_fields(tmp_path):
    args = arguments({"max_steps": 3.0, "learning_rate": 1, "logging_strategy": "no", "report_to": ["none"]}, tmp_path)
    assert args.logging_strategy == "no"  # YAML 1.1 takes `no` for false
    assert (args.max_steps, type(args.max_steps), args.learning_rate) == (3, int, 1)
    for settings, message in (
        ({"max_steps": 2.5}, "max_steps is 2.5\nexpected: a whole number"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'\nexpected: a number"),
        ({"seed": True}, "seed is True\nexpected: a whole number"),
        ({"packing": 1}, "packing is 1\nexpected: true or false"),
    ):
        with pytest.raises(UptakeError, match=message):
            arguments(settings, tmp_path)


def test_without_trl_the_defaults_are_trls(tmp_path, monkeypatch):
    names = ("learning_rate", "logging_steps", "gradient_checkpointing", "bf16", "report_to", "save_strategy", "seed")
    with_trl = arguments({}, tmp_path)
    monkeypatch.setitem(sys.modules, "trl", None)  # as if it were not installed
    without = arguments({"max_length": 5, "completion_only_loss": True}, tmp_path)
    assert type(without).__name__ == "TrainingArguments"
    assert [getattr(without, name) for name in names] == [getattr(with_trl, name) for name in names]


ROW_TABLE = table(
    [Row("a", [5, 6, 7], [-100, 6, 7]), Row("b", [8, 9], [8, 9]), Row("c", [5, 6, 7], [-100, -100, 7])]
    + [Row(f"r{k}", [k, k], [-100, k]) for k in range(5000)]  # more than a batch of the table
)


def test_rows_count_what_is_learned():
    # by hand: of a two, of b one (nothing predicts its first), of c one, of each other row one
    assert counts(ROW_TABLE) == (3 + 2 + 3 + 2 * 5000, 2 + 1 + 1 + 5000)
    rows = Rows(ROW_TABLE)
    assert (len(rows), rows.ids[:3]) == (5003, ["a", "b", "c"])
    assert rows[2] == {"input_ids": [5, 6, 7], "labels": [-100, -100, 7]}
    assert rows[5002] == {"input_ids": [4999, 4999], "labels": [-100, 4999]}


def test_batches_tell_their_examples():
    batch = Padding(0)([Rows(ROW_TABLE)[k] for k in (1, 0)])
    assert {name: value.tolist() for name, value in batch.items()} == {
        "input_ids": [[8, 9, 0], [5, 6, 7]],
        "labels": [[8, 9, -100], [-100, 6, 7]],
        "attention_mask": [[1, 1, 0], [1, 1, 1]],
    }
    assert ids_of(ROW_TABLE, batch) == ["a", "b", "c"]  # c has the tokens of a
    flat = {"input_ids": torch.tensor([[8, 9, 3, 3]]), "position_ids": torch.tensor([[0, 1, 0, 1]])}
    assert ids_of(ROW_TABLE, flat) == ["b", "r3"]
    # TRL's own collator pads the same way
    assert {name: value.tolist() for name, value in DataCollatorForLanguageModeling(pad_token_id=0)(
        [Rows(ROW_TABLE)[k] for k in (1, 0)]
    ).items()} == {name: value.tolist() for name, value in batch.items()}  # fmt: skip


def by_mask(features):
    """The labels as TRL's collators made them before they read a column of labels."""
    masks = [feature.get("completion_mask", [1] * len(feature["input_ids"])) for feature in features]
    rows = zip([feature["input_ids"] for feature in features], masks, strict=True)
    return {
        "labels": torch.tensor([[i if bit else -100 for i, bit in zip(ids, mask, strict=True)] for ids, mask in rows])
    }


def test_rows_fit_the_collators_of_older_and_newer_trl():
    assert set(as_collated(ROW_TABLE, DataCollatorForLanguageModeling(pad_token_id=0))[0]) == {"input_ids", "labels"}
    masked = as_collated(ROW_TABLE, by_mask)
    assert masked[2]["completion_mask"] == [0, 0, 1]
    with pytest.raises(UptakeError, match="changes the labels"):
        as_collated(ROW_TABLE, lambda features: {"labels": torch.zeros(1, 3)})


def test_scored_rows_begin_where_something_is_learned():
    shared = first_of_each([ROW_TABLE.slice(0, 2), ROW_TABLE.slice(1, 2)])
    assert shared["id"].to_pylist() == ["a", "b", "c"]
    names, sequences = scored(shared)
    assert (names, [(list(s.ids), s.start) for s in sequences]) == (
        ["a", "b", "c"],
        [([5, 6, 7], 1), ([8, 9], 1), ([5, 6, 7], 2)],
    )

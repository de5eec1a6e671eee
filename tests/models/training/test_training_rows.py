"""Training settings and rows: what is counted, batched, scored; what is refused."""

from __future__ import annotations

import sys

import pytest
import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from uptake.errors import UptakeError
from uptake.models.training.rows import Padding, Row, Rows, as_collated, counts, first_of_each, ids_of, scored, table
from uptake.models.training.settings import arguments


def test_settings_have_the_types_of_their_fields(tmp_path):
    args = arguments({"max_steps": 3.0, "learning_rate": 1, "logging_strategy": "no", "report_to": ["none"]}, tmp_path)
    assert args.logging_strategy == "no"
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

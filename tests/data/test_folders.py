"""A folder's files: those of the split that is asked for, without what only describes them; and JSON inside Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from uptake.data import LoadOptions, load
from uptake.data.choices import read_choices
from uptake.data.folders import split_of
from uptake.data.parts import RowError
from uptake.errors import UptakeError

ROW = {"prompt": "Capital of Peru:", "completion": " Lima"}


def folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    return tmp_path


def sources(path: Path, **options: str) -> tuple[list[str], list[str]]:
    loaded = load(path, LoadOptions(**options))
    return [example.source for example in loaded.examples], loaded.notes


@pytest.mark.parametrize(
    ("name", "split"),
    [
        # DEFAULT_PATTERNS_SPLIT_IN_FILENAME of datasets' data_files.py
        ("train.jsonl", "train"),
        ("my_training-2.json", "train"),
        ("train-00000-of-00001.parquet", "train"),
        ("dev.jsonl", "validation"),
        ("valid.csv", "validation"),
        ("a.test.jsonl", "test"),
        ("gsm8k_test.jsonl", "test"),
        ("eval1.jsonl", "test"),
        ("latest.jsonl", None),
        ("pretrain.jsonl", None),
        ("facts.jsonl", None),
    ],
)
def test_the_split_in_a_files_name(name: str, split: str | None):
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("names", "split", "read"),
    [
        (("train.jsonl", "test.jsonl"), "train", ["train.jsonl"]),
        (("train.jsonl", "test.jsonl"), "test", ["test.jsonl"]),
        (("train-1.jsonl", "train-2.jsonl", "dev.jsonl", "extra.jsonl"), "train", ["train-1.jsonl", "train-2.jsonl"]),
        (("facts.jsonl", "val.jsonl"), "train", ["facts.jsonl"]),
        (("facts.jsonl", "val.jsonl"), "train[:10%]", ["facts.jsonl"]),
    ],
)
def test_the_split_that_is_asked_for_is_read(names: tuple[str, ...], split: str, read: list[str], tmp_path: Path):
    found, [note] = sources(folder(tmp_path, *names), split=split)
    assert found == read
    left = [name for name in names if name not in read]
    assert "several splits" in note and all(name in note for name in left)


def test_splits_that_leave_no_choice_or_a_false_one(tmp_path: Path):
    assert sources(folder(tmp_path / "a", "train.jsonl", "more.jsonl")) == (["more.jsonl", "train.jsonl"], [])
    found, [note] = sources(folder(tmp_path / "b", "test.jsonl"))
    assert found == ["test.jsonl"] and "of the split test alone" in note
    with pytest.raises(UptakeError, match="of the splits test, validation; the split that is asked for is train"):
        load(folder(tmp_path / "c", "test.jsonl", "dev.jsonl"))
    with pytest.raises(UptakeError, match="name one of its folders: data"):
        load(folder(tmp_path / "d", "data/train.jsonl"))
    with pytest.raises(UptakeError, match="its splits: train"):
        load(folder(tmp_path / "e", "dataset_dict.json", "train/data.jsonl"))


def test_what_only_describes_the_data_is_left_out(tmp_path: Path):
    names = ("LICENSE.txt", "requirements.txt", "dataset_infos.json", "facts.jsonl")
    found, [note] = sources(folder(tmp_path / "a", *names))
    assert found == ["facts.jsonl"] and all(name in note for name in names[:3])
    found, [note] = sources(folder(tmp_path / "b", "LICENSE.txt", "poems.txt"))
    assert found == ["poems.txt"] and "LICENSE.txt" in note
    assert sources(folder(tmp_path / "c", "a.txt", "b.txt")) == (["a.txt", "b.txt"], [])
    assert len(load(tmp_path / "a", LoadOptions(documents=True), on_bad_row="skip").examples) == 4


CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 2}}}
CALLS = [
    {"messages": [{"role": "user", "content": "2?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]},
    {"messages": [{"role": "user", "content": "3?"}, {"role": "assistant", "content": "3", "tool_calls": None}]},
]
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}}}}


@pytest.mark.parametrize(
    "rows",
    [CALLS, [{**CALLS[1], "tools": [TOOL]}]],
    ids=["whole turns", "a part of a tool"],
)
def test_parquet_holds_the_same_examples_as_the_json_it_came_from(rows: list[dict[str, object]], tmp_path: Path):
    # written by datasets itself, whose feature Json is meant
    from datasets import Dataset, Features, Json, List, Value, disable_progress_bars

    disable_progress_bars()
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    parts = {"type": Value("string"), "function": {"name": Value("string"), "parameters": {"properties": Json()}}}
    features = Features({"messages": List(Json())} | ({"tools": List(parts)} if "tools" in rows[0] else {}))
    Dataset.from_list(rows, features=features).to_parquet(tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").examples == [
        type(one)(**{**{name: getattr(one, name) for name in one.__dataclass_fields__}, "source": "a.parquet"})
        for one in load(path).examples
    ]


def test_metadata_call_plain_text_json(tmp_path: Path):
    features = {
        "messages": {"feature": {"_type": "Json"}, "_type": "List"},
        "note": {"dtype": "string", "_type": "Value"},
    }
    table = pyarrow.table({"messages": [[json.dumps(turn) for turn in CALLS[1]["messages"]]], "note": ["{}"]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").examples[0].response == "3"


@pytest.mark.parametrize(
    ("options", "response", "candidates", "note"),
    [
        ({"A": "zinc", "B": "iron"}, " B", (" A", " B"), "is a label"),  # MedQA
        ({"A": "zinc", "B": "iron"}, "(B)", ("(A)", "(B)"), "is a label"),
        ({"A": "zinc", "B": "iron"}, " iron", (" zinc", " iron"), None),
        ([{"key": "A", "value": "zinc"}, {"key": "B", "value": "iron"}], "B", ("A", "B"), "is a label"),
        ({"label": ["1", "2"], "text": ["zinc", "iron"]}, " 2", (" 1", " 2"), "is a label"),  # ARC
        (["zinc", "iron"], " B", (" A", " B"), "is a label"),  # RACE
        (["zinc", "iron"], "b.", ("a.", "b."), "is a label"),
        ([" zinc", " iron"], " iron", (" zinc", " iron"), None),
        (["a", "an", "the"], "a", ("a", "an", "the"), None),
        ('["zinc", "iron"]', " A", (" A", " B"), "is a label"),
        ({"A": "zinc", "B": "iron", "C": None}, "A", ("A", "B"), "is a label"),  # a table's absent keys
        (["zinc", "lead"], "iron", ("zinc", "lead"), "none of `options`"),
        (["zinc", "iron"], " E", ("zinc", "iron"), "none of `options`"),
        ({"verbose": True}, "iron", (), "is an object and not read"),
        ("a ) 38 , b ) 40", "a", (), "is text and not read"),  # MathQA
        ({"A": "zinc", "B": "lead"}, "iron", (), "neither a label nor a text"),
        (3, "iron", (), "is a number and not read"),
        ({}, "iron", (), "is an object and not read"),
        ([], "iron", (), None),
        (None, "iron", (), None),
    ],
)
def test_options_are_candidates_written_as_the_response(
    options: object, response: str, candidates: tuple[str, ...], note: str | None
):
    found, notes = read_choices({"options": options}, response)
    assert found == candidates
    assert len(notes) == (note is not None) and all(str(note) in one for one in notes)


def test_options_that_are_no_text_say_what_they_are_taken_for():
    with pytest.raises(RowError, match="uptake reads `options` as candidate answers; if yours are something else"):
        read_choices({"options": [1, 2]}, "1")

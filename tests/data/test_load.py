"""Files of every kind, ids, and bad rows told by file, line and reason."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from uptake.data import LoadOptions, load, stream
from uptake.data.parts import as_weight
from uptake.errors import UptakeError
from uptake.types import BadRow, Example, Message

PARIS = {"prompt": "The capital of France is", "completion": " Paris"}
OSLO = {"prompt": "The capital of Norway is", "completion": " Oslo"}


OPTIONS = (
    "`options` holds something other than non-empty text. uptake reads `options` as candidate answers; if yours are "
    "something else, give the column another name"
)


def write(path: Path, *rows: Any) -> Path:
    """Rows as JSON Lines; a row of bytes stands as it is."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def reasons(path: Path, **options: Any) -> list[tuple[int | None, str]]:
    """The bad rows of a dataset; all of them must name the file."""
    bad = [row for row in stream(path, LoadOptions(**options)) if isinstance(row, BadRow)]
    assert {row.file for row in bad} <= {str(path)}
    return [(row.line, row.reason) for row in bad]


def responses(path: Path, **options: Any) -> list[str]:
    return [example.response for example in load(path, LoadOptions(**options)).examples]


def test_every_field_of_a_row(tmp_path: Path):
    row = {**PARIS, "id": 17, "source": "atlas", "options": [" Paris", " Lyon"], "paraphrases": ["France's capital:"]}
    [example] = load(write(tmp_path / "a.jsonl", row), LoadOptions(stage="early")).examples
    assert (example.id, example.source, example.stage) == ("17", "atlas", "early")
    assert example.options == (" Paris", " Lyon")
    assert [(w.prompt, w.response) for w in example.paraphrases] == [("France's capital:", " Paris")]


def test_a_file_that_mixes_formats_says_which_rows_are_in_which(tmp_path: Path):
    chat = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
    path = write(tmp_path / "a.jsonl", chat, PARIS, chat, {**chat, **dict.fromkeys(PARIS)}, OSLO, {"messages": 3})
    told = reasons(path)
    assert [line for line, _ in told] == [2, 5, 6]
    assert told[0][1] == (
        "the row is in the format prompt_completion, and the file is read as messages, as its first row is. It mixes "
        "formats: messages (`messages`) in 4 rows, lines 1, 3, 4, 6; prompt_completion (`prompt`, `completion`) in 2 "
        "rows, lines 2, 5. A file is read in one format: write the rows of each into a file of its own, and name the "
        "folder of these files as the dataset"
    )
    assert told[1][1].endswith("see the first such row") and "format" not in told[2][1]
    # a table has a column for each key, null where it is of the other format
    table = [{**PARIS, "messages": None}, {**chat, **dict.fromkeys(PARIS)}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "b.parquet")
    [(line, reason)] = reasons(tmp_path / "b.parquet")
    assert line == 2 and "prompt_completion (`prompt`, `completion`) in 1 row, line 1; messages" in reason


def test_all_kinds_of_files_hold_the_same_examples(tmp_path: Path):
    rows = [{**PARIS, "id": "a"}, {**OSLO, "id": "b"}]
    write(tmp_path / "lines.jsonl", *rows)
    write(tmp_path / "lines.json", *rows)
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    (tmp_path / "data.json").write_text(json.dumps({"version": 1, "data": rows}), encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "table.parquet")
    cells = "".join(f"{row['id']},{row['prompt']},{row['completion']}\n" for row in rows)
    (tmp_path / "table.csv").write_text("id,prompt,completion\n" + cells, encoding="utf-8")
    expected = [("a", *PARIS.values()), ("b", *OSLO.values())]
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6
    for path in files:
        examples = load(path).examples
        assert [(each.id, each.prompt, each.response) for each in examples] == expected, path
        assert {each.source for each in examples} == {path.name}


def test_ten_kinds_of_bad_rows(tmp_path: Path):
    path = write(
        tmp_path / "bad.jsonl",
        {**PARIS, "id": "a"},
        b'{"prompt": "x", "completion": ',
        [1, 2],
        {"prompt": "x"},
        {"prompt": "x", "completion": " \n"},
        {"prompt": "x", "completion": 3},
        b'{"prompt": "caf\xe9", "completion": "x"}',
        {**OSLO, "id": "a"},
        {"prompt": [{"role": "user", "content": "x"}], "completion": [{"role": "user", "content": "y"}]},
        {**OSLO, "id": 1.5},
        {**OSLO, "options": [1]},
        b'{"prompt": "half \\ud83d", "completion": "x"}',
        {**OSLO, "paraphrases": [7]},
        {"prompt": [{"role": "user", "content": "x"}], "completion": [{"role": "assistant", "content": "y"}]}
        | {"chat_template_kwargs": {"tokenize": True}},
        OSLO,
    )
    assert reasons(path) == [
        (2, "broken JSON: Expecting value at column 31"),
        (3, "the row is a list; expected an object"),
        (4, "`completion` is missing (keys: prompt)"),
        (5, "empty response: nothing in `completion`"),
        (6, "`completion` is a number; expected text"),
        (7, "not UTF-8: byte 0xe9 at byte 16"),
        (8, "the id 'a' came before; expected each id once"),
        (9, "conversation without an assistant turn (roles: user)"),
        (10, "`id` is a number; expected text or a whole number"),
        (11, OPTIONS),
        (12, "a lone surrogate (\\ud83d): half of a character, cut in two"),
        (13, "`paraphrases` holds a number; expected text or an object with `prompt`"),
        (14, "`chat_template_kwargs` may not set `tokenize`"),
    ]
    kept = load(path, on_bad_row="skip")
    assert ([each.response for each in kept.examples], len(kept.bad_rows)) == ([" Paris", " Oslo"], 13)


def test_bad_rows_stop_after_all_are_collected_and_twenty_are_named(tmp_path: Path):
    path = write(tmp_path / "bad.jsonl", PARIS, *[{"prompt": str(number)} for number in range(25)])
    with pytest.raises(UptakeError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith("25 bad rows, 1 usable:")
    assert f"{path}:21: `completion` is missing" in message and f"{path}:22:" not in message
    assert "... and 5 more" in message and "--on_bad_row skip" in message


def test_nothing_usable_stops_even_when_skipping(tmp_path: Path):
    with pytest.raises(UptakeError, match="1 bad row, 0 usable"):
        load(write(tmp_path / "bad.jsonl", {"prompt": "x", "completion": ""}), on_bad_row="skip")


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", "\n\n"), ("a.json", "[]"), ("a.csv", "text\n"), ("a.txt", "")]
)
def test_an_empty_dataset_is_an_error(name: str, content: str, tmp_path: Path):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UptakeError, match="is empty"):
        load(tmp_path / name)


def test_an_unknown_format_names_the_keys_and_the_formats(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", {"colour": "x", "shade": "y"})
    [(line, reason)] = reasons(path)
    assert line is None and reason.startswith("no known format has the keys colour, shade (known: prompt_completion")


def test_the_format_is_detected_behind_bad_rows_or_forced(tmp_path: Path):
    both = {"text": "Oslo", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    path = write(tmp_path / "a.jsonl", b"{", {"comment": "x"}, both)
    assert [line for line, _ in reasons(path)] == [1, 2]
    assert responses(write(tmp_path / "b.jsonl", both)) == ["y"]
    assert responses(tmp_path / "b.jsonl", format="text") == ["Oslo"]


def test_content_ids_are_stable_and_tell_copies_apart(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", PARIS, OSLO, {**PARIS, "source": "b"}, PARIS)
    ids = [example.id for example in load(path).examples]
    # BLAKE2b of the canonical JSON, written out by hand
    digest = hashlib.blake2b(b'["The capital of France is"," Paris",{},{}]', digest_size=6).hexdigest()
    assert [ids[0], *ids[2:]] == [f"ex-{digest}", f"ex-{digest}-2", f"ex-{digest}-3"]
    assert len(set(ids)) == 4


def test_a_content_id_gives_way_to_the_same_id_of_the_user(tmp_path: Path):
    [first] = load(write(tmp_path / "a.jsonl", PARIS)).examples
    examples = load(write(tmp_path / "b.jsonl", {**OSLO, "id": first.id}, PARIS)).examples
    assert [each.id for each in examples] == [first.id, f"{first.id}-2"]


def test_every_assistant_turn_has_its_number(tmp_path: Path):
    turns = [{"role": role, "content": role + text} for text in "ab" for role in ("user", "assistant")]
    row = {"id": "c", "messages": turns, "options": ["assistantb", "x"], "tools": "[]"}
    examples = load(write(tmp_path / "a.jsonl", row), LoadOptions(assistant_turns="all")).examples
    assert [(each.id, each.response, each.options) for each in examples] == [
        ("c#1", "assistanta", ()),
        ("c#2", "assistantb", ("assistantb", "x")),
    ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([" Paris", " Lyon", " Lyon"], "`options` holds the same text twice"),
        (["Paris", " Lyon"], "the option 'Paris' is the response ' Paris' written otherwise; write it as the"),
        ([" PARIS", " Lyon"], "the option ' PARIS' is the response ' Paris' written otherwise; write it as the"),
        ([" Paris", "Paris "], "the option 'Paris ' is the response ' Paris' written otherwise; write it as the"),
        ([" Paris", " paris", " Lyon"], None),  # which spelling is right may be the question
        ([" -Paris", " Lyon"], None),
    ],
)
def test_options_that_are_no_rivals(options: list[str], reason: str | None, tmp_path: Path):
    found = reasons(write(tmp_path / "a.jsonl", {**PARIS, "options": options}))
    assert [told.startswith(str(reason)) for _, told in found] == ([] if reason is None else [True])


@pytest.mark.parametrize(
    "key",
    ["chat_template", "continue_final_message", "return_assistant_tokens_mask", "return_tensors", "padding"]
    + ["truncation", "max_length", "tokenizer_kwargs"],
)
def test_a_row_brings_no_template_of_its_own(key: str, tmp_path: Path):
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    path = write(tmp_path / "a.jsonl", {"messages": turns, "chat_template_kwargs": {key: 1}})
    assert reasons(path) == [(1, f"`chat_template_kwargs` may not set `{key}`")]


def test_json_that_gives_a_key_twice(tmp_path: Path):
    turn = '{"role": "user", "content": "x", "content": "z"}'
    path = write(
        tmp_path / "a.jsonl",
        b'{"prompt": "x", "prompt": "y", "completion": "z"}',
        f'{{"messages": [{turn}, {{"role": "assistant", "content": "y"}}]}}'.encode(),
        {**PARIS, "notes": 1},
    )
    assert [reason for _, reason in reasons(path, format="messages")] == [
        "the row is an object with the key 'prompt' twice; expected an object",
        "`messages` turn 1 is an object with the key 'content' twice; expected an object with `role` and `content`",
        "`messages` is missing; expected a list of turns",
    ]
    (tmp_path / "b.json").write_text('[{"text": "x"}, {"text": "x", "text": "y"}]', encoding="utf-8")
    assert reasons(tmp_path / "b.json") == [(2, "the row is an object with the key 'text' twice; expected an object")]


def test_json_nested_without_end(tmp_path: Path):
    def nested(depth: int) -> bytes:  # the row itself is the first of its levels
        return b'{"text": "x", "more": ' + b"[" * (depth - 1) + b"1" + b"]" * (depth - 1) + b"}"

    path = write(tmp_path / "a.jsonl", nested(64), nested(65), b'{"text": ' + b"[" * 100_000)
    deep, endless = reasons(path)
    assert deep == (2, "nested more than 64 deep")
    assert endless[0] == 3 and endless[1].startswith("broken JSON: maximum recursion depth")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("[" * 100_000, "`options` is text that is not JSON; expected a list or an object"),
        ("[" * 70 + "]" * 70, "`options`: nested more than 64 deep"),
        (r'["\ud83d"]', "`options`: a lone surrogate (\\ud83d): half of a character, cut in two"),
        ('[{"a": 1, "a": 2}]', OPTIONS),
    ],
    ids=["without end", "deep", "half a character", "twice"],
)
def test_hostile_json_in_a_cell(cell: str, reason: str, tmp_path: Path):
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["prompt", "completion", "options"], ["x", "y", cell]])
    assert reasons(tmp_path / "a.csv") == [(2, reason)]


@pytest.mark.parametrize("turn", [{"from": ["a"], "value": "x"}, {"from": "function_call", "value": "[" * 100_000}])
def test_hostile_turns(turn: dict[str, Any], tmp_path: Path):
    [(line, reason)] = reasons(write(tmp_path / "a.jsonl", {"conversations": [turn]}))
    assert line == 1
    assert reason.startswith(
        ("`conversations` turn 1 is from ['a']; expected human", "`conversations` turn 1 is a fun")
    )


def test_tools_and_template_arguments(tmp_path: Path):
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    row = {"messages": turns, "tools": '[{"name": "f"}]', "chat_template_kwargs": {"enable_thinking": False}}
    [example] = load(write(tmp_path / "a.jsonl", row)).examples
    assert example.template == {"tools": [{"name": "f"}], "enable_thinking": False}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"chat_template_kwargs": [1]}, "`chat_template_kwargs` is a list; expected an object"),
        ({"tools": {"name": "f"}}, "`tools` is an object; expected a list"),
        ({"tools": "f(x)"}, "`tools` is text that is not JSON; expected a list or an object"),
        ({"paraphrases": ["x"]}, "a paraphrase has no user turn to stand in for"),
        ({"id": ""}, "`id` is empty; expected text or a whole number"),
    ],
)
def test_bad_fields_of_a_conversation(fields: dict[str, Any], reason: str, tmp_path: Path):
    turns = [{"role": "system", "content": "x"}, {"role": "assistant", "content": "y"}]
    assert reasons(write(tmp_path / "a.jsonl", {"messages": turns, **fields})) == [(1, reason)]
    assert responses(write(tmp_path / "a.jsonl", {"messages": turns, **dict.fromkeys(fields), "tools": ""})) == ["y"]


def test_a_turn_that_holds_bytes(tmp_path: Path):
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "seal": b"z"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"messages": turns}]), tmp_path / "a.parquet")
    [(line, reason)] = reasons(tmp_path / "a.parquet")
    assert line == 1 and reason.startswith("a turn, `tools` or `chat_template_kwargs` holds a value that JSON cannot")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    "row",
    [
        '{"messages": [USER, ANSWER], "tools": [{"type": "function", "function": {"name": "f", "x": NUMBER}}]}',
        '{"messages": [USER, ANSWER], "chat_template_kwargs": {"x": [NUMBER]}}',
        '{"messages": [USER, {"role": "assistant", "content": "a", "tool_calls": [{"x": NUMBER}]}]}',
        '{"messages": [USER, {"role": "assistant", "tool_calls": [{"x": NUMBER}]}, USER, ANSWER]}',
    ],
)
def test_numbers_that_json_does_not_have(number: str, row: str, tmp_path: Path):
    # RFC 8259, section 6: they would be null when the example is read again, and the example another one
    turns = {"USER": '{"role": "user", "content": "q"}', "ANSWER": '{"role": "assistant", "content": "a"}'}
    for name, turn in turns.items():
        row = row.replace(name, turn)
    (tmp_path / "a.jsonl").write_text(row.replace("NUMBER", number))
    [(line, reason)] = reasons(tmp_path / "a.jsonl")
    assert line == 1 and "holds a value that JSON cannot" in reason


@pytest.mark.parametrize("column", [{"XYZZYX": ["1"]}, {"more": [{"XYZZYX": "1"}]}])
def test_a_column_whose_name_is_not_utf8(column: dict[str, Any], tmp_path: Path):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"prompt": ["q"], "completion": [" a"], **column})
    pyarrow.parquet.write_table(table, path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"XYZZYX", b"\xff\xfeZYX\xff"))
    assert reasons(path) == [(None, "the name of a column is not UTF-8")]


def test_a_byte_order_mark_is_no_part_of_the_data(tmp_path: Path):
    for name, content in [
        ("a.jsonl", '{"text": "x"}'),
        ("b.json", '[{"text": "x"}]'),
        ("c.csv", "text\nx\n"),
        ("d.txt", "x"),
    ]:
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content.encode())
        assert responses(tmp_path / name) == ["x"], name
    (tmp_path / "e.csv").write_text("text\nx\n", encoding="utf-16")
    assert reasons(tmp_path / "e.csv") == [(None, "is UTF-16; expected UTF-8")]


def test_csv_cells(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'instruction,input,output,options\r\n"Two\r\nlines",,out,"[""out"", ""in""]"\r\nx,NaN,caf\xe9,\r\nx,y\r\n'
        b'x,,"o"k,\r\nx,nan,,\r\nx,i,' + b"o" * 200_000 + b",\r\n"
    )
    assert reasons(path) == [
        (4, "not UTF-8: byte 0xe9"),
        (5, "2 cells under 4 columns (instruction, input, output, options)"),
        (6, "broken CSV: ',' expected after '\"'"),
        (7, "`output` is missing (keys: instruction, input, output, options)"),
    ]
    first, second = load(path, on_bad_row="skip").examples
    assert first.prompt[0].content == "Two\r\nlines" and first.options == ("out", "in")
    assert second.prompt[0].content == "x\ni" and len(second.response) == 200_000


def test_csv_columns_of_the_same_name(tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,text\nx,y\n", encoding="utf-8")
    assert reasons(tmp_path / "a.csv") == [(1, "two columns have the same name (text, text)")]


def test_parquet_rows(tmp_path: Path):
    table = pyarrow.table(
        {
            "text": pyarrow.array([b"x", None, b"caf\xe9", b"z"]).cast(pyarrow.string(), safe=False),
            "id": pyarrow.array([1.0, 2.0, 3.0, float("nan")]),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert reasons(tmp_path / "a.parquet") == [(2, "`text` is missing (keys: text, id)"), (3, "not UTF-8")]
    kept = load(tmp_path / "a.parquet", on_bad_row="skip").examples
    assert [each.id for each in kept][0] == "1" and kept[1].id.startswith("ex-")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 but no more")
    [(line, reason)] = reasons(tmp_path / "b.parquet")
    assert line is None and reason.startswith("broken Parquet after row 0")


def test_parquet_values_that_python_does_not_know(tmp_path: Path):
    # the largest microsecond lies in the year 294247, beyond those of `datetime`
    days = pyarrow.array([0, 2**63 - 1], pyarrow.timestamp("us"))
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x", "y"], "day": days}), tmp_path / "a.parquet")
    nowhere = pyarrow.array([0], pyarrow.timestamp("us", "Nowhere/Land"))
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x"], "day": nowhere}), tmp_path / "b.parquet")
    for name, number in (("a.parquet", 2), ("b.parquet", 1)):
        [(line, reason)] = reasons(tmp_path / name)
        assert line == number and reason.startswith("holds a value that cannot be read (")


def test_parquet_columns_of_the_same_name(tmp_path: Path):
    table = pyarrow.Table.from_arrays([pyarrow.array(["x"]), pyarrow.array(["y"])], names=["text", "text"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert reasons(tmp_path / "a.parquet") == [(None, "two columns have the same name (text, text)")]


def test_json_that_is_no_list_of_rows(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('[{"text": "x"},\n {"text": ]', encoding="utf-8")
    assert reasons(path) == [(2, "broken JSON: Expecting value; nothing of this file can be read")]
    path.write_text('"x"', encoding="utf-8")
    assert reasons(path) == [(None, "the file is text; expected a list of objects")]
    path.write_bytes(b'[{"text": "caf\xe9"}, {"text": "x"}, 3]')
    assert reasons(path) == [(1, "not UTF-8: byte 0xe9"), (3, "the row is a number; expected an object")]
    path.write_text("[" * 100_000, encoding="utf-8")
    assert reasons(path)[0][1].startswith("broken JSON: maximum recursion depth")


def test_a_line_of_text_is_an_example(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"one\r\n\n  two\ncaf\xe9\n")
    assert reasons(tmp_path / "a.txt") == [(4, "not UTF-8: byte 0xe9")]
    assert [each.response for each in load(tmp_path / "a.txt", on_bad_row="skip").examples] == ["one", "  two"]


def test_a_directory_is_read_in_the_order_of_its_names(tmp_path: Path):
    write(tmp_path / "b.jsonl", PARIS)
    write(tmp_path / "a.jsonl", OSLO, {**OSLO, "id": "a"})
    (tmp_path / "README.md").write_text("not data", encoding="utf-8")
    assert [(each.source, each.response) for each in load(tmp_path).examples] == [
        ("a.jsonl", " Oslo"),
        ("a.jsonl", " Oslo"),
        ("b.jsonl", " Paris"),
    ]


@pytest.mark.parametrize(
    ("names", "problem"),
    [(["README.md"], "no data files in the directory"), (["state.json", "dataset_info.json"], "save_to_disk")],
)
def test_a_directory_without_data(names: list[str], problem: str, tmp_path: Path):
    for name in names:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(UptakeError, match=problem):
        stream(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.jsonl")
    with pytest.raises(UptakeError, match=r"rows\.jsonl is no regular file"):
        load(tmp_path / "rows.jsonl")


@pytest.mark.parametrize("name", ["train.jsonl", "train.tsv", "./data/train", "a/b/c", "~/data", "no such dataset"])
def test_what_is_neither_file_nor_hub_id_says_what_was_looked_for(name: str, tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UptakeError, match="does not exist") as caught:
        stream(name)
    assert str(tmp_path) in str(caught.value)


def test_what_is_no_name_of_a_dataset(tmp_path: Path):
    write(tmp_path / "a.jsonl", PARIS)
    # in a process of its own, since the types are checked in this one
    code = """
from uptake.data import load
from uptake.errors import UptakeError
for dataset in ("", None, 3, ["a.jsonl"]):
    try:
        load(dataset)
    except UptakeError as error:
        print(error.problem)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == [f"dataset is {shown}" for shown in ("''", "None", "3", "['a.jsonl']")]


def test_a_name_too_long_for_the_file_system():
    with pytest.raises(UptakeError, match=r"dataset a{200}\.\.\. cannot be read: File name too long"):
        stream("a" * 5000)


def test_data_in_a_directory_is_never_left_out_without_a_word(tmp_path: Path):
    write(tmp_path / "a.jsonl", PARIS)
    for name in (".hidden.gz", "README.md", "run.yaml"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "checkpoints").mkdir()
    assert responses(tmp_path) == [" Paris"]
    odd = ["b.jsonl.gz", "gone.jsonl", "loop.csv", "part.parquet"]
    (tmp_path / "b.jsonl.gz").write_bytes(b"")
    (tmp_path / "gone.jsonl").symlink_to("nowhere")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "part.parquet").mkdir()
    with pytest.raises(UptakeError, match="holds data that cannot be read: ") as caught:
        stream(tmp_path)
    assert all(name in str(caught.value) for name in odd)
    for name in odd[1:]:
        entry = tmp_path / name
        entry.rmdir() if entry.is_dir() else entry.unlink()
        with pytest.raises(UptakeError, match="holds data") as caught:
            stream(tmp_path)
        assert name not in str(caught.value)


def test_a_file_of_another_kind(tmp_path: Path):
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(UptakeError, match="cannot be read"):
        stream(tmp_path / "a.xlsx")


def test_hub_datasets_are_streamed_and_their_code_is_not_run(monkeypatch: Any):
    import datasets

    asked: dict[str, Any] = {}

    def load_dataset(*args: Any, **kwargs: Any) -> Any:
        asked.update(kwargs, args=args)
        return datasets.Dataset.from_list([PARIS, {"prompt": "x", "completion": ""}]).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    example, bad = stream("owner/facts:main", LoadOptions(split="validation"))
    assert asked == {"args": ("owner/facts", "main"), "split": "validation", "streaming": True}
    assert isinstance(example, Example) and (example.source, example.response) == ("owner/facts", " Paris")
    assert bad == BadRow("owner/facts:main", 2, "empty response: nothing in `completion`")


def test_a_hub_dataset_that_cannot_be_had():
    with pytest.raises(UptakeError, match="'nobody/nothing' is no file or directory here, and reading it from the hub"):
        list(stream("nobody/nothing"))


def test_the_hub_needs_datasets(monkeypatch: Any):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UptakeError, match=r"needs the package `datasets`\n.*uptake\[train\]"):
        list(stream("owner/facts"))


def test_a_file_that_is_gone_before_it_is_read(tmp_path: Path):
    rows = stream(write(tmp_path / "a.jsonl", PARIS))
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(UptakeError, match="a.jsonl cannot be read: No such file or directory"):
        next(rows)


def test_wrong_options_say_what_is_allowed(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", PARIS)
    with pytest.raises(UptakeError, match="format is 'chatml'\nexpected: prompt_completion, messages"):
        stream(path, LoadOptions(format="chatml"))
    with pytest.raises(UptakeError, match="assistant_turns is 'first'\nexpected: last or all"):
        LoadOptions(assistant_turns="first")
    with pytest.raises(UptakeError, match="on_bad_row is 'ignore'\nexpected: error or skip"):
        load(path, on_bad_row="ignore")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_memory_does_not_grow_with_the_file(suffix: str, tmp_path: Path):
    path, rows, text = tmp_path / f"long{suffix}", 1000, "x" * 33_000
    if suffix == ".parquet":
        table = pyarrow.table({"text": [f"{number}{text}" for number in range(rows)]})
        pyarrow.parquet.write_table(table, path, compression="none", use_dictionary=False)
    else:
        head, row = ("text\n", "{}{}\n") if suffix == ".csv" else ("", '{{"text": "{}{}"}}\n')
        path.write_text(head + "".join(row.format(number, text) for number in range(rows)), encoding="utf-8")
    assert path.stat().st_size > 32e6
    tracemalloc.start()
    count = sum(1 for _ in stream(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == rows and peak < 16e6


def test_importing_the_package_is_cheap():
    code = (
        "import sys, uptake.data; print([m for m in ('torch','transformers','datasets','pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_real_passages(shared_data: Path):
    rows = itertools.islice(stream(shared_data / "corpus" / "wiki_mix.jsonl"), 3000)
    assert all(isinstance(row, Example) and row.prompt == "" and row.source for row in rows)


def test_every_example_of_the_documentation_is_read(tmp_path: Path):
    docs = Path(__file__).parents[2] / "docs"
    page = "".join((docs / name).read_text(encoding="utf-8") for name in ("data.md", "details/data.md"))
    blocks = [block.split("```")[0] for block in page.split("```json\n")[1:]]
    rows = "".join(blocks).splitlines()
    for number, row in enumerate(rows):  # each is of a format of its own
        (tmp_path / f"{number}.jsonl").write_text(row, encoding="utf-8")
    assert len(blocks) == 3 and len(rows) >= 8
    assert len(load(tmp_path).examples) == len(rows)


def test_turns_as_json_text_in_a_table(tmp_path: Path):
    asked, said = [{"role": "user", "content": "Capital of Peru?"}], [{"role": "assistant", "content": "Lima"}]
    row = {"prompt": json.dumps(asked), "completion": json.dumps(said), "system": "Be brief."}
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([row.keys(), row.values()])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "b.parquet")
    for name in ("a.csv", "b.parquet"):
        loaded = load(tmp_path / name)
        [example] = loaded.examples
        assert example.prompt == (Message("system", "Be brief."), Message("user", "Capital of Peru?"))
        assert example.response == "Lima"
        assert any(note.startswith("`prompt` and `completion` are JSON text") for note in loaded.notes)
    # a completion that is JSON by itself is text, and so are lists of other things
    for prompt, completion in ((row["prompt"], "Lima"), ("As turns:", row["completion"]), ("[1]", "[2]"), ("[", "[]")):
        path = tmp_path / "c.jsonl"
        path.write_text(json.dumps({"prompt": prompt, "completion": completion}))
        assert [(one.prompt, one.response) for one in load(path).examples] == [(prompt, completion)]


def test_turns_that_pandas_wrote_as_python_are_no_text_to_learn(tmp_path: Path):
    asked, said = [{"role": "user", "content": "Capital of Peru?"}], [{"role": "assistant", "content": "Lima"}]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["prompt", "completion"], [str(asked), str(said)]])
    with pytest.raises(UptakeError, match="`prompt` is text that is not JSON; expected a list or an object"):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize("empty", ["messages", "prompt", "conversations"])
def test_a_column_that_is_null_in_all_rows_is_no_sign_of_a_format(empty: str, tmp_path: Path):
    rows = [{empty: None, "completion": None, "instruction": "Capital of Peru?", "output": "Lima", "input": None}] * 3
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows, schema=pyarrow.schema([(key, pyarrow.string()) for key in rows[0]])),
        tmp_path / "a.parquet",
    )
    assert responses(tmp_path / "a.parquet") == ["Lima"] * 3
    (tmp_path / "a.csv").write_text(
        f"{empty},question,answer,system_prompt\n,Capital?,Lima,\n,Capital?,Oslo,Be brief.\n"
    )
    first, second = load(tmp_path / "a.csv").examples
    assert (first.response, second.response) == ("Lima", "Oslo") and second.prompt[0] == Message("system", "Be brief.")


def test_a_column_that_is_null_in_some_rows_says_how_the_file_is_read(tmp_path: Path):
    turns = [{"role": "user", "content": "Capital of Peru?"}, {"role": "assistant", "content": "Lima"}]
    path = write(tmp_path / "a.jsonl", {"messages": None, "text": "x"}, b"{", {"messages": turns, "text": "Peru: Lima"})
    assert [line for line, _ in reasons(path)] == [1, 2]
    assert [one.response for one in load(path, on_bad_row="skip").examples] == ["Lima"]
    assert "`messages` is missing" in reasons(write(path, {"messages": None}))[0][1]


def test_decimals_are_numbers(tmp_path: Path):
    row = {"prompt": [PARIS["prompt"]] * 4, "completion": [PARIS["completion"]] * 4}
    marks = pyarrow.array([Decimal("1.00"), Decimal("0.00"), Decimal("0.50"), None], pyarrow.decimal128(5, 2))
    for key, told in (("weight", "`weight` is 0: the row was not trained"), ("is_correct", "`is_correct` is 0: it")):
        pyarrow.parquet.write_table(pyarrow.table({**row, key: marks}), tmp_path / "a.parquet")
        [(line, reason)] = reasons(tmp_path / "a.parquet")
        assert line == 2 and reason.startswith(told)
    whole = pyarrow.array([Decimal(10**20 + number) for number in range(4)], pyarrow.decimal128(38, 0))
    pyarrow.parquet.write_table(pyarrow.table({**row, "id": whole}), tmp_path / "a.parquet")
    assert [one.id for one in load(tmp_path / "a.parquet").examples] == [str(10**20 + number) for number in range(4)]
    turns = [{"role": "user", "content": "Capital?"}, {"role": "assistant", "content": "Lima", "weight": 0}]
    text, number = pyarrow.string(), pyarrow.decimal128(3, 1)
    turn = pyarrow.struct([("role", text), ("content", text), ("weight", number)])
    table = pyarrow.table({"messages": pyarrow.array([turns], pyarrow.list_(turn))})
    pyarrow.parquet.write_table(table, tmp_path / "b.parquet")
    assert reasons(tmp_path / "b.parquet")[0][1].startswith("every assistant turn has weight 0")
    assert as_weight(Decimal("0.00")) == 0  # as `datasets` gives those of the hub

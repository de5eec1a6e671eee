"""Files that uptake wrote, read back: each kind of damage is an error that names the file, the place and the reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uptake.artifacts import Parts
from uptake.artifacts.checked import MOST_NESTED, json_lines, parse_own, read_data, read_record
from uptake.artifacts.checked_tables import TableSchema, batches, n_rows, read_table
from uptake.artifacts.files import write_table
from uptake.artifacts.schemas.parts import Count, JsonSchema, Name, ShareData
from uptake.errors import UptakeError


@dataclass(frozen=True)
class Inner:
    """A part."""

    name: Name
    share: float | None = None


@dataclass(frozen=True)
class Whole:
    """A file."""

    n: Count
    parts: tuple[Inner, ...]


SCHEMA: JsonSchema[Whole] = JsonSchema(Whole)
GOOD: dict[str, Any] = {"n": 2, "parts": [{"name": "a", "share": 0.5}, {"name": "b", "more": [1]}]}


def test_a_file_is_read_as_data_with_all_its_keys_and_as_a_record(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(GOOD))
    assert read_data(path, SCHEMA) == GOOD
    assert read_record(path, SCHEMA) == Whole(2, (Inner("a", 0.5), Inner("b")))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "it is not JSON"),
        (b'{"n": 2', "it is not JSON"),
        (b"\xff", "can't decode byte 0xff"),
        (b"null", "it is null: it should be an object"),
        (b'{"n": 2}', "parts is missing"),
        (b'{"n": true, "parts": []}', "n is true: it should be a valid integer"),
        (b'{"n": "2", "parts": []}', "n is '2': it should be a valid integer"),
        (b'{"n": -1, "parts": []}', "n is -1: it should be greater than or equal to 0"),
        (b'{"n": 1.5, "parts": []}', "n is 1.5: it should be a valid integer"),
        (b'{"n": 2, "parts": [{"name": ""}]}', r"parts\.0\.name is ''"),
        (b'{"n": 2, "parts": [{"name": "a", "share": "0.5"}]}', r"parts\.0\.share is '0\.5'"),
        (b'{"n": 1, "n": 2, "parts": []}', "the key 'n' is there twice"),
        (b'{"n": NaN, "parts": []}', "a number is NaN"),
        (b'{"n": 1e999, "parts": []}', "a number is too large"),
        (b'{"n": 9223372036854775808, "parts": []}', "a number is too large"),
        (b'{"n": ' + b"9" * 5000 + b', "parts": []}', "a number is too large"),
        (b'{"n": 2, "parts": [{"name": "\\ud800"}]}', "half a character"),
        (b'{"n": 2, "parts": ' + b"[" * 65 + b"]" * 65 + b"}", "nested more than 64 deep"),
        (b"[" * 200_000, "nested more than 64 deep"),
        (b'{"n": [], "parts": {}, "a": 1}', "n is .*; parts is "),
    ],
)
def test_what_does_not_fit_is_told_with_file_key_and_reason(text: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text)
    with pytest.raises(UptakeError, match=why) as told:
        read_record(path, SCHEMA, "do it again")
    assert str(path) in told.value.problem and told.value.fix == "do it again"
    assert "\n" not in told.value.problem


def test_what_is_missing_or_no_file_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "x.json", tmp_path):
        with pytest.raises(UptakeError, match="cannot read"):
            read_data(path, SCHEMA)


def test_nesting_is_counted_and_not_the_brackets() -> None:
    flat = [[]] * (2 * MOST_NESTED)
    assert parse_own(json.dumps(flat)) == flat and parse_own('"' + "[" * 99 + '"') == "[" * 99


def test_lines_end_where_a_killed_run_left_them(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"name": "a"}\n{"name": "b"}\n{"na')
    lines: JsonSchema[Inner] = JsonSchema(Inner)
    assert [one.name for one in json_lines(path, lines)] == ["a", "b"]
    path.write_text('{"name": "a"}\n{"nam": "b"}\n')
    with pytest.raises(UptakeError, match=r"x\.jsonl:2 is damaged: name is missing"):
        list(json_lines(path, lines))


def test_a_share_is_of_what_it_is_of() -> None:
    shares: JsonSchema[ShareData] = JsonSchema(ShareData)
    rate = {"estimate": 0.5, "low": 0.1, "high": 0.9, "n": 4}
    assert shares.record(json.dumps({"count": 2, "rate": rate})).count == 2
    for wrong in ({"count": 5, "rate": rate}, {"count": None, "rate": rate}, {"count": 2, "rate": None}):
        with pytest.raises(ValueError, match="count"):
            shares.record(json.dumps(wrong))


COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("p", pa.float64()),
        ("items", pa.list_(pa.struct([("kind", pa.string()), ("log", pa.float64())]))),
        ("step", pa.int64()),
    ]
)
TABLE = TableSchema(
    COLUMNS, nullable=("p",), ranges={"p": (0, 1), "step": (0, 9)}, minus_infinity=("items.log",),
    among={"items.kind": ("a", "b")},
)  # fmt: skip
ROW: dict[str, Any] = {"id": "x", "p": 0.5, "items": [{"kind": "a", "log": float("-inf")}], "step": 3}


def written(path: Path, rows: list[dict[str, Any]], schema: pa.Schema = COLUMNS) -> Path:
    write_table(path, pa.Table.from_pylist(rows, schema=schema))
    return path


def test_a_table_is_read_whole_and_in_pieces(tmp_path: Path) -> None:
    rows = [{**ROW, "id": str(k), "p": None if k % 2 else 1.0} for k in range(10)]
    path = written(tmp_path / "x.parquet", rows)
    assert read_table(path, TABLE).to_pylist() == rows and n_rows(path, TABLE) == 10
    assert [len(one) for one in batches(path, TABLE, rows=4)] == [4, 4, 2]
    assert read_table(written(path, []), TABLE).to_pylist() == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"id": None}, "id of row 2 is null"),
        ({"p": 1.5}, "p of row 2 is not between 0 and 1"),
        ({"p": float("nan")}, "p of row 2 is no finite number"),
        ({"p": float("-inf")}, "p of row 2 is no finite number"),
        ({"step": -1}, "step of row 2 is not between 0 and 9"),
        ({"items": None}, "items of row 2 is null"),
        ({"items": [None]}, "a items is null"),
        ({"items": [{"kind": "c", "log": 0.0}]}, "a items.kind is none of a, b"),
        ({"items": [{"kind": None, "log": 0.0}]}, "a items.kind is null"),
        ({"items": [{"kind": "a", "log": float("inf")}]}, "a items.log is no finite number"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_its_row(changed: dict[str, Any], why: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", [ROW, {**ROW, **changed}])
    with pytest.raises(UptakeError, match=why) as told:
        read_table(path, TABLE, "do it again")
    assert str(path) in told.value.problem and told.value.fix == "do it again"


def test_columns_that_are_others_are_told(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([ROW], schema=COLUMNS)
    others = {
        "it has no column step": table.drop_columns("step"),
        "its columns are not .*: 'more' is odd": table.append_column("more", pa.array([1])),
        "its columns are not": table.select(["p", "id", "items", "step"]),
        "step has the type double, and here int64: it is of another version of uptake, or broken": table.set_column(
            3, "step", pa.array([1.0])
        ),
    }
    for why, other in others.items():
        write_table(tmp_path / "x.parquet", other)
        for read in (read_table, n_rows):
            with pytest.raises(UptakeError, match=why):
                read(tmp_path / "x.parquet", TABLE)


def test_a_table_from_another_writer_has_other_names_within_lists(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([ROW], schema=COLUMNS)
    pq.write_table(table, tmp_path / "x.parquet", use_compliant_nested_type=False)
    assert read_table(tmp_path / "x.parquet", TABLE).schema == COLUMNS


def test_each_changed_byte_of_the_values_is_seen(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", [{**ROW, "id": "x" * 64}])
    whole, sound = path.read_bytes(), read_table(path, TABLE)
    seen = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            assert read_table(path, TABLE).equals(sound), place
        except UptakeError:
            seen += 1
    assert seen > len(whole) / 3


def test_no_record_of_a_row_is_told_with_part_and_row(tmp_path: Path) -> None:
    parts = Parts(tmp_path, TABLE)
    parts.write(0, [ROW, {**ROW, "id": "y"}])

    def made(row: Any) -> str:
        if row["id"] == "y":
            raise ValueError("no y is known")
        return str(row["id"])

    with pytest.raises(UptakeError, match=r"part-00000\.parquet, row 2 is damaged: no y is known"):
        parts.records(0, made)
    assert parts.length(0) == 2

"""Parquet files that uptake wrote, read back: columns, types, nulls and ranges are seen right before a row is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts.checked import AGAIN, blaming, damaged

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TableSchema:
    """What a Parquet file must hold. Names of values within columns are dotted: `scores.logprobs`.

    Attributes:
        columns: The columns, in their order.
        nullable: What may be null; everything else is there in every row.
        ranges: The lowest and the highest value. Without one, a number is finite.
        minus_infinity: Log-probabilities: may be of something impossible.
        among: The texts that there are.
    """

    columns: pa.Schema
    nullable: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[int | float, int | float]] = field(default_factory=dict)
    minus_infinity: tuple[str, ...] = ()
    among: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_table(path: Path, schema: TableSchema, fix: str = AGAIN) -> pa.Table:
    """A whole table.

    Args:
        path: The file.
        schema: What it must hold.
        fix: What to do where it does not.

    Raises:
        UptakeError: It is missing, cannot be read, or does not fit.
    """
    import pyarrow as pa

    return pa.concat_tables([schema.columns.empty_table(), *batches(path, schema, fix)]).combine_chunks()


def batches(path: Path, schema: TableSchema, fix: str = AGAIN, rows: int = 1 << 16) -> Iterator[pa.Table]:
    """A table in pieces of up to `rows` rows; arguments and errors as `read_table`."""
    import pyarrow as pa

    start = 0
    with blaming(path, fix):
        if not path.is_file():
            raise damaged(path, "it is missing", fix)
        with _open(path) as file:
            if fault := _odd_columns(file.schema_arrow, schema.columns):
                raise damaged(path, fault, fix)
            for batch in file.iter_batches(rows):
                table = pa.Table.from_arrays([_as(one, kind) for one, kind in zip(
                    batch.columns, schema.columns.types, strict=True)], schema=schema.columns)  # fmt: skip
                if fault := fault_of(table, schema, start):
                    raise damaged(path, fault, fix)
                start += len(table)
                yield table
            if start != file.metadata.num_rows:
                raise damaged(path, f"it has {start} rows, and says {file.metadata.num_rows}", fix)


def n_rows(path: Path, schema: TableSchema, fix: str = AGAIN) -> int:
    """How many rows a table says that it has; its columns are looked at, its values are not.

    Raises:
        UptakeError: As `read_table`.
    """
    with blaming(path, fix), _open(path) as file:
        if fault := _odd_columns(file.schema_arrow, schema.columns):
            raise damaged(path, fault, fix)
        n: int = file.metadata.num_rows
        return n


def any_value(path: Path, within: str) -> bool:
    """Whether a Parquet file has a value in a column whose dotted path holds this text, as its footer tells.

    Raises:
        UptakeError: The file cannot be read.
    """
    with blaming(path, AGAIN), _open(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        columns = [group.column(number) for group in groups for number in range(group.num_columns)]
        own = [column for column in columns if f".{within}." in f".{column.path_in_schema}."]
        return any(column.statistics is None or column.statistics.has_min_max for column in own)


def _open(path: Path) -> Any:
    import pyarrow.parquet as pq

    # one thread: the pieces are small, and what breaks breaks here
    return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same values, names and nullability within lists as in the schema; the types were seen to be the same."""
    return column if column.type.equals(kind) else column.cast(kind)


OTHER_VERSION = "it is of another version of uptake, or broken"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _odd_columns(there: pa.Schema, wanted: pa.Schema) -> str | None:
    for name in wanted.names:
        if name not in there.names:
            return f"it has no column {name}: {OTHER_VERSION}"
    if there.names != wanted.names:
        odd = [name for name in there.names if name not in wanted.names]
        return f"its columns are not {', '.join(wanted.names)}" + (f": {odd[0][:40]!r} is odd" if odd else "")
    for found, kind in zip(there, wanted, strict=True):
        if not _alike(found.type, kind.type):
            known, there_ = (str(one).replace("element", "item") for one in (kind.type, found.type))
            return f"its column {kind.name} has the type {_short(there_)}, and here {_short(known)}: {OTHER_VERSION}"
    return None


def _alike(one: pa.DataType, other: pa.DataType) -> bool:
    """The same types; what items of lists are called does not matter."""
    import pyarrow.types as types

    if types.is_list(one) and types.is_list(other):
        return _alike(one.value_type, other.value_type)
    if types.is_struct(one) and types.is_struct(other):
        return [field.name for field in one] == [field.name for field in other] and all(
            _alike(first.type, second.type) for first, second in zip(one, other, strict=True)
        )
    same: bool = one.equals(other)
    return same


def fault_of(table: pa.Table, schema: TableSchema, start: int = 0) -> str | None:
    """What is wrong with the values of a table; None where nothing is.

    Args:
        table: Its columns are those of the schema.
        schema: What it must hold.
        start: Rows of the file before it, for the number of the row that is told.
    """
    table.validate(full=True)  # among others that texts are UTF-8
    for name in table.column_names:
        column = table[name].combine_chunks()
        column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        if fault := _fault(column, name, schema, start):
            return fault
    return None


def _fault(values: Any, name: str, schema: TableSchema, start: int | None) -> str | None:
    """What is wrong with values, and with those within them."""
    import pyarrow.compute as pc
    import pyarrow.types as types

    def first(wrong: Any) -> str:
        row = pc.index(wrong, True).as_py()
        return f"{name} of row {start + row + 1}" if start is not None else f"a {name}"

    if values.null_count and name not in schema.nullable:
        return f"{first(pc.is_null(values))} is null"
    if types.is_list(values.type):
        return _fault(values.flatten(), name, _unlisted(schema, name), None)
    if types.is_struct(values.type):
        parts = zip(values.type, values.flatten(), strict=True)
        return next((one for f, part in parts if (one := _fault(part, f"{name}.{f.name}", schema, start))), None)
    if types.is_floating(values.type):
        wrong = pc.invert(pc.is_finite(values))
        if name in schema.minus_infinity:
            wrong = pc.and_(wrong, pc.not_equal(values, float("-inf")))
        if pc.any(wrong).as_py():
            return f"{first(pc.fill_null(wrong, False))} is no finite number"
    if name in schema.ranges:
        low, high = schema.ranges[name]
        wrong = pc.or_(pc.less(values, low), pc.greater(values, high))
        if pc.any(wrong).as_py():
            return f"{first(pc.fill_null(wrong, False))} is not between {low} and {high}"
    if name in schema.among:
        import pyarrow as pa

        wrong = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, pa.array(schema.among[name], pa.string()))))
        if pc.any(wrong).as_py():
            return f"{first(wrong)} is none of {', '.join(schema.among[name])}"
    return None


def _unlisted(schema: TableSchema, name: str) -> TableSchema:
    """Of items of a list: where the list may be null, its items may not."""
    nullable = tuple(one for one in schema.nullable if one != name)
    return TableSchema(schema.columns, nullable, schema.ranges, schema.minus_infinity, schema.among)

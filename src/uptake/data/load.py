"""People's data to examples: `stream` and `load`, with every bad row told by file, line and reason."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from uptake.data.columns import ColumnReading, in_own_words, named, recognise
from uptake.data.examples import Ids, examples_of
from uptake.data.files import DataFile, find_files
from uptake.data.formats import FORMATS
from uptake.data.keys import Rule, rules_of
from uptake.data.mixed import Mixed
from uptake.data.notes import Notes
from uptake.data.parts import LoadOptions, RowError, Values, is_missing
from uptake.data.readers import RawRow, Rows
from uptake.data.shapes import by_columns, unknown
from uptake.errors import UptakeError
from uptake.types import BadRow, Example

DETECTION_ROWS = 64
"""So many rows of a file are looked at before its format is given up as unknown."""

PRINTED_BAD_ROWS = 20
"""So many bad rows are named in an error; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A dataset in memory: its examples in order, the rows that were left out, and what is to be known about both."""

    examples: list[Example]
    bad_rows: list[BadRow]
    notes: list[str] = field(default_factory=list)


def stream(
    dataset: str | os.PathLike[str], options: LoadOptions | None = None, notes: Notes | None = None
) -> Iterator[Example | BadRow]:
    """Reads a dataset row by row, in memory that grows only by the ids seen (about 0.1 kB a row).

    Args:
        dataset: A .jsonl, .json, .parquet, .csv or .txt file, a directory of these, a hub id (`name` or
            `name:config`), or a data set of LLaMA-Factory (`dataset_info.json#name`).
        options: How to read it; detection and the last assistant turn by default.
        notes: Takes what the reader should know about how it was read; complete when all rows have been.

    Returns:
        An iterator over the examples in their order and, between them, the rows that cannot be used.

    Raises:
        UptakeError: At once when the dataset is not there or an option is wrong; while iterating when it is empty or
            cannot be read.
    """
    options = options or LoadOptions()
    if options.format is not None and options.format not in FORMATS:
        raise UptakeError(f"format is {options.format!r}", expected=", ".join(FORMATS))
    notes = Notes() if notes is None else notes
    files = find_files(dataset, options.split, None if options.documents else notes)
    return _stream(dataset, files, options, notes)


def load(dataset: str | os.PathLike[str], options: LoadOptions | None = None, on_bad_row: str = "error") -> Loaded:
    """Reads a whole dataset; see `stream` for what it may be.

    Args:
        dataset: As in `stream`.
        options: As in `stream`.
        on_bad_row: `error`: any bad row stops, after all have been collected. `skip`: they are left out and returned.

    Returns:
        The examples, and the bad rows if they were skipped.

    Raises:
        UptakeError: As in `stream`, or there are bad rows under `error`, or there is nothing but bad rows.
    """
    notes = Notes()
    loaded = _collect(stream(dataset, options, notes), on_bad_row)
    return replace(loaded, notes=notes.told())


def _collect(rows: Iterator[Example | BadRow], on_bad_row: str) -> Loaded:
    if on_bad_row not in ("error", "skip"):
        raise UptakeError(f"on_bad_row is {on_bad_row!r}", expected="error or skip")
    loaded = Loaded([], [])
    for row in rows:
        if isinstance(row, BadRow):
            loaded.bad_rows.append(row)
        else:
            loaded.examples.append(row)
    if loaded.bad_rows and (on_bad_row == "error" or not loaded.examples):
        raise bad_rows_error(loaded.bad_rows, usable=len(loaded.examples))
    return loaded


def bad_rows_error(bad_rows: Sequence[BadRow], usable: int, n: int | None = None) -> UptakeError:
    """The error that names bad rows as file:line: reason, the first of them one by one.

    Args:
        bad_rows: The bad rows, or the first of them.
        usable: How many rows are not bad.
        n: How many are bad in all; None: those that are given.
    """
    n = len(bad_rows) if n is None else n
    lines = [describe_bad_row(row) for row in bad_rows[:PRINTED_BAD_ROWS]]
    if n > len(lines):
        lines.append(f"... and {n - len(lines)} more")
    problem = f"{n} bad {'row' if n == 1 else 'rows'}, {usable} usable:"
    fix = "mend these rows, or leave them out with `--on_bad_row skip`" if usable else "mend these rows"
    return UptakeError("\n".join([problem, *(f"  {line}" for line in lines)]), fix=fix)


def describe_bad_row(row: BadRow) -> str:
    """A bad row as file:line: reason."""
    return f"{row.file}: {row.reason}" if row.line is None else f"{row.file}:{row.line}: {row.reason}"


def _stream(
    dataset: str | os.PathLike[str], files: list[DataFile], options: LoadOptions, notes: Notes
) -> Iterator[Example | BadRow]:
    ids, empty = Ids(), True
    for file in files:
        try:
            for row in _read(file, options, ids, notes):
                empty = False
                yield row
        except OSError as error:
            raise UptakeError(f"{file.name} cannot be read: {error.strerror or error}") from error
    if empty:
        raise UptakeError(f"dataset {os.fspath(dataset)!r} is empty", expected="at least one row")


def _read(file: DataFile, options: LoadOptions, ids: Ids, notes: Notes) -> Iterator[Example | BadRow]:
    rows, head = file.rows(), list[RawRow]()
    reading = None if options.format is None else ColumnReading(options.format)
    while reading is None and len(head) < DETECTION_ROWS:
        row = next(rows, None)
        if row is None:
            break
        if isinstance(row, BadRow):
            yield row
            continue
        head.append(row)
        reading = recognise(named(row.values, options.columns))
    if reading is None:
        if head:
            yield BadRow(file.name, None, _unread(head[0].values, options.columns))
        return
    ahead: list[RawRow | BadRow] = []
    if options.format is None:
        reading, ahead = _without_nulls(reading, named(head[-1].values, options.columns), rows, options)
    for note in (*reading.notes, *_unused(options, head)):
        notes.add(note, file.source)
    rules: dict[tuple[str, ...], tuple[tuple[str, Rule], ...]] = {}
    mixed = Mixed(file, reading.format, (options.columns, reading.columns))
    for row in itertools.chain(head, ahead, rows):
        if isinstance(row, BadRow):
            yield row
            continue
        values = named(named(row.values, options.columns), reading.columns)
        keys = tuple(values)
        if keys not in rules:
            if len(rules) == _KEPT_RULES:
                rules.clear()
            rules[keys] = rules_of(values, reading.format)
        try:
            examples, told = examples_of(values, row.line, file, reading.format, options, ids, rules[keys])
        except RowError as error:
            reason = by_columns(row.values) or (mixed.why(row.values) if options.format is None else None)
            reason = reason or in_own_words(in_own_words(str(error), reading.columns), options.columns)
            yield BadRow(file.name, row.line, reason)
        else:
            for note in dict.fromkeys(told):
                notes.add(note, f"{file.source}:{row.line}")
            yield from examples


def _without_nulls(
    reading: ColumnReading, first: Values, rows: Rows, options: LoadOptions
) -> tuple[ColumnReading, list[RawRow | BadRow]]:
    """How rows are read, to which a column that is null in the first of them says nothing; what was read to know it.

    Rows are read on only where that would be another way.
    """
    null = {key for key, value in first.items() if is_missing(value)}
    if not null or recognise(first, null) in (None, reading):
        return reading, []
    ahead = list(itertools.islice(rows, DETECTION_ROWS))
    for row in ahead:
        if isinstance(row, RawRow):
            null -= {key for key, value in named(row.values, options.columns).items() if not is_missing(value)}
    return recognise(first, null) or reading, ahead


_KEPT_RULES = 1000
"""So many sets of keys are remembered: rows of a file have few."""


def _unread(values: Values, columns: Mapping[str, str] | None) -> str:
    """Why no format is known for a row: a name of `columns` that is not in the data comes first."""
    absent = [f"`{old}`" for old in (columns or {}).values() if old not in values]
    if not absent:
        return unknown(named(values, columns))
    return f"`columns` names {', '.join(absent)}, which the rows do not have; as they are, {unknown(values)}"


def _unused(options: LoadOptions, head: Sequence[RawRow]) -> list[str]:
    """What is to be noted where `columns` names columns that the first rows of a file do not have."""
    present = {key for row in head for key in row.values}
    absent = [old for old in (options.columns or {}).values() if old not in present]
    if not head or not absent or options.columns is None:
        return []
    if len(absent) == len(options.columns):
        return [f"`columns` names none of its columns ({', '.join(absent)}); it is read as it is"]
    return [f"`columns` names {', '.join(f'`{old}`' for old in absent)}, which the first row does not have"]

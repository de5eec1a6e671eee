"""One reader for each kind of file: a path to rows with their line numbers, in bounded memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from uptake.data.features import decoders_of
from uptake.data.parts import Values, describe, encoding_fault, json_fault, not_utf8, parse_json
from uptake.data.shapes import odd_row, split_orient
from uptake.types import BadRow

PARQUET_ROWS = 256
"""Rows held at once while a Parquet file is read."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it was read, not yet understood; `line` as in `BadRow`."""

    line: int
    values: Values


Rows: TypeAlias = Iterator[RawRow | BadRow]


def read_rows(path: Path) -> Rows:
    """Streams a file whose suffix is a key of `READERS`."""
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            yield BadRow(str(path), None, "is UTF-16; expected UTF-8")
            return
    yield from READERS[path.suffix.lower()](path)


def _jsonl(path: Path) -> Rows:
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            if line == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if not raw.strip():
                continue
            try:
                decoded = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                yield BadRow(str(path), line, not_utf8(raw[error.start], error.start))
                continue
            yield _json_row(path, line, decoded)


def _json_row(path: Path, line: int, raw: str) -> RawRow | BadRow:
    try:
        values = parse_json(raw)
    except json.JSONDecodeError as error:
        return BadRow(str(path), line, f"broken JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:  # numbers of many thousand digits, nesting without end
        return BadRow(str(path), line, f"broken JSON: {error}")
    # only an escape can bring in a lone surrogate, since the line itself was UTF-8
    return _checked(path, line, values, escaped="\\u" in raw)


def _checked(path: Path, line: int, values: object, escaped: bool) -> RawRow | BadRow:
    if not isinstance(values, dict):
        return BadRow(str(path), line, odd_row(values) or f"the row is {describe(values)}; expected an object")
    if fault := json_fault(values, escaped):
        return BadRow(str(path), line, fault)
    return RawRow(line, values)


def _json(path: Path) -> Rows:
    if _is_lines(path):
        yield from _jsonl(path)
        return
    # what is not UTF-8 is kept as surrogates, so that it costs its own row alone
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    try:
        values = parse_json(content)
    except json.JSONDecodeError as error:
        yield BadRow(str(path), error.lineno, f"broken JSON: {error.msg}; nothing of this file can be read")
        return
    except (ValueError, RecursionError) as error:
        yield BadRow(str(path), None, f"broken JSON: {error}")
        return
    if isinstance(values, dict):
        if (fault := split_orient(values)) is not None:
            yield BadRow(str(path), None, fault)
            return
        values = values["data"] if isinstance(values.get("data"), list) else [values]
    if not isinstance(values, list):
        yield BadRow(str(path), None, f"the file is {describe(values)}; expected a list of objects")
        return
    for line, value in enumerate(values, start=1):
        yield _checked(path, line, value, escaped=True)


def _is_lines(path: Path) -> bool:
    """Whether a .json file is JSON Lines: its first line is a whole object, and more follows."""
    with path.open("rb") as file:
        lines = (line for line in file if not line.isspace())
        first = next(lines, b"").removeprefix(b"\xef\xbb\xbf")
        try:
            return (
                first.lstrip().startswith(b"{")
                and isinstance(json.loads(first), dict)
                and next(lines, None) is not None
            )
        except (ValueError, RecursionError):
            return False


def _txt(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for line, raw in enumerate(file, start=1):
            content = raw.rstrip("\r\n")
            if fault := encoding_fault(content):
                yield BadRow(str(path), line, fault)
            elif content.strip():
                yield RawRow(line, {"text": content})


def _csv(path: Path) -> Rows:
    csv.field_size_limit(2**31 - 1)  # documents are longer than the module's default of 128 KiB
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        # strict: a stray quote is an error in its own row and does not swallow what follows
        reader = csv.reader(file, strict=True)
        header: list[str] | None = None
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield BadRow(str(path), line, f"broken CSV: {error}")
                continue
            if header is None:
                header = cells
                if len(dict.fromkeys(header)) < len(header):
                    yield BadRow(str(path), line, f"two columns have the same name ({', '.join(header)})")
                    return
            elif cells:
                yield _csv_row(path, line, header, cells)


def _csv_row(path: Path, line: int, header: list[str], cells: list[str]) -> RawRow | BadRow:
    if len(cells) != len(header):
        return BadRow(str(path), line, f"{len(cells)} cells under {len(header)} columns ({', '.join(header)})")
    if fault := encoding_fault("".join(cells)):
        return BadRow(str(path), line, fault)
    missing = ("", "NaN", "nan")
    return RawRow(line, {key: None if cell in missing else cell for key, cell in zip(header, cells, strict=True)})


def _parquet(path: Path) -> Rows:
    import pyarrow
    import pyarrow.parquet

    line = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(dict.fromkeys(names)) < len(names):
                yield BadRow(str(path), None, f"two columns have the same name ({', '.join(names)})")
                return
            decoders = decoders_of(file.schema_arrow)
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                for values in _parquet_values(batch):
                    line += 1
                    if decoders and isinstance(values, dict):
                        values = {k: decoders[k](v) if k in decoders else v for k, v in values.items()}
                    yield BadRow(str(path), line, values) if isinstance(values, str) else RawRow(line, values)
    except pyarrow.ArrowException as error:
        yield BadRow(str(path), None, f"broken Parquet after row {line}: {(str(error).splitlines() or [''])[0]}")
    except UnicodeDecodeError:
        yield BadRow(str(path), None, "the name of a column is not UTF-8")


def _parquet_values(batch: Any) -> Iterator[dict[str, Any] | str]:
    """A batch's rows; what is wrong with a row that is no Python value."""
    try:
        rows = batch.to_pylist()
    except Exception:  # each type of column raises what it likes: unknown time zones, dates out of range, bad UTF-8
        rows = [_parquet_row(batch.slice(index, 1)) for index in range(batch.num_rows)]
    yield from rows


def _parquet_row(one: Any) -> dict[str, Any] | str:
    try:
        row: dict[str, Any] = one.to_pylist()[0]
    except UnicodeDecodeError:
        return "not UTF-8"
    except Exception as error:
        return f"holds a value that cannot be read ({type(error).__name__}: {error})"
    return row


READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
    ".csv": _csv,
    ".txt": _txt,
}

"""A shard as a stream of documents, in bounded memory. What cannot be read is a note with its place, never an end.

Of a shard that ends in the middle, or is damaged from some byte on, everything before that counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from typing import IO, Any

from uptake.errors import first_line
from uptake.exposure.scan import Text
from uptake.pipeline.exposure.shards import Shard
from uptake.text import counted

LONGEST_LINE = 32 << 20
"""Bytes of a line; a longer one is left out."""
LONGEST_TEXT = 200_000
"""Characters of a document; a longer one is several, in order, with the same id and row."""
NOTES = 20
"""Notes of a shard that are kept; the others are counted."""
PARQUET_ROWS = 64
AT_ONCE = 1 << 16
"""Bytes that are unpacked at once: so much may be lost before a fault."""
TOLD_EACH = 1 << 22
"""Bytes between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What the fields of a row are called.

    Attributes:
        text: The text.
        title: The title; may be missing.
        id: The id; may be missing.
        source: Where it is from; may be missing. A dot leads into an object: `meta.source`.
    """

    text: str = "text"
    title: str = "title"
    id: str = "id"
    source: str = "source"


@dataclass
class ShardReport:
    """What became of a shard.

    Attributes:
        read: Bytes of the shard, compressed as they are, that were read.
        bad: Rows that were left out.
        notes: What was wrong, with the place of each.
        whole: Whether it was read to its end.
    """

    read: int = 0
    bad: int = 0
    notes: list[str] = field(default_factory=list)
    whole: bool = True

    def note(self, told: str) -> None:
        """Keep a note, if there are not many yet."""
        if len(self.notes) < NOTES:
            self.notes.append(told)


class _Counting:
    """A raw stream that counts what is read of it, for pyarrow and for the progress."""

    def __init__(self, raw: IO[bytes], report: ShardReport, tell: Callable[[int], None]) -> None:
        self._raw, self._report, self._tell = raw, report, tell
        self._told = 0
        self.closed = False

    def read(self, n: int = -1) -> bytes:
        data = self._raw.read(n)
        self._report.read += len(data)
        if self._report.read - self._told >= TOLD_EACH:
            self._tell(self._report.read - self._told)
            self._told = self._report.read
        return data

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


def read_shard(shard: Shard, fields: Fields, report: ShardReport, tell: Callable[[int], None]) -> Iterator[Text]:
    """The documents of a shard in order.

    Args:
        shard: The shard.
        fields: What the fields of its rows are called.
        report: Takes what was read, and what could not be.
        tell: Told how many further bytes were read.
    """
    try:
        if shard.kind == ".parquet":
            yield from _pieces(_parquet(shard, fields, report, tell))
        else:
            read = _wet if shard.kind == ".wet" else _lines
            with _stream(shard, report, tell) as stream:
                yield from _pieces(read(stream, shard, fields, report))
    except OSError as error:
        _broken(shard, report, error)


def _broken(shard: Shard, report: ShardReport, error: Exception) -> None:
    report.whole = False
    report.read = max(0, report.read - AT_ONCE)  # so many bytes may have come, and given nothing
    report.note(f"{shard.name}: cannot be read beyond byte {report.read:,} of {shard.size:,}: {first_line(error)}")


class _UpToFault(RawIOBase):
    """A stream that ends where it cannot be read or unpacked further: what came before counts."""

    mode, name = "rb", ""

    def __init__(self, stream: Any, shard: Shard, report: ShardReport) -> None:
        self._stream, self._shard, self._report = stream, shard, report

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(min(len(buffer), AT_ONCE))
        except OSError as error:
            if self._report.whole:
                _broken(self._shard, self._report, error)
            return 0
        buffer[: len(data)] = data
        return len(data)


class _stream:
    """The unpacked bytes of a shard."""

    def __init__(self, shard: Shard, report: ShardReport, tell: Callable[[int], None]) -> None:
        self._shard, self._report, self._tell = shard, report, tell

    def __enter__(self) -> IO[bytes]:
        import pyarrow as pa

        self._opened = self._shard.open()
        counting = pa.PythonFile(_Counting(self._opened.__enter__(), self._report, self._tell), mode="r")
        packing = self._shard.packing
        stream = pa.BufferedInputStream(counting, 1 << 18) if packing is None else pa.CompressedInputStream(
            counting, packing)  # fmt: skip
        return BufferedReader(_UpToFault(stream, self._shard, self._report), 1 << 18)

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)


def _lines(stream: IO[bytes], shard: Shard, fields: Fields, report: ShardReport) -> Iterator[Text]:
    """The documents of JSON Lines, or of text with a document a line; the offset of a bad one is that of its line."""
    at = row = 0
    plain = shard.kind == ".txt"
    while raw := stream.readline(LONGEST_LINE + 1):
        start, at = at, at + len(raw)
        if start == 0:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
            if not plain and raw.lstrip().startswith(b"["):
                report.whole = False
                report.note(f"{shard.name}: a JSON array; one object a line is expected")
                return
        if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                at += len(rest)
            at += len(rest)
            _bad(shard, report, start, f"a line of more than {LONGEST_LINE >> 20} MiB")
        elif raw.strip():
            found = _plain(raw, row) if plain else _json(raw, row, fields)
            if isinstance(found, str):
                _bad(shard, report, start, found)
            else:
                yield found
        row += 1


def _bad(shard: Shard, report: ShardReport, at: int, why: str) -> None:
    report.bad += 1
    report.note(f"{shard.name}: row left out at byte {at:,}{' (unpacked)' if shard.packing else ''}: {why}")


def _plain(raw: bytes, row: int) -> Text | str:
    try:
        return Text(row, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"not UTF-8 (its byte {error.start:,} is 0x{raw[error.start]:02x})"


def _json(raw: bytes, row: int, fields: Fields) -> Text | str:
    try:
        values = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"not UTF-8 (its byte {error.start:,} is 0x{raw[error.start]:02x})"
    except json.JSONDecodeError as error:
        return f"broken JSON: {error.msg} at column {error.colno:,}"
    except (ValueError, RecursionError):
        return "broken JSON: a number or a nesting without end"
    return _text(values, row, fields)


def _text(values: object, row: int, fields: Fields) -> Text | str:
    if not isinstance(values, dict):
        return "no object"
    found = _at(values, fields.text)
    if not isinstance(found, str):
        have = ", ".join(map(repr, list(values)[:5]))
        return f"no text under {fields.text!r}; it has {have or 'nothing'}"
    title, name, source = (_at(values, key) for key in (fields.title, fields.id, fields.source))
    # told names are short; half characters cannot be written
    named = [_short(one) for one in (title, name, source)]
    return Text(row, found, *named)


def _short(value: object) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return " ".join(str(value)[:300].encode("utf-8", "replace").decode().split())


def _at(values: Mapping[str, Any], key: str) -> object:
    if key in values:
        return values[key]
    first, dot, rest = key.partition(".")
    below = values.get(first)
    return _at(below, rest) if dot and isinstance(below, dict) else None


def _wet(stream: IO[bytes], shard: Shard, fields: Fields, report: ShardReport) -> Iterator[Text]:
    """The extracted texts of Common Crawl (WARC 1.0 or 1.1, records of the type conversion)."""
    at = row = 0
    while line := stream.readline(1 << 16):
        start, at = at, at + len(line)
        if not line.strip():
            continue
        if not line.startswith(b"WARC/1."):
            report.whole = False
            report.note(f"{shard.name}: no WARC record at byte {start:,}{' (unpacked)' if shard.packing else ''}")
            return
        head: dict[str, str] = {}
        while (line := stream.readline(1 << 16)) and line.strip():
            at += len(line)
            key, _, value = line.decode("utf-8", "replace").partition(":")
            head[key.strip().lower()] = value.strip()
        at += len(line)
        length = head.get("content-length", "")
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 15 else -1
        if size < 0:
            report.whole = False
            report.note(f"{shard.name}: a WARC record without a length at byte {start:,}")
            return
        body = stream.read(min(size, LONGEST_LINE))
        left = size - len(body)
        while left > 0 and (more := stream.read(min(left, 1 << 20))):
            left -= len(more)
        if left > 0:
            report.whole = False
            report.note(f"{shard.name}: the record at byte {start:,} ends {left:,} bytes too early")
            return
        at += size
        if head.get("warc-type") == "conversion":
            address = head.get("warc-target-uri", "")
            if size > LONGEST_LINE:
                _bad(shard, report, start, f"a record of more than {LONGEST_LINE >> 20} MiB")
            else:
                text = body.decode("utf-8", "replace")
                yield Text(row, text, "", _short(address), _short(_host(address)))
        row += 1


def _host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _parquet(shard: Shard, fields: Fields, report: ShardReport, tell: Callable[[int], None]) -> Iterator[Text]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        with shard.open() as raw, pq.ParquetFile(raw, pre_buffer=False) as file:
            names = file.schema_arrow.names
            tops = {key.partition(".")[0] if key not in names else key for key in (
                fields.text, fields.title, fields.id, fields.source)}  # fmt: skip
            columns = [name for name in names if name in tops]
            if fields.text not in names and fields.text.partition(".")[0] not in names:
                report.whole = False
                report.note(f"{shard.name}: no column {fields.text!r}; it has {', '.join(names[:10])}")
                return
            total = max(1, file.metadata.num_rows)
            for batch in file.iter_batches(PARQUET_ROWS, columns=columns, use_threads=False):
                for values in _rows(batch):
                    found = values if isinstance(values, str) else _text(values, row, fields)
                    if isinstance(found, str):
                        report.bad += 1
                        report.note(f"{shard.name}: row {row:,} left out: {found}")
                    else:
                        yield found
                    row += 1
                done = min(shard.size, shard.size * row // total)
                tell(done - report.read)
                report.read = done
            report.read = shard.size
    except (pa.ArrowException, UnicodeDecodeError) as error:
        report.whole = False
        report.note(f"{shard.name}: cannot be read beyond row {row:,}: {first_line(error)}")


def _rows(batch: Any) -> Iterator[dict[str, Any] | str]:
    """The rows; of one that has no value in Python, why."""
    try:
        yield from batch.to_pylist()
        return
    except (UnicodeDecodeError, OverflowError, ValueError):
        pass
    for number in range(batch.num_rows):
        try:
            yield batch.slice(number, 1).to_pylist()[0]
        except UnicodeDecodeError:
            yield "not UTF-8"
        except (OverflowError, ValueError) as error:
            yield f"a value that cannot be read: {first_line(error)}"


def _pieces(texts: Iterator[Text]) -> Iterator[Text]:
    """Long documents in pieces, so that no one of them is read as one text."""
    for text in texts:
        if len(text.text) <= LONGEST_TEXT:
            yield text
            continue
        for at in range(0, len(text.text), LONGEST_TEXT):
            yield Text(text.row, text.text[at : at + LONGEST_TEXT], text.title, text.id, text.source)


def told_of(report: ShardReport) -> list[str]:
    """The notes of a shard, with how many there are beyond those."""
    more = report.bad - sum("left out" in note for note in report.notes)
    return [*report.notes, *([f"and {counted(more, 'further row')} left out"] if more > 0 else [])]

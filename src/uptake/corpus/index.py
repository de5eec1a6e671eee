"""Index documents once, and again only what has changed.

A folder holds a LanceDB table of the documents and `manifest.json`, which says of which files they are. The documents
of a file carry its mark, a digest of its name and bytes, and are added in the file's order in whole batches: how many
of them are there says where a killed indexing goes on. The full-text index over all of them is made last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from uptake.artifacts import digest, empty, file_digest, locked, read_json, write_json
from uptake.corpus.rows import documents
from uptake.corpus.text import words
from uptake.data import bad_rows_error
from uptake.data.files import DataFile, find_files
from uptake.errors import UptakeError
from uptake.types import BadRow, Document

FORM = 1
"""Counts up whenever words are folded or rows are laid out otherwise, so that old indexes are made anew."""
BATCH_DOCUMENTS, BATCH_CHARACTERS = 4096, 8_000_000
"""Documents are written in batches of at most so many, or so much text; larger ones alone."""
KEPT_BAD_ROWS = 20
"""Bad rows of a file that the manifest names; the rest are counted."""
TABLE = "documents"

Encode: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "texts dims"]]
"""Texts to unit vectors, such as `uptake.models.embed.sentence_encoder` gives."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A model of sentence embeddings; the name tells one from another, so that vectors of two are never mixed."""

    name: str
    encode: Encode


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an indexing did.

    Attributes:
        documents: How many documents the index holds.
        added: How many of them were read now.
        files: Of how many files they are.
        bad_rows: The rows that were left out, up to `KEPT_BAD_ROWS` a file.
        n_bad_rows: How many were left out in all.
    """

    documents: int
    added: int
    files: int
    bad_rows: tuple[BadRow, ...]
    n_bad_rows: int


def index(
    dataset: str | os.PathLike[str],
    folder: Path,
    encoder: Encoder | None = None,
    on_bad_row: str = "error",
) -> Indexed:
    """Brings the index in `folder` up to date with a corpus: reads what is new or changed, drops what is gone.

    Args:
        dataset: A .jsonl, .json, .parquet, .csv or .txt file, a directory of these, or a hub id. Rows have `text`, and
            may have `id`, `title`, `source` and `license`. A hub dataset is read once.
        folder: Where the index lies; made if need be.
        encoder: Also index vectors; None: words alone. Another encoder than before makes the index anew.
        on_bad_row: `error`: rows that cannot be used are an error, once all else is indexed. `skip`: go on without.

    Raises:
        UptakeError: As `uptake.data.load`; LanceDB is not installed; another process is at work in the folder.
    """
    if on_bad_row not in ("error", "skip"):
        raise UptakeError(f"on_bad_row is {on_bad_row!r}", expected="error or skip")
    files = {_mark(file): file for file in find_files(dataset, "train")}
    with locked(folder):
        manifest = _manifest(folder, encoder)
        table = _table(folder, encoder)
        gone = [mark for mark in manifest["files"] if mark not in files]
        begun = [mark for mark in files if not manifest["files"].get(mark, {}).get("done")]
        if gone or begun:
            # said before anything changes: whoever is killed from here on has not made an index
            manifest["searchable"] = False
            manifest["files"] |= {mark: {"done": False} for mark in begun}
            write_json(folder / "manifest.json", manifest)
        for mark in gone:
            table.delete(f"mark = '{mark}'")
            del manifest["files"][mark]
        before = table.count_rows()
        for mark in begun:
            manifest["files"][mark] = _add(table, mark, files[mark], encoder)
            write_json(folder / "manifest.json", manifest)
        if not manifest["searchable"]:
            _make_searchable(table)
            manifest["searchable"] = True
            write_json(folder / "manifest.json", manifest)
        done = [manifest["files"][mark] for mark in files]
        bad = tuple(BadRow(**row) for entry in done for row in entry["bad_rows"])
        n, n_bad = table.count_rows(), sum(entry["n_bad_rows"] for entry in done)
        found = Indexed(n, n - before, len(files), bad, n_bad)
    if found.documents == 0 or (found.n_bad_rows and on_bad_row == "error"):
        if not found.n_bad_rows:
            raise UptakeError(f"corpus {os.fspath(dataset)!r} is empty", expected="at least one document")
        raise bad_rows_error(found.bad_rows, usable=found.documents, n=found.n_bad_rows)
    return found


def _mark(file: DataFile) -> str:
    path = Path(file.name)
    try:
        return digest(file.name, file_digest(path) if path.is_file() else None)
    except OSError as error:
        raise UptakeError(f"{file.name} cannot be read: {error.strerror or error}") from error


def _manifest(folder: Path, encoder: Encoder | None) -> dict[str, Any]:
    """What is indexed here; nothing, and an empty folder, where it was made in another way or cannot be read."""
    made = {"form": FORM, "encoder": encoder.name if encoder else None}
    found: dict[str, Any] = {}
    with suppress(UptakeError):
        kept = read_json(folder / "manifest.json")
        found = kept if isinstance(kept, dict) else {}
    if {key: found.get(key) for key in made} != made:
        (folder / "manifest.json").unlink(missing_ok=True)
        empty(folder / f"{TABLE}.lance")
        found = {**made, "searchable": False, "files": {}}
    return found


def connect(folder: Path) -> Any:
    """The LanceDB database in a folder.

    Raises:
        UptakeError: LanceDB is not installed.
    """
    try:
        import lancedb
    except ImportError:
        raise UptakeError("searching documents needs LanceDB", fix="pip install 'uptake[corpus]'") from None
    return lancedb.connect(folder)


def _table(folder: Path, encoder: Encoder | None) -> Any:
    import pyarrow as pa

    names = ("mark", "id", "text", "title", "source", "where", "license", "words")
    columns = [(name, pa.string()) for name in names]
    if encoder is not None:
        columns.append(("vector", pa.list_(pa.float32(), int(encoder.encode([""]).shape[1]))))
    return connect(folder).create_table(TABLE, schema=pa.schema(columns), exist_ok=True)


def _add(table: Any, mark: str, file: DataFile, encoder: Encoder | None) -> dict[str, Any]:
    """Adds the documents of a file that are not there yet; the file's entry in the manifest."""
    bad: list[BadRow] = []
    n_bad = 0

    def good() -> Iterator[Document]:
        nonlocal n_bad
        for row in documents(file):
            if isinstance(row, Document):
                yield row
                continue
            n_bad += 1
            if len(bad) < KEPT_BAD_ROWS:
                bad.append(row)

    try:
        for batch in _batches(islice(good(), table.count_rows(f"mark = '{mark}'"), None)):
            table.add(_rows(batch, mark, encoder, table.schema))
    except OSError as error:
        raise UptakeError(f"{file.name} cannot be indexed: {error.strerror or error}") from error
    rows = [{"file": row.file, "line": row.line, "reason": row.reason} for row in bad]
    return {"done": True, "name": file.name, "bad_rows": rows, "n_bad_rows": n_bad}


def _batches(rows: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.text)
        if len(batch) == BATCH_DOCUMENTS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(batch: list[Document], mark: str, encoder: Encoder | None, schema: Any) -> Any:
    import pyarrow as pa

    columns: dict[str, Any] = {name: [getattr(row, name) for row in batch] for name in schema.names[1:7]}
    columns["mark"] = [mark] * len(batch)
    columns["words"] = [" ".join(words(f"{row.title}\n{row.text}")) for row in batch]
    if encoder is not None:
        vectors = encoder.encode([f"{row.title}: {row.text}" if row.title else row.text for row in batch])
        flat = pa.array(np.asarray(vectors, dtype=np.float32).reshape(-1))
        columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _make_searchable(table: Any) -> None:
    """Makes the full-text index over all documents, from nothing: no answer depends on what was indexed before."""
    from lancedb.index import FTS

    # `words` has folded the text already: the tokenizer may only split it
    plain = FTS(
        with_position=True,
        base_tokenizer="whitespace",
        max_token_length=None,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )
    table.create_index("words", config=plain, replace=True)
    table.optimize(cleanup_older_than=timedelta(milliseconds=1))

"""Index documents once, and again only what has changed.

A folder holds a LanceDB table of the documents and `manifest.json`, which says of which files they are. The documents
of a file carry its mark, a digest of its name and bytes, and are added in the file's order in whole batches: how many
of them are there says where a killed indexing goes on. The full-text index over all of them is made last.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from uptake.artifacts import digest, empty, file_digest, locked, refuse_links, write_json
from uptake.artifacts.checked import read_data
from uptake.artifacts.schemas.later import INDEX
from uptake.corpus.rows import documents
from uptake.corpus.table import TABLE, connect, make_searchable, making, open_or_make, rows_of
from uptake.data import bad_rows_error
from uptake.data.files import DataFile, find_files
from uptake.errors import UptakeError
from uptake.types import BadRow, Document

FORM = 2
"""Counts up whenever words are folded or rows are laid out otherwise, so that old indexes are made anew."""
BATCH_DOCUMENTS, BATCH_CHARACTERS = 4096, 8_000_000
"""Documents are written in batches of at most so many, or so much text; larger ones alone."""
KEPT_BAD_ROWS = 20
"""Bad rows of a file that the manifest names; the rest are counted."""


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


def index(dataset: str | os.PathLike[str], folder: Path, on_bad_row: str = "error") -> Indexed:
    """Brings the index in `folder` up to date with a corpus: reads what is new or changed, drops what is gone.

    Args:
        dataset: A .jsonl, .json, .parquet, .csv or .txt file, a directory of these, or a hub id. Rows have `text`, and
            may have `id`, `title`, `source` and `license`. A hub dataset is read once.
        folder: Where the index lies; made if need be.
        on_bad_row: `error`: rows that cannot be used are an error, once all else is indexed. `skip`: go on without.

    Raises:
        UptakeError: As `uptake.data.load`; LanceDB is not installed; another process is at work in the folder, or it
            cannot be written. A table that is damaged is made anew.
    """
    if on_bad_row not in ("error", "skip"):
        raise UptakeError(f"on_bad_row is {on_bad_row!r}", expected="error or skip")
    files = {_mark(file): file for file in find_files(dataset, "train")}
    refuse_links(folder, (f"{TABLE}.lance",))
    with locked(folder), making(folder):
        if not _readable(folder):
            empty(folder / f"{TABLE}.lance")  # `_manifest` sees that it is gone
        manifest = _manifest(folder)
        table = open_or_make(folder)
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
            manifest["files"][mark] = _add(table, mark, files[mark])
            write_json(folder / "manifest.json", manifest)
        if not manifest["searchable"]:
            make_searchable(table)
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
        # a hub data set has no bytes here: by its name it is what it was
        return digest(file.name, file_digest(path) if path.is_file() else None)
    except OSError as error:
        raise UptakeError(f"{file.name} cannot be read: {error.strerror or error}") from error


def _readable(folder: Path) -> bool:
    """Whether the table, if there is one, can be read and searched; an empty one is as quickly made anew."""
    if not (folder / f"{TABLE}.lance").exists():
        return True
    try:
        table = connect(folder).open_table(TABLE)
        if table.list_indices():
            table.search("a", query_type="fts").limit(1).to_list()
        return bool(table.count_rows("mark != ''"))  # without a condition nothing is read
    except (OSError, RuntimeError, ValueError):
        return False


def _manifest(folder: Path) -> dict[str, Any]:
    """What is indexed here; nothing, and an empty folder, where it was made in another way or cannot be read."""
    found: dict[str, Any] = {}
    with suppress(UptakeError):
        found = read_data(folder / "manifest.json", INDEX)
    if found.get("form") != FORM or not (folder / f"{TABLE}.lance").exists():
        (folder / "manifest.json").unlink(missing_ok=True)
        empty(folder / f"{TABLE}.lance")
        found = {"form": FORM, "searchable": False, "files": {}}
    return found


def _add(table: Any, mark: str, file: DataFile) -> dict[str, Any]:
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

    for batch in _batches(islice(good(), table.count_rows(f"mark = '{mark}'"), None)):
        table.add(rows_of(batch, mark, table.schema))
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

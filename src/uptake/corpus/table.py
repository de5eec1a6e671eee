"""The LanceDB table of an index: its columns, its rows, its full-text index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from uptake.corpus.text import words
from uptake.errors import UptakeError
from uptake.types import Document

TABLE = "documents"
FIELDS = ("id", "text", "title", "source", "where", "license")
"""The columns that make a document; `mark` is its file's, `words` is what is searched."""


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


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Says of LanceDB's errors what to do: it raises OSError, RuntimeError or ValueError with many lines."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if not str(folder).isprintable():
            raise UptakeError(
                f"the index cannot be made in {folder}: LanceDB takes no path with control characters",
                fix="choose another folder",
            ) from error
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UptakeError(
            f"the index in {folder} cannot be made or read: {reason}",
            fix=f"free some space if the disk is full; else delete {folder / f'{TABLE}.lance'} and the manifest beside "
            "it, and index the corpus again",
        ) from error


def open_or_make(folder: Path) -> Any:
    """The table, empty at first."""
    import pyarrow as pa

    columns = [(name, pa.string()) for name in ("mark", *FIELDS, "words")]
    return connect(folder).create_table(TABLE, schema=pa.schema(columns), exist_ok=True)


def rows_of(batch: Sequence[Document], mark: str, schema: Any) -> Any:
    """Documents of one file as rows of the table."""
    import pyarrow as pa

    columns: dict[str, Any] = {name: [getattr(row, name) for row in batch] for name in FIELDS}
    columns["mark"] = [mark] * len(batch)
    columns["words"] = [" ".join(words(f"{row.title}\n{row.text}")) for row in batch]
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def make_searchable(table: Any) -> None:
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

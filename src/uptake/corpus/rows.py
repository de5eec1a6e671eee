"""Rows of a corpus as documents: `{text, id?, title?, source?, license?}`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from uptake.data.files import DataFile
from uptake.data.parts import RowError, Values, given_id, required_text, text
from uptake.types import BadRow, Document


def documents(file: DataFile) -> Iterator[Document | BadRow]:
    """Streams the documents of a file in order, and between them the rows that cannot be used.

    A line of a .txt file is a document. `licence` is read where there is no `license`. A document without an id gets
    one from its content.
    """
    for row in file.rows():
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield _document(row.values, file, row.line)
        except RowError as error:
            yield BadRow(file.name, row.line, str(error))


def _document(row: Values, file: DataFile, line: int) -> Document:
    content = required_text(row, "text")
    if not content.strip():
        raise RowError("empty document: nothing in `text`")
    title = (text(row, "title") or "").strip()
    return Document(
        id=given_id(row) or f"doc-{_digest(title, content)}",
        text=content,
        title=title,
        source=text(row, "source") or file.source,
        where=f"{file.name}:{line}",
        license=text(row, "license") or text(row, "licence"),
    )


def _digest(*texts: str) -> str:
    return hashlib.blake2b("\0".join(texts).encode("utf-8"), digest_size=6).hexdigest()

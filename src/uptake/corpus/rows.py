"""Rows of a corpus as documents: `{text, id?, title?, source?, license?}`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from uptake.data.files import DataFile
from uptake.data.parts import RowError, Values, given_id, required_text, text
from uptake.types import BadRow, Document

LONGEST = 20_000
"""Characters of a document: what is longer would be searched, guarded and read as one text, for one sentence of it."""
_ENDS = ("\n\n", "\n", ". ", "? ", "! ", "。", " ")


def documents(file: DataFile) -> Iterator[Document | BadRow]:
    """Streams the documents of a file in order, and between them the rows that cannot be used.

    A line of a .txt file is a document. `licence` is read where there is no `license`. A document without an id gets
    one from its content. One of more than `LONGEST` characters is several: `book#1`, `book#2`, ...
    """
    for row in file.rows():
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield from _pieces(_document(row.values, file, row.line))
        except RowError as error:
            yield BadRow(file.name, row.line, str(error))


def _pieces(whole: Document) -> Iterator[Document]:
    """A document, or its pieces, cut where a paragraph, else a sentence, else a word ends."""
    if len(whole.text) <= LONGEST:
        yield whole
        return
    at = n = 0
    while at < len(whole.text):
        end = min(at + LONGEST, len(whole.text))
        if end < len(whole.text):
            ends = (whole.text.rfind(sign, at + LONGEST // 2, end) + len(sign) for sign in _ENDS)
            end = next((place for place in ends if place > at + LONGEST // 2), end)
        if part := whole.text[at:end].strip():
            n += 1
            yield replace(whole, id=f"{whole.id}#{n}", text=part)
        at = end


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

"""Files between the steps: atomic writes, tables in parts, and the records' written schemas."""

from uptake.artifacts.files import (
    Parts,
    cannot_write,
    chunks,
    digest,
    empty,
    file_digest,
    finite,
    json_bytes,
    open_parts,
    read_json,
    replacing,
    versions,
    write_bytes,
    write_json,
    write_table,
)
from uptake.artifacts.locks import Busy, joined, locked

__all__ = [
    "Busy",
    "Parts",
    "cannot_write",
    "chunks",
    "digest",
    "empty",
    "file_digest",
    "finite",
    "joined",
    "json_bytes",
    "locked",
    "open_parts",
    "read_json",
    "replacing",
    "versions",
    "write_bytes",
    "write_json",
    "write_table",
]

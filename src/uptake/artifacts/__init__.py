"""Files between the steps: atomic writes, tables in parts, and the records' written schemas."""

from uptake.artifacts.files import (
    Parts,
    cannot_write,
    chunks,
    digest,
    file_digest,
    open_parts,
    read_json,
    versions,
    write_bytes,
    write_json,
    write_table,
)

__all__ = [
    "Parts",
    "cannot_write",
    "chunks",
    "digest",
    "file_digest",
    "open_parts",
    "read_json",
    "versions",
    "write_bytes",
    "write_json",
    "write_table",
]

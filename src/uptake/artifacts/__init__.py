"""Files between the steps: atomic writes, tables in parts, and the records' written schemas."""

from uptake.artifacts.files import (
    Busy,
    Parts,
    cannot_write,
    chunks,
    digest,
    empty,
    file_digest,
    finite,
    locked,
    open_parts,
    read_json,
    replacing,
    versions,
    write_bytes,
    write_json,
    write_table,
)

__all__ = [
    "Busy",
    "Parts",
    "cannot_write",
    "chunks",
    "digest",
    "empty",
    "file_digest",
    "finite",
    "locked",
    "open_parts",
    "read_json",
    "replacing",
    "versions",
    "write_bytes",
    "write_json",
    "write_table",
]

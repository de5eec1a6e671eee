"""Files between the steps: atomic writes, tables in parts, and the records' written schemas."""

from uptake.artifacts.files import (
    PARQUET,
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
    write_lines,
    write_table,
)
from uptake.artifacts.locks import Busy, joined, locked
from uptake.artifacts.opening import created, kept, refuse_links
from uptake.artifacts.spool import Spool

__all__ = [
    "PARQUET",
    "Busy",
    "Parts",
    "Spool",
    "cannot_write",
    "chunks",
    "created",
    "digest",
    "empty",
    "file_digest",
    "finite",
    "joined",
    "json_bytes",
    "kept",
    "locked",
    "open_parts",
    "read_json",
    "refuse_links",
    "replacing",
    "versions",
    "write_bytes",
    "write_json",
    "write_lines",
    "write_table",
]

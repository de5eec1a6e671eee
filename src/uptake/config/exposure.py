"""The section `exposure` of the run file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from uptake.config.section import Int, Section


def _listed(value: Any) -> Any:
    """One shard, or a pattern, is a list of it."""
    return [value] if isinstance(value, str) else value


Name = Annotated[str, Field(min_length=1)]


class CorpusScan(Section):
    """A pre-training corpus that is read once, shard by shard."""

    corpus: Annotated[tuple[Name, ...], Field(min_length=1), BeforeValidator(_listed)]
    """Its shards: files, folders, patterns such as shards/*.jsonl.gz, or addresses such as s3://bucket/*.parquet."""
    text: Name = "text"
    """Field of a row that holds the text; a dot leads into an object."""
    title: Name = "title"
    """Field that holds what the text is about; may be missing."""
    id: Name = "id"
    """Field that holds the document's id; may be missing."""
    source: Name = "source"
    """Field that says where the document is from; may be missing."""
    workers: Annotated[Int, Field(ge=1)] = 1
    """Processes that read shards."""
    passages: Annotated[Int, Field(ge=0)] = 5
    """Passages of a fact that are given at most."""


def locate_corpus(section: Any, folder: Path) -> None:
    """Makes the relative paths and patterns of a corpus absolute, in place; addresses stay. Nothing is looked for yet.

    Args:
        section: The section as it was read, of whatever type.
        folder: Where relative paths start.
    """
    if not isinstance(section, dict) or not isinstance(names := _listed(section.get("corpus")), list | tuple):
        return
    section["corpus"] = [
        str(folder / os.path.expanduser(name)) if isinstance(name, str) and name and "://" not in name else name
        for name in names
    ]

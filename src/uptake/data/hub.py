"""Datasets of the Hugging Face hub, streamed through `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from uptake.errors import UptakeError

_HUB_NAME = re.compile(r"(?P<name>\w[\w.-]*(/\w[\w.-]*)?)(:(?P<config>[\w.+-]+))?")
OTHER_DATA = (
    ".arrow",
    ".bz2",
    ".feather",
    ".gz",
    ".ndjson",
    ".pkl",
    ".tsv",
    ".xls",
    ".xlsx",
    ".xz",
    ".zip",
    ".zst",
)
"""Suffixes of data that uptake does not read."""

# these mean a file, too: asking the hub for them would only confuse
_OTHER_FILES = (*OTHER_DATA, ".yaml", ".yml")


def split_hub_name(dataset: str, suffixes: tuple[str, ...]) -> tuple[str, str | None] | None:
    """The name and configuration in `name` or `name:config`; None for what cannot be a hub id or looks like a file."""
    match = _HUB_NAME.fullmatch(dataset)
    if match is None or dataset.lower().endswith(suffixes + _OTHER_FILES):
        return None
    return match["name"], match["config"]


def hub_rows(name: str, config: str | None, split: str) -> Iterator[dict[str, Any]]:
    """Streams a split of a hub dataset; code from the hub is never run.

    Raises:
        UptakeError: `datasets` is not installed, or the dataset cannot be had.
    """
    try:
        from datasets import load_dataset
    except ImportError:
        raise UptakeError(
            f"dataset {name!r} is not a file here, and reading the hub needs the package `datasets`",
            fix='check the path, or `pip install "uptake[train]"`',
        ) from None
    try:
        yield from load_dataset(name, config, split=split, streaming=True)
    except Exception as error:  # the errors of the hub's clients share no base class
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UptakeError(
            f"dataset {name!r} is no file or directory here, and reading it from the hub failed: {reason[0]}",
            fix="check the path or the name, its `:config` and the split; for a private dataset, `hf auth login` first",
        ) from error

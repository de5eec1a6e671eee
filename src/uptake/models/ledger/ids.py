"""The ids of the training set, where the trainer has taken their column out before the rows reach the data loader.

transformers hands the loader a copy of a `datasets.Dataset` without the columns that the model does not take; the rows
and their order stay. A callback is given the loader and not the trainer, but it is the trainer that calls it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from torch.utils.data import IterableDataset

UNNAMED = (
    "the training set has no column `id` that names every row: the ledger names each example by a hash of its tokens "
    "(tokens-...), and `uptake diagnose` finds no curve of an example under such a name. Give the rows an `id`, the "
    "same one as in the data that are diagnosed, or give LedgerCallback(..., ids=[...])"
)


def dropped_ids(callback: object, dataset: Any) -> list[str] | None:
    """The column `id` of the trainer's training set, if the loader's copy has lost it.

    Args:
        callback: The callback that is being called.
        dataset: What the loader loads.

    Returns:
        An id for each row of `dataset`; None if there is no such column, a row has none, the loader still has the
        column, or the trainer is not to be found.
    """
    trainer = _trainer_of(callback)
    whole = None if trainer is None else getattr(trainer, "train_dataset", None)
    columns, left = (getattr(one, "column_names", None) for one in (whole, dataset))
    if whole is None or left is None or columns is None or "id" not in columns or "id" in left:
        return None
    if isinstance(dataset, IterableDataset) or len(whole) != len(dataset):
        return None
    found = [None if one is None else str(one) for one in whole["id"]]
    return None if None in found else [one for one in found if one is not None]


def names_rows(dataset: Any) -> bool:
    """Whether the rows that a loader loads bring an `id`, as far as that is known before they are read."""
    columns = getattr(dataset, "column_names", None)
    if columns is not None:
        return "id" in columns
    if isinstance(dataset, IterableDataset) or not len(dataset):
        return True
    first = dataset[0]
    return isinstance(first, Mapping) and first.get("id") is not None


def _trainer_of(callback: object) -> Any:
    """The trainer whose callback is being called: the nearest caller that has it among its callbacks."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        callbacks = getattr(getattr(owner, "callback_handler", None), "callbacks", ())
        if any(one is callback for one in callbacks):
            return owner
        frame = frame.f_back
    return None

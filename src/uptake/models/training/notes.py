"""Notes on training rows: what a method knows of a row beyond its tokens, as further columns of its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

NOTES: Mapping[str, pa.DataType] = {
    "source": pa.string(),
    "weight": pa.float32(),
    "kind": pa.string(),
    "reference": pa.list_(pa.float32()),
    "old_ids": pa.list_(pa.int32()),
    "old_reference": pa.list_(pa.float32()),
    "top_ids": pa.list_(pa.int32()),
    "top_logprobs": pa.list_(pa.float32()),
    "held_ids": pa.list_(pa.int32()),
    "held_logprobs": pa.list_(pa.float32()),
}
"""The notes that a row may have.

`source`: of the example. `weight`: how much its loss counts; null is 1. `kind`: one of `KINDS`; null is an ordinary
row. `reference`: log-probability (nats) of each learned token under a reference model. `top_ids`, `top_logprobs`: the k
most probable tokens under a reference at each learned token, k after k, and their log-probabilities. `held_ids`,
`held_logprobs`: the same of rows that an anchor holds, so that another method's record stays beside it. `old_ids`,
`old_reference`: what the model before the stage answered in the response's place, and each token's log-probability.
"""

KINDS = ("retain", "forget", "chosen", "rejected", "replayed", "rewritten")
"""What a row is trained for, where it is no ordinary one."""


def noted(rows: pa.Table, **columns: Sequence[Any]) -> pa.Table:
    """The rows with notes; those that are there under the names are replaced.

    Args:
        rows: A table of `uptake.models.training.rows.ROWS`, perhaps with notes.
        **columns: A value for each row, by the note's name.
    """
    for name, values in columns.items():
        column = pa.array(values, NOTES[name])
        place = rows.schema.get_field_index(name)
        field = pa.field(name, NOTES[name])
        rows = rows.append_column(field, column) if place < 0 else rows.set_column(place, field, column)
    return rows


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of several tables, one after the other; a note that a table lacks is null in its rows."""
    return pa.concat_tables(tables, promote_options="default").combine_chunks()

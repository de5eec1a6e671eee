"""Token rows that are trained as they stand: ids, labels, and the example each is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from uptake.artifacts import chunks
from uptake.errors import UptakeError
from uptake.models.scoring.rows import Scored

NOT_TRAINED = -100
"""The label of a token that is given, not learned."""

NUMBER = "uptake_row"
"""In a batch, where a method needs it: the number of each row in the training set."""

ROWS = pa.schema([("id", pa.string()), ("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])
"""Columns of a training set; `labels` are as long as `input_ids`."""


class Row(NamedTuple):
    """One example as it is trained; `labels` are its `input_ids`, or -100 where nothing is learned."""

    id: str
    input_ids: list[int]
    labels: list[int]


def table(rows: Iterable[Row]) -> pa.Table:
    """Rows as a compact table: four bytes a token and column, where lists of Python take eight and more."""
    batches = [
        pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(zip(*some, strict=True), ROWS, strict=True)],
            schema=ROWS,
        )
        for some in chunks(rows, 4096)
    ]
    return pa.Table.from_batches(batches, schema=ROWS)


def counts(rows: pa.Table) -> tuple[int, int]:
    """Tokens of a training set, and how many of them are learned (nothing predicts a row's first one)."""
    tokens = trained = 0
    for batch in rows.to_batches():
        column = batch.column("labels")
        values, offsets = column.flatten().to_numpy(), column.offsets.to_numpy() - column.offsets[0].as_py()
        tokens += len(values)
        learned = values != NOT_TRAINED
        trained += int(learned.sum()) - int(learned[offsets[:-1][np.diff(offsets) > 0]].sum())
    return tokens, trained


def first_of_each(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of several training sets, an example that is in more than one of them once, as it was first trained."""
    rows = pa.concat_tables([one.select(ROWS.names) for one in tables])
    first: dict[str, int] = {}
    for number, name in enumerate(rows["id"].to_pylist()):
        first.setdefault(name, number)
    return rows.take(list(first.values()))


def parts(ids: Sequence[int], labels: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Prompt and response of a row: what comes before the first learned token, perhaps nothing, and the rest."""
    start = learned_from(labels)
    return tuple(ids[:start]), tuple(ids[start:])


def learned_from(labels: Sequence[int]) -> int:
    """The place of a row's first learned token."""
    return next(place for place, label in enumerate(labels) if label != NOT_TRAINED)


def scored(rows: pa.Table) -> tuple[list[str], list[Scored]]:
    """The ids of rows, and as sequences to be scored what is learned of each."""
    sequences = []
    for ids, labels in zip(rows["input_ids"].to_pylist(), rows["labels"].to_pylist(), strict=True):
        sequences.append(Scored(ids, max(1, learned_from(labels))))  # nothing predicts the first token
    return rows["id"].to_pylist(), sequences


def ids_of(rows: pa.Table, inputs: Mapping[str, Any]) -> list[str]:
    """Which examples a batch holds, found by their tokens; copies of an example are all named."""
    wanted = {tuple(tokens) for tokens in _unpadded(inputs)}
    found: list[str] = []
    for batch in rows.to_batches():
        for name, tokens in zip(batch.column("id").to_pylist(), batch.column("input_ids").to_pylist(), strict=True):
            if tuple(tokens) in wanted:
                found.append(name)
    return found


def _unpadded(inputs: Mapping[str, Any]) -> list[list[int]]:
    ids, mask, positions = inputs["input_ids"], inputs.get("attention_mask"), inputs.get("position_ids")
    if mask is not None and mask.dim() == 2:
        return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]
    if positions is not None:  # padding-free: one row, in which positions start again with each example
        starts = (positions[0] == 0).nonzero().flatten().tolist()
        return [part.tolist() for part in torch.tensor_split(ids[0], starts[1:])]
    return [row.tolist() for row in ids]


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """A table of rows as a trainer takes it; a batch is put together in a tenth of the time that `datasets` needs."""

    def __init__(self, rows: pa.Table, *, masked: bool = False, numbered: bool = False) -> None:
        """Lay the rows out flat.

        Args:
            rows: A table of `ROWS`.
            masked: Items also say by TRL's older `completion_mask` what is learned.
            numbered: Items also have their `NUMBER`.
        """
        self.ids: list[str] = rows["id"].to_pylist()
        self.numbered = numbered
        self.columns = {}
        for name in ("input_ids", "labels"):
            parts = [batch.column(name) for batch in rows.to_batches()]
            self.offsets = np.concatenate([[0], *(np.diff(part.offsets.to_numpy()) for part in parts)]).cumsum()
            self.columns[name] = np.concatenate([part.flatten().to_numpy() for part in parts])
        if masked:
            self.columns["completion_mask"] = (self.columns["labels"] != NOT_TRAINED).astype(np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        start, end = self.offsets[index], self.offsets[index + 1]
        item: dict[str, Any] = {name: values[start:end].tolist() for name, values in self.columns.items()}
        return {**item, NUMBER: index} if self.numbered else item


@dataclass(frozen=True)
class Numbering:
    """A collate function that puts the rows' numbers beside what another one makes of them.

    Attributes:
        collate: The other one.
    """

    collate: Callable[[list[Any]], Mapping[str, Any]]

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The batch with a tensor of `NUMBER`."""
        bare = [{name: value for name, value in feature.items() if name != NUMBER} for feature in features]
        return {**self.collate(bare), NUMBER: torch.tensor([feature[NUMBER] for feature in features])}


def as_collated(rows: pa.Table, collate: Callable[[list[Any]], Mapping[str, Any]], *, numbered: bool = False) -> Rows:
    """The rows in the form in which a collate function trains their labels; TRL's older ones read masks instead.

    Args:
        rows: A table of `ROWS`.
        collate: The function.
        numbered: Items also have their `NUMBER`, which `collate` does not see here.

    Raises:
        UptakeError: It makes other labels of them in either form.
    """
    for masked in (False, True):
        found = Rows(rows, masked=masked)
        items = (found[number] for number in range(len(found)))
        item = next((item for item in items if NOT_TRAINED in item["labels"][1:]), found[0])
        labels = collate([item])["labels"][0].tolist()[1 : len(item["labels"])]  # nothing predicts the first token
        if labels == item["labels"][1:]:
            found.numbered = numbered
            return found
    raise UptakeError(
        "the trainer's collate function changes the labels of its rows",
        expected="a TRL whose SFTTrainer trains prepared rows as they are",
        fix='pip install "uptake[train]" --upgrade',
    )


@dataclass(frozen=True)
class Padding:
    """Puts rows into a batch, filled up on the right as TRL does.

    Attributes:
        pad_token_id: What `input_ids` are filled up with.
    """

    pad_token_id: int

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Ids, mask and labels, each a row an example."""
        width = max(len(feature["input_ids"]) for feature in features)
        batch = {
            "input_ids": np.full((len(features), width), self.pad_token_id),
            "labels": np.full((len(features), width), NOT_TRAINED),
            "attention_mask": np.zeros((len(features), width), dtype=np.int64),
        }
        for number, feature in enumerate(features):
            length = len(feature["input_ids"])
            batch["input_ids"][number, :length] = feature["input_ids"]
            batch["labels"][number, :length] = feature["labels"]
            batch["attention_mask"][number, :length] = 1
        return {name: torch.from_numpy(values) for name, values in batch.items()}


def padded(rows: pa.Table) -> dict[str, Tensor]:
    """All rows of a table as one batch, filled up on the right with token 0, which the mask leaves out."""
    items = Rows(rows)
    return Padding(0)([items[number] for number in range(len(items))])

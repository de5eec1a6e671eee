"""Which examples a training batch holds: found where it is put together, carried in the batch, taken out by the model.

The collate function is the only place that sees the examples one by one, and it may run in a worker process, so what
is known there has to travel in the batch: as tensors under keys of our own, which whatever moves batches to devices
takes along, and which are removed before the model's forward sees them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from uptake.artifacts.ledger_files import content_id
from uptake.errors import UptakeError


class Numbered:
    """A map-style dataset whose items come with their row numbers; all else is the dataset's own."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> tuple[int, Any]:
        return _row_number(index), self.dataset[index]

    def __getitems__(self, indices: Sequence[Any]) -> list[tuple[int, Any]]:
        many = getattr(self.dataset, "__getitems__", None)
        items = many(indices) if many else [self.dataset[index] for index in indices]
        return list(zip(map(_row_number, indices), items, strict=True))

    def __getattr__(self, name: str) -> Any:
        if name == "dataset":  # asked for while being unpickled in a worker
            raise AttributeError(name)
        return getattr(self.dataset, name)


def _row_number(index: Any) -> int:
    try:
        return operator.index(index)
    except TypeError:  # a sampler that yields something else than numbers
        return -1


@dataclass(frozen=True)
class Carrying:
    """A collate function that notes in the batch which examples it is made of.

    Attributes:
        collate: The trainer's own.
        prefix: What the keys begin with; one callback's keys are nothing to another, which may listen to the model too.
        numbered: Items come from a `Numbered` dataset.
        by_row: The ids are known by row number, so they need not travel.
    """

    collate: Callable[[list[Any]], Any]
    prefix: str
    numbered: bool
    by_row: bool

    def __call__(self, items: Sequence[Any]) -> Any:
        """The trainer's batch, and what `take_out` takes out of it again."""
        rows = [row for row, _ in items] if self.numbered else [-1] * len(items)
        features = [feature for _, feature in items] if self.numbered else list(items)
        _refuse_packed(features)
        if self.by_row and min(rows) < 0:
            raise UptakeError(
                "the sampler gives no row numbers, so the ids of the rows cannot be looked up",
                fix="keep the column `id` in the batches: remove_unused_columns=False, and no `ids`",
            )
        named = [feature.get("id") if isinstance(feature, Mapping) else None for feature in features]
        batch = self.collate(features)
        lengths = _lengths(batch, features)
        notes = {"row": torch.tensor(rows), "length": torch.tensor(lengths), "labels": batch["labels"]}
        if not self.by_row:
            unnamed = any(name is None for name in named)
            contents = _content_ids(batch, lengths) if unnamed else [""] * len(named)
            notes["id"] = _as_bytes([c if n is None else str(n) for n, c in zip(named, contents, strict=True)])
        for name, value in notes.items():
            batch[self.prefix + name] = value
        return batch


@dataclass(frozen=True)
class Slip:
    """What was carried in a batch of n examples.

    Attributes:
        row: Their row numbers; -1 where there are none.
        length: Their numbers of tokens.
        labels: The batch's labels, a row an example, or (padding-free) all examples in one row.
        id: Their ids in UTF-8, filled up with zeros; None when they are known by row.
    """

    row: Int[Tensor, " n"]
    length: Int[Tensor, " n"]
    labels: Int[Tensor, "rows length"]
    id: UInt8[Tensor, "n width"] | None

    def trained(self) -> Bool[Tensor, "n length_minus_1"]:
        """For each example, at which positions of its row the next token is its own and trained on."""
        trained = self.labels[:, 1:] != -100
        if len(self.labels) == len(self.row):
            return trained
        ends = self.length.to(trained.device).cumsum(0)
        positions = torch.arange(1, self.labels.shape[1], device=trained.device)
        owner = torch.bucketize(positions, ends, right=True)
        return trained & (owner == torch.arange(len(ends), device=trained.device)[:, None])


def decoded(ids: UInt8[Tensor, "n width"]) -> list[str]:
    """The ids that were carried, as text."""
    return [bytes(row).rstrip(b"\0").decode() for row in ids.cpu().numpy()]


def take_out(inputs: Mapping[str, Any], prefix: str) -> tuple[dict[str, Any], Slip | None]:
    """The arguments of the model without what was carried under the prefix, and that; None where nothing was."""
    carried = {key.removeprefix(prefix): value for key, value in inputs.items() if key.startswith(prefix)}
    rest = {key: value for key, value in inputs.items() if not key.startswith(prefix)}
    if "row" not in carried:
        return rest, None
    return rest, Slip(carried["row"], carried["length"], carried["labels"], carried.get("id"))


def refuse_packing(args: Any) -> None:
    """Refuse a trainer whose arguments say that it packs.

    Raises:
        UptakeError: It does.
    """
    if getattr(args, "packing", False) or getattr(args, "sample_packing", False):
        raise _packed()


def _refuse_packed(features: Sequence[Any]) -> None:
    for feature in features:
        if not isinstance(feature, Mapping):
            continue
        positions = feature.get("position_ids")
        several = len(feature.get("seq_lengths") or ()) > 1
        if several or (positions is not None and int((np.asarray(positions) == 0).sum()) > 1):
            raise _packed()


def _packed() -> UptakeError:
    return UptakeError(
        "the training set is packed: its rows hold pieces of several examples, so no loss belongs to one example",
        expected="one example a row",
        fix="set packing=False; `padding_free=True` with max_length=None saves the padding as packing does, "
        "and the ledger can read it",
    )


def _lengths(batch: Any, features: Sequence[Any]) -> list[int]:
    """Tokens of every example in the batch, without padding.

    Raises:
        UptakeError: The batch has no labels, or its rows are not its examples.
    """
    if not isinstance(batch, Mapping) or "labels" not in batch or "input_ids" not in batch:
        raise UptakeError(
            "the data collator gives no `labels` and `input_ids`, so there is no loss of each example to record",
            expected="batches for a causal language model",
            fix="use TRL's SFTTrainer, or DataCollatorForLanguageModeling(tokenizer, mlm=False)",
        )
    n_rows, width = batch["labels"].shape
    known = [isinstance(feature, Mapping) and "input_ids" in feature for feature in features]
    lengths = [len(feature["input_ids"]) for feature in features] if all(known) else [width] * len(features)
    if n_rows == len(features):
        mask = batch.get("attention_mask")
        return lengths if mask is None or mask.dim() != 2 else mask.sum(1).tolist()
    if n_rows != 1 or not all(known) or sum(lengths) > width:
        raise UptakeError(
            f"the data collator makes {n_rows} rows of {len(features)} examples",
            expected="a row an example, or all of them one after the other in one row (padding-free)",
            fix="use a collator that keeps examples whole",
        )
    return lengths


def _content_ids(batch: Any, lengths: Sequence[int]) -> list[str]:
    tokens, labels = np.asarray(batch["input_ids"]), np.asarray(batch["labels"])
    if len(labels) == len(lengths):
        mask = batch.get("attention_mask")
        if mask is None or mask.dim() != 2:
            kept = [slice(0, length) for length in lengths]
        else:
            kept = list(np.asarray(mask) != 0)
        return [content_id(*_unlearnable_first(t[k], y[k])) for t, y, k in zip(tokens, labels, kept, strict=True)]
    borders = np.cumsum(lengths)[:-1]
    pieces = zip(np.split(tokens[0], borders), np.split(labels[0], borders), lengths, strict=True)
    return [content_id(*_unlearnable_first(t[:n], y[:n])) for t, y, n in pieces]


def _unlearnable_first(tokens: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> tuple[Any, Any]:
    """Without the first label: nothing predicts it, and only padding-free collators blank it."""
    return tokens, np.concatenate([[-100], labels[1:]])


def _as_bytes(names: Sequence[str]) -> UInt8[Tensor, "n width"]:
    encoded = [name.encode("utf-8", "replace") for name in names]
    width = -(-max(map(len, encoded)) // 64) * 64  # mostly the same, for what joins batches
    flat = b"".join(name.ljust(width, b"\0") for name in encoded)
    return torch.from_numpy(np.frombuffer(flat, dtype=np.uint8).reshape(len(names), width).copy())

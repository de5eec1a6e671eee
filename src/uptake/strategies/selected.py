"""Which rewritten rows an epoch trains: those between two quantiles of what the model makes of them just then.

A row that the model has mastered teaches nothing, and one that it finds harder with its prompt than without is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from uptake.models.training.batch import Batch, summed_nll
from uptake.models.training.gradients import without_dropout
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.rows import NOT_TRAINED, padded

TOKENS = 1024
"""Tokens that are read at a time, with what fills rows up: the logits of so many are in memory at once."""


def selecting(share: float) -> Hooks:
    """Hooks that leave out of each epoch the rewritten rows at both ends of the run's own order.

    The order is by the difficulty ratio: nats of the learned tokens given the prompt, over those given its first token
    alone (IFD, Li et al. 2023, arXiv 2308.12032); of rows without a prompt by their nats a token.

    Args:
        share: Share of the rows that is left out at each end.
    """

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        rows = _rewritten(stage.rows)
        given = (
            padded(rows) if len(rows) else {"input_ids": torch.zeros(0, 1).long(), "labels": torch.zeros(0, 1).long()}
        )
        names = torch.tensor([_name(one) for one in rows["id"].to_pylist()], dtype=torch.long)
        kept, epoch = torch.ones(len(rows)), torch.tensor([-1])
        return {"ids": given["input_ids"], "labels": given["labels"], "names": names, "kept": kept, "epoch": epoch}

    def weigh(batch: Batch, state: State) -> Tensor:
        rows, epoch = batch.rows, int(batch.trainer.state.epoch or 0)
        if len(state["names"]) and int(state["epoch"]) != epoch:  # in each process, whatever rows its batch has
            state["epoch"].fill_(epoch)
            state["kept"].copy_(between(difficulty(batch.model, state["ids"], state["labels"]), share))
        kept = dict(zip(state["names"].tolist(), state["kept"].tolist(), strict=True))
        kinds = rows["kind"].to_pylist() if "kind" in rows.schema.names else [None] * len(rows)
        of = zip(kinds, rows["id"].to_pylist(), strict=True)
        found = [kept.get(_name(name), 1.0) if kind == "rewritten" else 1.0 for kind, name in of]
        return torch.tensor(found, device=batch.model.device)[:, None]

    return Hooks(Needs(per_row=True, logits=True), begin=begin, weigh=weigh)


def between(values: Tensor, share: float) -> Tensor:
    """1 for values between the two quantiles, 0 for those beyond."""
    low, high = torch.quantile(values, torch.tensor([share, 1 - share], device=values.device))
    inside: Tensor = (values >= low) & (values <= high)
    return inside.float()


def difficulty(model: Any, ids: Tensor, labels: Tensor) -> Tensor:
    """Of each row the ratio of nats with its prompt and without; of rows without a prompt nats a token."""
    found = []
    with torch.no_grad(), without_dropout(model):
        size = max(1, TOKENS // ids.shape[1])
        for some in range(0, len(ids), size):
            rows, learned = ids[some : some + size].to(model.device), labels[some : some + size].to(model.device)
            alone = torch.stack([_alone(row, own) for row, own in zip(rows, learned, strict=True)])
            tokens = (learned[:, 1:] != NOT_TRAINED).sum(1).clamp(min=1)
            given, bare = (_nll(model, inputs, own) for inputs, own in ((rows, learned), (alone[:, 0], alone[:, 1])))
            prompted = learned[:, 0] == NOT_TRAINED
            found.append(torch.where(prompted, given / bare.clamp(min=1e-3), given / tokens))
    return torch.cat(found).cpu()


def _alone(row: Tensor, labels: Tensor) -> Tensor:
    """The learned tokens after the row's first token, as ids and labels; what is left over is not learned."""
    where = labels != NOT_TRAINED
    where[0] = False
    n = int(where.sum())
    ids, own = torch.zeros_like(row), torch.full_like(labels, NOT_TRAINED)
    ids[0], ids[1 : n + 1], own[1 : n + 1] = row[0], row[where], labels[where]
    return torch.stack([ids, own])


def _nll(model: Any, ids: Tensor, labels: Tensor) -> Tensor:
    return summed_nll(model(input_ids=ids, use_cache=False).logits[:, :-1], labels[:, 1:])


def _rewritten(rows: pa.Table) -> pa.Table:
    kinds: Sequence[str | None] = rows["kind"].to_pylist() if "kind" in rows.schema.names else [None] * len(rows)
    return rows.filter(pa.array([kind == "rewritten" for kind in kinds], pa.bool_()))


def _name(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)

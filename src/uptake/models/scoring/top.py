"""The most probable tokens at each scored position: what a model would say there, kept for distillation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int

from uptake.models.scoring.forward import logit_chunks, require_embedded
from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.rows import InputRow, Scored, plan_row

Top: TypeAlias = tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]
"""At each scored token: the k most probable ones, the first the most probable, and their log-probabilities in nats."""


def top(model: LanguageModel, sequences: Sequence[Scored], k: int) -> list[Top]:
    """The k most probable tokens at each scored position of sequences.

    Args:
        model: The model.
        sequences: What is scored.
        k: How many; no more than the vocabulary has.
    """
    rows = [plan_row([one]) for one in sequences]
    require_embedded(model.model, (row.ids for row in rows))
    kinds = [model.kind(len(row)) for row in rows]
    model.forget_positions()
    found: dict[int, Top] = {}
    for kind in sorted(set(kinds)):  # as in `LanguageModel.score`
        members = [number for number, own in enumerate(kinds) if own == kind]
        some = [rows[number] for number in members]
        for batch, tops in model.in_batches([len(row) for row in some], partial(_forward, model, some, k)):
            found.update(zip((members[place] for place in batch), tops, strict=True))
    return [found[number] for number in range(len(rows))]


@torch.inference_mode()
def _forward(model: LanguageModel, rows: Sequence[InputRow], k: int, batch: Sequence[int]) -> list[Top]:
    members = [rows[place] for place in batch]
    ids, logprobs = [], []
    for _, logits in logit_chunks(model.model, members, 0, model.abilities.splits_head):
        values = logits.float()
        best = values.topk(min(k, values.shape[-1]), dim=-1)
        ids.append(best.indices.int().cpu())
        logprobs.append((best.values - values.logsumexp(-1, keepdim=True)).cpu())
    ends = np.cumsum([len(row.at) for row in members[:-1]])
    parts = (np.split(torch.cat(column).numpy(), ends) for column in (ids, logprobs))
    return list(zip(*parts, strict=True))

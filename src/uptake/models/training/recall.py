"""What a model recalls of training rows: how probable their learned tokens are, and whether each is the arg-max."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float

from uptake.models.scoring.hf import LanguageModel
from uptake.models.training.gradients import without_dropout
from uptake.models.training.rows import NOT_TRAINED, padded, scored

TOKENS = 1024
"""Tokens of a batch, with what fills rows up: the logits of so many are in memory at once."""


def recalled_in_training(model: Any, rows: pa.Table) -> tuple[Float[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Nats a learned token of each row, and whether all of them are the arg-max; for a stage's end.

    Args:
        model: The model; `after_stage` gives it.
        rows: A table of `uptake.models.training.rows.ROWS`; each row has a learned token.
    """
    lengths = np.array([len(one) for one in rows["input_ids"].to_pylist()], np.int64)
    order = np.argsort(-lengths, kind="stable")
    nll, right = np.zeros(len(rows)), np.zeros(len(rows), bool)
    start = 0
    with without_dropout(model), torch.no_grad():
        while start < len(order):
            some = order[start : start + max(1, TOKENS // int(lengths[order[start]]))]
            start += len(some)
            batch = {name: one.to(model.device) for name, one in padded(rows.take(some)).items()}
            labels = batch.pop("labels")[:, 1:]
            logits = model(**batch, use_cache=False).logits[:, :-1].float()
            learned = labels != NOT_TRAINED
            taken = labels.clamp(min=0)[..., None]
            own = logits.log_softmax(-1).gather(-1, taken)[..., 0]
            nll[some] = (-(own * learned).sum(1) / learned.sum(1)).cpu().numpy()
            right[some] = ((logits.argmax(-1) == labels) | ~learned).all(1).cpu().numpy()
    return nll, right


def recalled_before(
    model: LanguageModel, rows: pa.Table
) -> tuple[Float[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """The same of the model that a stage starts from, as `StageView.model` gives it."""
    found = [one[0] for one in model.score([[one] for one in scored(rows)[1]])]
    nll, right = [-float(one[0].mean()) for one in found], [bool(one[1].all()) for one in found]
    return np.array(nll, np.float64), np.array(right, bool)

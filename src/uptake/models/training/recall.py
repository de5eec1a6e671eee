"""What a model recalls of training rows, then and now: which are lost, and which a later stage contradicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int

from uptake.models.training.gradients import without_dropout
from uptake.models.training.rows import NOT_TRAINED, padded, parts, scored

TOKENS = 1024
"""Tokens of a batch, with what fills rows up: the logits of so many are in memory at once."""


@dataclass(frozen=True)
class Recalled:
    """Kept rows, and what became of them.

    Attributes:
        rows: The rows.
        stage: The number of each row's stage.
        then: It was recalled when its own stage ended.
        asked: The model was asked about it now; of others nothing is known.
        now: It is recalled by the model now.
        rise: By how many nats a token it is less probable now than then.
    """

    rows: pa.Table
    stage: Int[np.ndarray, " rows"]
    then: Bool[np.ndarray, " rows"]
    asked: Bool[np.ndarray, " rows"]
    now: Bool[np.ndarray, " rows"]
    rise: Float[np.ndarray, " rows"]

    @property
    def lost(self) -> Bool[np.ndarray, " rows"]:
        """Recalled then, and not now."""
        return np.asarray(self.asked & self.then & ~self.now, bool)

    @property
    def urgency(self) -> Float[np.ndarray, " rows"]:
        """How much a row has to come again: 1 to 2 for a lost one, up to 1 for one that is nearly lost, else 0.

        What was never recalled has none: it may be too hard, or wrong.
        """
        near = np.clip(self.rise, 0.0, 1.0)
        return np.asarray((self.asked & self.then) * (self.lost + near), np.float64)


def in_training(model: Any, rows: pa.Table) -> pa.Table:
    """What the model recalls of rows at a stage's end: `nll`, nats a learned token, and `right`, all are the arg-max.

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
            batch = {name: one.to(model.device) for name, one in padded(rows.take(pa.array(some))).items()}
            labels = batch.pop("labels")[:, 1:]
            logits = model(**batch, use_cache=False).logits[:, :-1].float()
            learned = labels != NOT_TRAINED
            own = logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
            nll[some] = (-(own * learned).sum(1) / learned.sum(1)).double().cpu().numpy()
            right[some] = ((logits.argmax(-1) == labels) | ~learned).all(1).cpu().numpy()
    return pa.table({"nll": nll, "right": right})


def ask_again(
    model: Any, rows: pa.Table, stage: Int[np.ndarray, " rows"], then: pa.Table, seed: Sequence[int], most: int
) -> Recalled:
    """Ask the model that a stage starts from about kept rows.

    Args:
        model: The `LanguageModel` of `StageView.model`.
        rows: The kept rows.
        stage: The number of each row's stage.
        then: What `in_training` gave of each.
        seed: Of which are asked.
        most: How many are asked, drawn alike from all.
    """
    n = len(rows)
    drawn = np.random.default_rng(seed).permutation(n)[:most]
    found = [one[0] for one in model.score([[one] for one in scored(rows.take(pa.array(drawn)))[1]])]
    nll_then, right_then = (then[name].to_numpy() for name in ("nll", "right"))
    asked, now, rise = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n)
    asked[drawn] = True
    now[drawn] = [bool(one[1].all()) for one in found]
    rise[drawn] = np.array([-float(one[0].mean()) for one in found]) - nll_then[drawn]
    return Recalled(rows, stage, right_then.astype(bool), asked, now, rise)


def answers(rows: pa.Table) -> pa.Table:
    """Of each row a digest of its prompt, null where it has none, and one of its response: 16 bytes a row.

    Args:
        rows: A table of `uptake.models.training.rows.ROWS`.
    """
    found = [*map(parts, rows["input_ids"].to_pylist(), rows["labels"].to_pylist())]
    prompts = [_digest(prompt) if prompt else None for prompt, _ in found]
    return pa.table(
        {"prompt": pa.array(prompts, pa.int64()), "response": pa.array([_digest(one) for _, one in found], pa.int64())}
    )


def superseded(
    rows: pa.Table, stage: Int[np.ndarray, " rows"], said: Mapping[int, pa.Table]
) -> Bool[np.ndarray, " rows"]:
    """Which rows a later stage contradicts: its last answers to the same prompt are others. None without one.

    Args:
        rows: A table of `uptake.models.training.rows.ROWS`.
        stage: The number of each row's stage.
        said: By the number of a stage the `answers` of all its rows, whatever is kept of them.
    """
    own = answers(rows)
    last: dict[int | None, tuple[int, set[int]]] = {one: (-1, set()) for one in own["prompt"].to_pylist()}
    for number in sorted(said):
        for prompt, response in zip(*(said[number][name].to_pylist() for name in ("prompt", "response")), strict=True):
            if prompt in last:
                last[prompt] = last[prompt] if last[prompt][0] == number else (number, set())
                last[prompt][1].add(response)
    every = zip(own["prompt"].to_pylist(), own["response"].to_pylist(), stage.tolist(), strict=True)
    return np.array([one is not None and last[one][0] > number and of not in last[one][1] for one, of, number in every])


def _digest(ids: Sequence[int]) -> int:
    return int.from_bytes(blake2b(np.array(ids, np.int32).tobytes(), digest_size=8).digest(), "little", signed=True)

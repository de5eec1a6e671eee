"""The torch half of the scoring engine: rows in, the log-probability of every scored token out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from uptake.errors import UptakeError
from uptake.models.scoring.past import Past, cache_name, only_recurrent
from uptake.models.scoring.rows import InputRow

LOGIT_BYTES = {"cpu": 32 << 20, "cuda": 512 << 20}
"""Size of one chunk of float32 logits: small enough for a processor's cache, large enough to keep a GPU busy."""


PADDING = 1 << 40
"""Where padding ends: never."""


class PositionLimit(NamedTuple):
    """Where a model begins to encode positions otherwise: for all of a batch, if one row of it is longer.

    Attributes:
        tokens: Rows of up to so many tokens are encoded alike.
        each_length: Beyond it every length has its own encoding (dynamic RoPE); else all longer ones share one.
    """

    tokens: int
    each_length: bool

    def kind(self, length: int) -> int:
        """Rows of one kind are encoded alike, whatever shares their batch."""
        return 0 if length <= self.tokens else length if self.each_length else self.tokens + 1


def position_limit(config: Any) -> PositionLimit | None:
    """The limit of a model with dynamic RoPE or LongRoPE, from its configuration; None for all others.

    Both take the longest row of a batch for the length of all of it (`dynamic_rope_update` in transformers).
    """
    given = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    limits = []
    for rope in (given, *(part for part in given.values() if isinstance(part, dict))):  # some have one a kind of layer
        kind = str(rope.get("rope_type", rope.get("type")))
        own = rope.get("original_max_position_embeddings", getattr(config, "original_max_position_embeddings", None))
        if "dynamic" in kind:
            limits.append(PositionLimit(config.max_position_embeddings, True))
        elif kind == "longrope" and own:
            limits.append(PositionLimit(own, False))
    return min(limits, default=None)


def block_mask(ends: Int[Tensor, "rows length"], dtype: torch.dtype) -> Float[Tensor, "rows 1 length length"]:
    """Additive attention mask: 0 where a token may look, the dtype's minimum where not.

    A token sees itself and those before it that have not ended there. So does padding, which never ends: its softmax
    stays finite, and no other token sees it.
    """
    length = ends.shape[1]
    indices = torch.arange(length, device=ends.device)
    seen = (indices[:, None] < ends[:, None, :]) & (indices[None, :] <= indices[:, None])
    mask = torch.zeros((ends.shape[0], 1, length, length), dtype=dtype, device=ends.device)
    return mask.masked_fill_(~seen[:, None], torch.finfo(dtype).min)


def padded(rows: Sequence[InputRow], field: str, fill: int, device: torch.device) -> Int[Tensor, "rows length"]:
    """One field of all rows as a matrix, filled up on the right."""
    matrix = np.full((len(rows), max(len(row) for row in rows)), fill, dtype=np.int64)
    for index, row in enumerate(rows):
        matrix[index, : len(row)] = getattr(row, field)
    return torch.from_numpy(matrix).to(device, non_blocking=True)


def _inputs(model: Any, runs: Any, rows: Sequence[InputRow], pad_id: int, past: Past | None) -> dict[str, Any]:
    """Arguments of the forward of what runs: a 4-D mask only where some row has branches. All rows see all of the past.

    Args:
        model: The model.
        runs: It, or its part below the head.
        rows: The rows.
        pad_id: Any valid token id.
        past: What all rows come after.
    """
    device, before = model.device, 0 if past is None or only_recurrent(runs) else past.tokens
    arguments: dict[str, Any] = {"input_ids": padded(rows, "ids", pad_id, device), "use_cache": past is not None}
    if any(row.branches for row in rows):
        mask = block_mask(padded(rows, "ends", PADDING, device), model.dtype)
        arguments["attention_mask"] = pad(mask, (before, 0), value=0.0)
        arguments["position_ids"] = padded(rows, "positions", 0, device)
    else:
        own = (padded(rows, "ends", PADDING, device) < PADDING).long()
        arguments["attention_mask"] = pad(own, (before, 0), value=1)
    if past is not None:
        arguments[cache_name(runs)] = past.cache(len(rows))
        if past.recurrent and "position_ids" in signature(runs.forward).parameters:  # some hybrids would begin anew
            arguments["position_ids"] = padded(rows, "positions", 0, device)
    return arguments


def causal_model(model: Any) -> Any:
    """The model of transformers, taken out of PEFT's wrapper where it has one; the adapter's layers stay in it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def below_head(model: Any, splits_head: bool) -> Any:
    """The part of the model that keeps keys and values, without the head where that can be run apart."""
    causal = causal_model(model)
    return causal.get_decoder() if splits_head else causal


@contextmanager
def _returning(backbone: Any, output: Any) -> Iterator[None]:
    """While active, the backbone's forward gives `output`: the model's own head then runs on hidden states of ours.

    Raises:
        RuntimeError: The model did not call its backbone, so what it gave is not from these hidden states.
    """
    shadowed = backbone.__dict__.get("forward")
    called = False

    def given(*_: Any, **__: Any) -> Any:
        nonlocal called
        called = True
        return output

    backbone.forward = given
    try:
        yield
    finally:
        if shadowed is None:
            del backbone.forward
        else:
            backbone.forward = shadowed
    if not called:
        raise RuntimeError("the model does not call its backbone")


def head_logits(causal: Any, output: Any, hidden: Float[Tensor, "n width"]) -> Float[Tensor, "n vocabulary"]:
    """The logits of some hidden states, by the model's own code: soft caps, scales and biases are in them.

    Gradients flow through it.

    Args:
        causal: The model; it must be able to split its head (see `Abilities`).
        output: What its backbone gave.
        hidden: Some of the last hidden states.

    Raises:
        RuntimeError: The model does not call its backbone.
    """
    output.last_hidden_state = hidden[None]
    with _returning(causal.get_decoder(), output):
        logits: Tensor = causal(inputs_embeds=hidden[None], use_cache=False).logits[0]
    return logits


def logit_chunks(
    model: Any, rows: Sequence[InputRow], pad_id: int, splits_head: bool, past: Past | None = None
) -> Iterator[tuple[int, Float[Tensor, "chunk vocabulary"]]]:
    """The logits at every position in the rows' `at`, in order: (index of the chunk's first position, logits).

    The head is the model's own code (soft caps, scales and biases included), run on the hidden states of the scored
    positions alone.
    """
    causal = causal_model(model)
    inputs = _inputs(model, below_head(model, splits_head), rows, pad_id, past)
    length = inputs["input_ids"].shape[1]
    at = torch.tensor([i * length + a for i, row in enumerate(rows) for a in row.at], device=model.device)
    if not splits_head:
        logits = causal(**inputs).logits.flatten(0, 1)
        yield 0, logits[at.to(logits.device)]
        return
    backbone = causal.get_decoder()
    output = backbone(**inputs)
    hidden = output.last_hidden_state.flatten(0, 1)
    hidden = hidden[at.to(hidden.device)]
    vocabulary = causal.get_output_embeddings().weight.shape[0]
    size = max(1, LOGIT_BYTES.get(model.device.type, 128 << 20) // (4 * vocabulary))
    for start in range(0, len(at), size):
        yield start, head_logits(causal, output, hidden[start : start + size])


def require_embedded(model: Any, sequences: Iterable[Sequence[int]]) -> None:
    """Refuse token ids that the model has no embedding for: on a GPU they would end the process.

    Raises:
        UptakeError: There is one: the tokenizer is not the model's.
    """
    known = model.get_input_embeddings().weight.shape[0]
    largest = max((max(ids) for ids in sequences if len(ids)), default=0)
    if largest >= known:
        raise UptakeError(
            f"the tokenizer gives token id {largest}, but the model has embeddings for {known} tokens",
            expected="the tokenizer that the model was trained with",
            fix="save that tokenizer into the model's folder: tokenizer.save_pretrained(FOLDER)",
        )


@torch.inference_mode()
def forward_rows(
    model: Any, rows: Sequence[InputRow], pad_id: int, splits_head: bool = True, past: Past | None = None
) -> Float[np.ndarray, "4 n"]:
    """Score the rows in one forward pass and one transfer to the host.

    Args:
        model: A causal language model of transformers, or a PEFT model around one.
        rows: What to score; all fit into one batch.
        pad_id: Any valid token id.
        splits_head: Whether the head may be run on the scored positions alone.
        past: What all rows come after (see `InputRow.after`); None where they are whole.

    Returns:
        For each scored token, in the rows' order: its log-probability in nats, 1.0 where it is the arg-max, and the
        log-probability and the id of the arg-max (a float holds ids up to 2^24).

    Raises:
        UptakeError: A token id has no embedding.
    """
    require_embedded(model, (ids for row in rows for ids in (row.ids, row.target)))
    device = model.device
    first = np.cumsum([0] + [len(row.at) for row in rows[:-1]])
    source = np.concatenate([np.asarray(row.source) + first[i] for i, row in enumerate(rows)])
    target = torch.from_numpy(np.concatenate([row.target for row in rows])).to(device)
    result = torch.empty((4, len(source)), dtype=torch.float32, device=device)
    order = np.argsort(source, kind="stable")
    in_order = source[order]
    for start, logits in logit_chunks(model, rows, pad_id, splits_head, past):
        low, high = np.searchsorted(in_order, [start, start + len(logits)])
        wanted = torch.from_numpy(order[low:high]).to(device)
        at = torch.from_numpy(in_order[low:high] - start).to(logits.device)
        result[:, wanted] = _read_off(logits.float(), at, target[wanted].to(logits.device)).to(device)
    answer: Float[np.ndarray, "4 n"] = result.cpu().numpy()
    return answer


def _read_off(
    logits: Float[Tensor, "chunk vocabulary"], at: Int[Tensor, " scored"], token: Int[Tensor, " scored"]
) -> Float[Tensor, "4 scored"]:
    """At each place log P(token) = logit - logsumexp(logits), 1.0 where it is the arg-max, its log P, and its id."""
    largest, argmax = logits.max(dim=-1)
    chosen = logits[at, token]
    beyond = logits.sub_(largest[:, None]).exp_().sum(dim=-1).log_()
    best = argmax[at]
    return torch.stack([chosen - largest[at] - beyond[at], (best == token).float(), -beyond[at], best.float()])

"""The torch half of the scoring engine: rows in, the log-probability of every scored token out.

What a model can do is found out by trying, not by its name: `probe_abilities` runs a few short rows in the fast form
and in the plain one and compares. So an architecture that is not known here gets the fast path if it takes it, and
correct numbers in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from uptake.errors import UptakeError
from uptake.models.scoring.rows import InputRow, Scored, plan_row

LOGIT_BYTES = {"cpu": 32 << 20, "cuda": 512 << 20}
"""Size of one chunk of float32 logits: small enough for a processor's cache, large enough to keep a GPU busy."""

TOLERANCE = 1e-4
"""Largest difference in log-probability (nats) that is rounding, or more where the dtype is coarser than that."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do, as measured.

    Attributes:
        shares_prefix: It takes a 4-D mask and positions, so candidates can share one row.
        splits_head: Its backbone and head can be run apart, so only scored positions meet the vocabulary.
        reasons: Why not, in words; empty when it can do both.
    """

    shares_prefix: bool
    splits_head: bool
    reasons: tuple[str, ...] = ()


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


def block_mask(segments: Int[Tensor, "rows length"], dtype: torch.dtype) -> Float[Tensor, "rows 1 length length"]:
    """Additive attention mask: 0 where a token may look, the dtype's minimum where not.

    A token sees the shared part (segment 0) and its own segment, up to itself. So does padding, whose segment is -1:
    its softmax stays finite, and no other token sees it.
    """
    length = segments.shape[1]
    own = segments[:, :, None] == segments[:, None, :]
    seen = (own | (segments[:, None, :] == 0)).tril_()
    mask = torch.zeros((segments.shape[0], 1, length, length), dtype=dtype, device=segments.device)
    return mask.masked_fill_(~seen[:, None], torch.finfo(dtype).min)


def padded(rows: Sequence[InputRow], field: str, fill: int, device: torch.device) -> Int[Tensor, "rows length"]:
    """One field of all rows as a matrix, filled up on the right."""
    matrix = np.full((len(rows), max(len(row) for row in rows)), fill, dtype=np.int64)
    for index, row in enumerate(rows):
        matrix[index, : len(row)] = getattr(row, field)
    return torch.from_numpy(matrix).to(device, non_blocking=True)


def _inputs(model: Any, rows: Sequence[InputRow], pad_id: int) -> dict[str, Tensor]:
    """Arguments of the model's forward: a 4-D mask only where some row has branches."""
    device = model.device
    arguments = {"input_ids": padded(rows, "ids", pad_id, device)}
    if any(row.branches for row in rows):
        arguments["attention_mask"] = block_mask(padded(rows, "segments", -1, device), model.dtype)
        arguments["position_ids"] = padded(rows, "positions", 0, device)
    else:
        arguments["attention_mask"] = (padded(rows, "segments", -1, device) >= 0).long()
    return arguments


def causal_model(model: Any) -> Any:
    """The model of transformers, taken out of PEFT's wrapper where it has one; the adapter's layers stay in it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


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
    model: Any, rows: Sequence[InputRow], pad_id: int, splits_head: bool
) -> Iterator[tuple[int, Float[Tensor, "chunk vocabulary"]]]:
    """The logits at every position in the rows' `at`, in order: (index of the chunk's first position, logits).

    The head is the model's own code (soft caps, scales and biases included), run on the hidden states of the scored
    positions alone.
    """
    causal = causal_model(model)
    inputs = _inputs(model, rows, pad_id)
    length = inputs["input_ids"].shape[1]
    at = torch.tensor([i * length + a for i, row in enumerate(rows) for a in row.at], device=model.device)
    if not splits_head:
        logits = causal(**inputs, use_cache=False).logits.flatten(0, 1)
        yield 0, logits[at.to(logits.device)]
        return
    backbone = causal.get_decoder()
    output = backbone(**inputs, use_cache=False)
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
    model: Any, rows: Sequence[InputRow], pad_id: int, splits_head: bool = True
) -> Float[np.ndarray, "2 n"]:
    """Score the rows in one forward pass and one transfer to the host.

    Args:
        model: A causal language model of transformers, or a PEFT model around one.
        rows: What to score; all fit into one batch.
        pad_id: Any valid token id.
        splits_head: Whether the head may be run on the scored positions alone.

    Returns:
        For each scored token, in the rows' order: its log-probability in nats, and 1.0 where it is the arg-max.

    Raises:
        UptakeError: A token id has no embedding.
    """
    require_embedded(model, (ids for row in rows for ids in (row.ids, row.target)))
    device = model.device
    first = np.cumsum([0] + [len(row.at) for row in rows[:-1]])
    source = np.concatenate([np.asarray(row.source) + first[i] for i, row in enumerate(rows)])
    target = torch.from_numpy(np.concatenate([row.target for row in rows])).to(device)
    result = torch.empty((2, len(source)), dtype=torch.float32, device=device)
    order = np.argsort(source, kind="stable")
    in_order = source[order]
    for start, logits in logit_chunks(model, rows, pad_id, splits_head):
        low, high = np.searchsorted(in_order, [start, start + len(logits)])
        wanted = torch.from_numpy(order[low:high]).to(device)
        at = torch.from_numpy(in_order[low:high] - start).to(logits.device)
        result[:, wanted] = _read_off(logits.float(), at, target[wanted].to(logits.device)).to(device)
    answer: Float[np.ndarray, "2 n"] = result.cpu().numpy()
    return answer


def _read_off(
    logits: Float[Tensor, "chunk vocabulary"], at: Int[Tensor, " scored"], token: Int[Tensor, " scored"]
) -> Float[Tensor, "2 scored"]:
    """Log P(token) = logit - logsumexp(logits) at each position `at`, and 1.0 where the token is the arg-max."""
    largest, argmax = logits.max(dim=-1)
    chosen = logits[at, token]
    normaliser = largest + logits.sub_(largest[:, None]).exp_().sum(dim=-1).log_()
    return torch.stack([chosen - normaliser[at], (argmax[at] == token).float()])


def _leaking(row: InputRow) -> InputRow:
    """The same row with all branches in one segment, so that they see each other."""
    return replace(row, segments=[min(segment, 1) for segment in row.segments])


def _log_probs(model: Any, rows: Sequence[InputRow], splits_head: bool) -> Float[np.ndarray, " n"]:
    scores: Float[np.ndarray, " n"] = forward_rows(model, rows, 0, splits_head)[0]
    return scores


def _same_head(model: Any, rows: Sequence[InputRow]) -> bool:
    """Whether hidden states of the backbone, put through the model's head on their own, give the model's logits."""
    whole = _log_probs(model, rows, splits_head=False)
    try:
        split = _log_probs(model, rows, splits_head=True)
    except Exception:  # whatever an unknown architecture does: it then runs whole
        return False
    return _distance(split, whole) <= _rounding(model, whole)


@torch.no_grad()
def splits_head(model: Any) -> bool:
    """Whether the head may be run on some hidden states alone: found out by a few tokens, both ways.

    Args:
        model: A causal language model of transformers, or a PEFT model around one; without dropout.
    """
    known = model.get_input_embeddings().weight.shape[0]
    draws = np.random.default_rng(0).integers(0, known, size=(3, 8)).tolist()
    return _same_head(model, [plan_row([Scored(ids, 4)]) for ids in draws])


def _distance(some: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Largest difference in nats; two impossible tokens (minus infinity) do not differ."""
    differ = some != other
    return float(np.abs(some[differ] - other[differ]).max(initial=0.0))


def _rounding(model: Any, numbers: Float[np.ndarray, " n"]) -> float:
    """How far numbers of this size may be apart by rounding alone: a few units in the last place of a logit."""
    size = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=1.0))
    return max(TOLERANCE, 4 * torch.finfo(model.dtype).eps * size)


def probe_abilities(model: Any, vocabulary: int, window: int | None) -> Abilities:
    """Find out whether the model takes shared rows and a split head, by comparing both with its plain forward pass.

    The comparison has a control: the same rows under a mask that lets branches see each other. Shared rows pass if they
    differ from plain ones by less than a tenth of what the control does. In half precision, where rounding may be more,
    less than half will do if it can be rounding: a model that does not heed the mask differs by all of it.

    Args:
        model: The model.
        vocabulary: Token ids below this are valid.
        window: Largest distance that attention spans, or None when there is no such limit.
    """
    length = max(1, min(7, (window or 10) - 3))
    draws = np.random.default_rng(0).integers(0, vocabulary, size=(3, length + 5)).tolist()
    groups = [[Scored(d[: length + 3], length), Scored(d[:length] + d[length + 3 :], length)] for d in draws]
    alone = [plan_row([sequence]) for group in groups for sequence in group]
    splits_head = _same_head(model, alone)
    reasons = () if splits_head else ("its head cannot be run apart from its backbone",)
    plain, together = _log_probs(model, alone, splits_head), [plan_row(group) for group in groups]
    try:
        shared = _log_probs(model, together, splits_head)
        leaking = _log_probs(model, [_leaking(row) for row in together], splits_head)
    except Exception as error:  # whatever an architecture does with a mask that it does not know
        return Abilities(False, splits_head, (*reasons, f"it takes no 4-D attention mask ({type(error).__name__})"))
    off, control = _distance(shared, plain), _distance(leaking, plain)
    half = torch.finfo(model.dtype).bits < 32
    if off <= max(0.1 * control, min(0.5 * control, _rounding(model, plain)) if half else 0.0):
        return Abilities(True, splits_head, reasons)
    return Abilities(False, splits_head, (*reasons, f"with a 4-D attention mask its numbers are off by {off:.1g} nats"))

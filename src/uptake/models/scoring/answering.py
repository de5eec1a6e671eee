"""Continuations token by token: a row that has ended leaves the batch, and is not carried on to the others' end."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import GenerationConfig
from transformers.cache_utils import DynamicCache

from uptake.models import Enough
from uptake.models.scoring.forward import causal_model, head_logits
from uptake.models.scoring.past import Past


@dataclass(frozen=True)
class Continuing:
    """How contexts are continued.

    Attributes:
        rooms: Longest continuation of each context.
        ends: Token ids that end one.
        samples: 0 for the greedy one; else how many are drawn at temperature 1, from the untruncated distribution.
        enough: Asked after each token whether a continuation may stop, by its context's index; None where all go on.
    """

    rooms: Sequence[int]
    ends: tuple[int, ...]
    samples: int = 0
    enough: Enough | None = None

    def of(self, indices: Sequence[int]) -> Continuing:
        """The same for some of the contexts."""
        enough = self.enough

        def own(index: int, ids: Sequence[int]) -> bool:
            return enough is not None and enough(indices[index], ids)

        rooms = [self.rooms[index] for index in indices]
        return replace(self, rooms=rooms, enough=None if enough is None else own)

    def goes_on(self, index: int, ids: Sequence[int]) -> bool:
        """Whether a continuation needs another token."""
        return len(ids) < self.rooms[index] and not (self.enough is not None and self.enough(index, ids))


@dataclass
class _Batch:
    """The rows of a batch that go on: which they are, what they see, and what the layers keep of them."""

    rows: list[int]
    mask: Int[Tensor, "rows seen"]
    cache: DynamicCache = field(repr=False)

    def keep(self, places: Sequence[int]) -> None:
        """Only these rows go on; they may be repeated."""
        if list(places) == list(range(len(self.rows))):
            return
        kept = torch.tensor(list(places), device=self.mask.device)
        self.rows = [self.rows[place] for place in places]
        self.mask = self.mask[kept]
        self.cache.batch_select_indices(kept)

    def see(self, more: Int[Tensor, "rows more"]) -> Int[Tensor, "rows more"]:
        """The rows go on with tokens (0: padding); gives their positions."""
        self.mask = torch.cat([self.mask, more], dim=-1)
        return (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -more.shape[1] :]


@torch.inference_mode()
def continued(
    model: Any, contexts: Sequence[Sequence[int]], wanted: Continuing, past: Past | None, splits_head: bool
) -> list[list[list[int]]]:
    """Continue the contexts of one batch.

    Args:
        model: A model that goes on from keys and values that it computed before (see `Abilities`).
        contexts: Token ids, without those of the past.
        wanted: How they are continued.
        past: What all contexts come after; None where they are whole.
        splits_head: Whether the head may be run on the last positions alone.

    Returns:
        For each context its continuations, without what ends them.
    """
    copies = max(1, wanted.samples)
    written: list[list[int]] = [[] for _ in range(copies * len(contexts))]
    batch, logits = _begin(model, contexts, past, splits_head)
    batch.keep([row for row in batch.rows for _ in range(copies)])
    logits, batch.rows = logits.repeat_interleave(copies, dim=0), list(range(len(written)))
    while True:
        tokens = _chosen(logits, wanted.samples > 0)
        for row, token in zip(batch.rows, tokens.tolist(), strict=True):
            written[row] += [] if token in wanted.ends else [token]
        goes_on = [
            place
            for place, (row, token) in enumerate(zip(batch.rows, tokens.tolist(), strict=True))
            if token not in wanted.ends and wanted.goes_on(row // copies, written[row])
        ]
        if not goes_on:
            break
        batch.keep(goes_on)
        some = tokens[goes_on][:, None]
        logits = _next(model, batch, some, torch.ones_like(some), splits_head)
    return [written[start : start + copies] for start in range(0, len(written), copies)]


@torch.inference_mode()
def next_logits(
    model: Any, contexts: Sequence[Sequence[int]], past: Past | None, splits_head: bool
) -> Float[Tensor, "contexts vocabulary"]:
    """The logits of what comes next after each context; the arguments are those of `continued`."""
    return _begin(model, contexts, past, splits_head)[1]


def _begin(
    model: Any, contexts: Sequence[Sequence[int]], past: Past | None, splits_head: bool
) -> tuple[_Batch, Float[Tensor, "contexts vocabulary"]]:
    rows = len(contexts)
    before = torch.ones((rows, 0 if past is None else past.tokens), dtype=torch.long, device=model.device)
    batch = _Batch(list(range(rows)), before, DynamicCache() if past is None else past.growing(rows))
    return batch, _next(model, batch, *_left_padded(contexts, model.device), splits_head)


def _left_padded(contexts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(len(context) for context in contexts)
    ids = torch.zeros((len(contexts), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, context in enumerate(contexts):
        ids[index, width - len(context) :] = torch.tensor(list(context))
        mask[index, width - len(context) :] = 1
    return ids.to(device), mask.to(device)


def _next(
    model: Any, batch: _Batch, ids: Int[Tensor, "rows more"], mask: Int[Tensor, "rows more"], splits_head: bool
) -> Float[Tensor, "rows vocabulary"]:
    """The rows go on with some tokens: the logits of what comes next."""
    causal = causal_model(model)
    positions = batch.see(mask)
    runs = causal.get_decoder() if splits_head else causal
    given = {"position_ids": positions} if "position_ids" in inspect.signature(runs.forward).parameters else {}
    output = runs(input_ids=ids, attention_mask=batch.mask, past_key_values=batch.cache, use_cache=True, **given)
    if splits_head:
        return head_logits(causal, output, output.last_hidden_state[:, -1]).float()
    logits: Tensor = output.logits[:, -1].float()
    return logits


def _chosen(logits: Float[Tensor, "rows vocabulary"], samples: bool) -> Int[Tensor, " rows"]:
    return torch.multinomial(logits.softmax(-1), 1)[:, 0] if samples else logits.argmax(-1)


@torch.inference_mode()
def by_transformers(
    model: Any, contexts: Sequence[Sequence[int]], wanted: Continuing, *, copies_together: bool = True
) -> list[list[list[int]]]:
    """The same for any model: by `generate` of transformers, which carries all rows on to the end of the longest one.

    Args:
        model: The model.
        contexts: Token ids.
        wanted: How they are continued; `enough` is not asked.
        copies_together: Whether the samples of a context may be rows of one batch.
    """
    if wanted.samples > 1 and not copies_together:
        draws = [by_transformers(model, contexts, replace(wanted, samples=1)) for _ in range(wanted.samples)]
        return [[one for drawn in draws for one in drawn[index]] for index in range(len(contexts))]
    causal, samples, ends = causal_model(model), wanted.samples, wanted.ends
    ids, mask = _left_padded(contexts, model.device)
    config = GenerationConfig(
        max_new_tokens=max(wanted.rooms),
        do_sample=samples > 0,
        num_return_sequences=max(1, samples),
        temperature=1.0 if samples else None,
        top_k=0 if samples else None,
        top_p=1.0 if samples else None,
        eos_token_id=list(ends) or None,
        pad_token_id=ends[0] if ends else 0,
    )
    with _without_defaults(causal):
        out = causal.generate(input_ids=ids, attention_mask=mask, generation_config=config)
    rows = [_until(row, ends) for row in out[:, ids.shape[1] :].tolist()]
    copies = max(1, samples)
    return [rows[start : start + copies] for start in range(0, len(rows), copies)]


@torch.inference_mode()
def generated_logits(
    model: Any, contexts: Sequence[Sequence[int]], then: Sequence[int], *, masked: bool = True
) -> Float[Tensor, "contexts tokens vocabulary"]:
    """What `generate` of transformers finds likely after contexts of a batch, token by token.

    Args:
        model: The model.
        contexts: Token ids.
        then: How all of them go on, with one token fewer than there are logits.
        masked: Whether it is told which tokens are padding; without, it takes them for text.
    """
    causal = causal_model(model)
    ids, mask = _left_padded(contexts, model.device)
    before, choices = ids.shape[1], [*then, 0]
    config = GenerationConfig(
        max_new_tokens=len(choices), do_sample=False, output_logits=True, return_dict_in_generate=True, pad_token_id=0
    )
    with _without_defaults(causal):
        out = causal.generate(
            input_ids=ids,
            attention_mask=mask if masked else torch.ones_like(mask),
            generation_config=config,
            prefix_allowed_tokens_fn=lambda _, so_far: [choices[len(so_far) - before]],
        )
    return torch.stack(out.logits, dim=1).float()


def _until(ids: list[int], ends: tuple[int, ...]) -> list[int]:
    """The ids before the first end."""
    for index, token in enumerate(ids):
        if token in ends:
            return ids[:index]
    return ids


@contextmanager
def _without_defaults(model: Any) -> Iterator[None]:
    """While active, the model has no generation defaults: transformers fills what a caller leaves open from them.

    A `repetition_penalty` or `temperature` that ships with a model would change what it is measured to say.
    """
    kept = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = kept

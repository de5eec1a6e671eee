"""The keys and values of a beginning, computed once and put before those of each batch of rows that share it.

Layers with a recurrent state (Mamba, and hybrids such as Jamba) keep that instead: each row goes on from a copy of it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from uptake.errors import UptakeError


@dataclass(frozen=True)
class Past:
    """What the layers of a model keep of a beginning.

    Attributes:
        tokens: How long it is.
        layers: Of each layer keys and values, or its state, of one row; nothing is written into them.
    """

    tokens: int
    layers: tuple[Any, ...]

    @property
    def recurrent(self) -> bool:
        """Whether some layer keeps a state, which padding would go through as tokens do."""
        return any(_recurrent(one) for one in self.layers)

    @property
    def bytes_a_row(self) -> int:
        """Bytes that are copied for each row of a batch; keys and values are not."""
        copied = [one for one in self.layers if type(one) is not DynamicLayer]
        parts = [part for one in copied for part in vars(one).values()]
        tensors = [one for part in parts for one in (part.values() if isinstance(part, dict) else [part])]
        return sum(one.numel() * one.element_size() for one in tensors if isinstance(one, Tensor))

    def blank(self, field: str) -> Past:
        """The same with zeros in one part of the states (`conv_states`, `recurrent_states`), as if nothing was read."""

        def cleared(layer: Any) -> Any:
            one = copy.copy(layer)
            if _recurrent(one):
                states = getattr(layer, field).items()
                setattr(one, field, {key: None if state is None else torch.zeros_like(state) for key, state in states})
            return one

        return Past(self.tokens, tuple(cleared(one) for one in self.layers))

    def holds(self, field: str) -> bool:
        """Whether some layer has this part of a state."""
        return any(_recurrent(one) and any(x is not None for x in getattr(one, field).values()) for one in self.layers)

    def cache(self, rows: int) -> DynamicCache:
        """For one forward pass of so many rows, which leaves nothing behind."""
        cache = DynamicCache()
        cache.layers = [
            _Before(one.keys, one.values) if type(one) is DynamicLayer else _forked(one, rows) for one in self.layers
        ]
        return cache

    def growing(self, rows: int) -> DynamicCache:
        """For rows that go on token by token."""
        cache = DynamicCache()
        cache.layers = [_forked(one, rows) for one in self.layers]
        return cache


def _forked(layer: Any, rows: int) -> Any:
    """A copy of what a layer keeps of one row, for so many rows: each goes its own way from there."""

    def spread(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spread(one) for key, one in value.items()}
        return value.repeat_interleave(rows, dim=0) if isinstance(value, Tensor) else value

    one = copy.copy(layer)
    for name, value in vars(layer).items():
        setattr(one, name, spread(value))
    return one


class _Before(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """Puts a beginning before the keys and values of every row, and keeps none of these: one layer's are in memory."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """The keys and values that the rows' tokens may look at."""
        rows = key_states.shape[0]
        keys = torch.cat([self.keys.expand(rows, -1, -1, -1), key_states], dim=-2)
        return keys, torch.cat([self.values.expand(rows, -1, -1, -1), value_states], dim=-2)


@torch.inference_mode()
def past_of(backbone: Any, ids: Sequence[int]) -> Past:
    """Compute a beginning.

    Args:
        backbone: The model, or its part below the head.
        ids: Its token ids.

    Raises:
        UptakeError: The model keeps something else than keys and values of all tokens, or the state after them.
    """
    cache = _empty(backbone.config)
    given = {cache_name(backbone): cache}
    backbone(input_ids=torch.tensor([list(ids)], device=backbone.device), use_cache=True, **given)
    layers = cache.layers
    if not layers or not all(_whole(one, len(ids)) for one in layers):
        raise UptakeError("the model keeps no keys and values of what it has read")
    return Past(len(ids), tuple(layers))


def cache_name(runs: Any) -> str:
    """What a model's forward pass calls what its layers keep."""
    return "cache_params" if only_recurrent(runs) else "past_key_values"


def only_recurrent(runs: Any) -> bool:
    """Whether no layer attends to tokens, as in Mamba: a mask then has the length of what is read now."""
    return "cache_params" in inspect.signature(runs.forward).parameters


def keeps_state(config: Any) -> bool:
    """Whether some layers of a model of transformers keep a recurrent state."""
    return any(_recurrent(one) for one in _empty(config).layers)


def _empty(config: Any) -> DynamicCache:
    """A cache with layers that keep a state where the model has such, else with keys and values of all tokens."""
    try:
        cache = DynamicCache(config=config)
    except Exception:  # whatever a configuration lacks that is not known here
        return DynamicCache()
    return cache if any(_recurrent(one) for one in cache.layers) else DynamicCache()


def _recurrent(layer: Any) -> bool:
    return hasattr(layer, "conv_states") and hasattr(layer, "recurrent_states")


def _whole(layer: Any, tokens: int) -> bool:
    """Whether a layer keeps all that it needs of so many tokens, or keeps nothing at all."""
    if isinstance(layer, DynamicSlidingWindowLayer):
        return False
    if isinstance(layer, DynamicLayer) and layer.get_seq_length() != tokens:
        return False
    if _recurrent(layer):
        return all(layer.has_previous_state.values())
    return type(layer) is DynamicLayer or vars(layer).get("keys", "") is None

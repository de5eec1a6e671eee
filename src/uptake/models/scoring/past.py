"""The keys and values of a beginning, computed once and put before those of each batch of rows that share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from uptake.errors import UptakeError


@dataclass(frozen=True)
class Past:
    """What the layers of a model keep of a beginning.

    Attributes:
        tokens: How long it is.
        layers: Keys and values of each layer.
    """

    tokens: int
    layers: tuple[tuple[Float[Tensor, "1 heads tokens width"], Float[Tensor, "1 heads tokens width"]], ...]

    def cache(self) -> DynamicCache:
        """For one forward pass of any number of rows, which leaves nothing behind."""
        cache = DynamicCache()
        cache.layers = [_Before(*one) for one in self.layers]
        return cache

    def growing(self, rows: int) -> DynamicCache:
        """For rows that go on token by token."""
        cache = DynamicCache()
        for index, layer in enumerate(self.layers):
            cache.update(*(one.expand(rows, -1, -1, -1) for one in layer), index)
        return cache


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
        UptakeError: The model keeps something else than keys and values of all tokens.
    """
    cache = DynamicCache()
    backbone(input_ids=torch.tensor([list(ids)], device=backbone.device), past_key_values=cache, use_cache=True)
    layers = cache.layers
    if not layers or any(type(one) is not DynamicLayer or one.get_seq_length() != len(ids) for one in layers):
        raise UptakeError("the model keeps no keys and values of what it has read")
    return Past(len(ids), tuple((one.keys, one.values) for one in layers))

"""Full weights that stay in memory from one model to the next: a base, an adapter on it, another adapter, the base.

An adapter is put on the weights that are there, and taken off again. Whether both left them as they were is not known
from the adapter's kind, but looked at: some change the base when they are put on it (PiSSA), give its embeddings more
rows, or are in it for good. Such weights are read anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from uptake.models.places.load import full_weights, with_adapter
from uptake.models.places.place import Place, device_of
from uptake.models.places.settings import LoadSettings


class Makeup(NamedTuple):
    """What a model is made of.

    Attributes:
        modules: Name and class of each.
        tensors: Name, and what it holds, of each parameter and buffer.
    """

    modules: tuple[tuple[str, type], ...]
    tensors: tuple[tuple[str, Hashable], ...]

    @property
    def held(self) -> Counter[Hashable]:
        """What the tensors hold, whatever they are called."""
        return Counter(one for _, one in self.tensors)


@dataclass(frozen=True)
class FullWeights:
    """Full weights in memory, of which models are made one after the other.

    Attributes:
        model: The model of transformers, without an adapter, on its device.
        remarks: What is to be said about it.
        key: From which files it was read, and how.
        makeup: What it is made of, as it was before the first adapter; None where none was put on it.
    """

    model: Any
    remarks: tuple[str, ...]
    key: tuple[Hashable, ...]
    makeup: Makeup | None = None


def key_of(place: Place, settings: LoadSettings) -> tuple[Hashable, ...]:
    """Identifies full weights and all of the settings that they depend on."""
    device = str(device_of(settings.device))
    how = (settings.dtype, device, settings.attn_implementation, settings.trust_remote_code)
    return (place.weights.resolve(), *how)


def read(place: Place, settings: LoadSettings) -> FullWeights:
    """Read the full weights; raises as `full_weights`."""
    model, remarks = full_weights(place, settings)
    return FullWeights(model.to(device_of(settings.device)).eval(), remarks, key_of(place, settings))


def adapted(
    full: FullWeights, place: Place, settings: LoadSettings, tokens: int
) -> tuple[Any, tuple[str, ...], FullWeights | None]:
    """An adapter on full weights in memory.

    Args:
        full: The weights; they are part of the result.
        place: Where the adapter lies.
        settings: How it is loaded.
        tokens: Of the tokenizer that is used with it.

    Returns:
        The model; what is to be said about it; and the weights where the adapter left them as they were, else None.

    Raises:
        UptakeError: As `with_adapter`.
    """
    before = full.makeup or makeup_of(full.model)
    model, remarks = with_adapter(full.model, place, tokens)
    model = model.to(device_of(settings.device)).eval()
    after = None if before is None else makeup_of(model)
    unchanged = before is not None and after is not None and before.held <= after.held
    return model, remarks, replace(full, makeup=before) if unchanged else None


def taken_off(model: Any, full: FullWeights) -> FullWeights | None:
    """The full weights without the adapter that was put on them; None where they are not what they were.

    Args:
        model: What was made of them: they themselves, or with an adapter.
        full: The weights.
    """
    if model is full.model:
        return full
    try:
        left = model.unload()
    except Exception:  # some kinds of adapters are never taken off
        return None
    return replace(full, model=left) if makeup_of(left) == full.makeup else None


def makeup_of(model: Any) -> Makeup | None:
    """What a model is made of; None where some of it cannot be read (kinds of quantised tensors)."""
    modules = tuple((name, type(one)) for name, one in model.named_modules())
    try:
        tensors = tuple(
            (name, (tuple(one.shape), one.dtype, _bits(one)))
            for name, one in chain(model.named_parameters(), model.named_buffers())
        )
    except (RuntimeError, NotImplementedError, TypeError):
        return None
    return Makeup(modules, tensors)


def _bits(tensor: Tensor) -> int:
    """The sum of a tensor's bits, taken as whole numbers of 64 bits: no order of summation changes it."""
    flat = tensor.detach().contiguous().flatten().view(torch.uint8)
    flat = flat.clone() if flat.storage_offset() % 8 else flat
    whole = len(flat) - len(flat) % 8
    words, rest = flat[:whole].view(torch.int64), flat[whole:]
    return int(words.sum().item()) ^ int(rest.sum(dtype=torch.int64).item())

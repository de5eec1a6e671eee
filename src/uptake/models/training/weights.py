"""The weights that are trained: copied, and put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def trained(model: Any) -> dict[str, torch.nn.Parameter]:
    """The weights that are trained, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def copied(model: Any) -> dict[str, Tensor]:
    """The values of the trained weights at this moment."""
    return {name: weight.detach().clone() for name, weight in trained(model).items()}


def put(model: Any, values: Mapping[str, Tensor]) -> None:
    """Give trained weights other values; those that are not named stay."""
    with torch.no_grad():
        for name, weight in trained(model).items():
            if name in values:
                weight.copy_(values[name])

"""The weights that are trained: copied, and put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from uptake.errors import UptakeError


def trained(model: Any) -> dict[str, torch.nn.Parameter]:
    """The weights that are trained, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def copied(model: Any) -> dict[str, Tensor]:
    """The values of the trained weights at this moment."""
    return {name: weight.detach().clone() for name, weight in trained(model).items()}


def linear(model: Any) -> dict[str, torch.nn.Parameter]:
    """The trained matrices of linear layers, by name, but for the one that gives the logits.

    Raises:
        UptakeError: There are none.
    """
    head = getattr(model, "get_output_embeddings", lambda: None)()
    found: dict[str, torch.nn.Parameter] = {
        f"{name}.weight": cast(torch.nn.Parameter, one.weight)
        for name, one in model.named_modules()
        if isinstance(one, torch.nn.Linear) and one.weight.requires_grad and one is not head
    }
    if not found:
        raise UptakeError(
            "the model has no linear layers that are trained",
            expected="layers of torch.nn.Linear; those of GPT-2 are others",
            fix="train it by a strategy that looks at no single layers",
        )
    return found


def put(model: Any, values: Mapping[str, Tensor]) -> None:
    """Give trained weights other values; those that are not named stay."""
    with torch.no_grad():
        for name, weight in trained(model).items():
            if name in values:
                weight.copy_(values[name])

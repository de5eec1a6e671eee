"""What linear layers are given: the second moments of their inputs over training rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from uptake.models.training.gradients import without_dropout
from uptake.models.training.rows import Rows
from uptake.models.training.weights import linear


def linear_inputs(model: Any, rows: pa.Table) -> dict[str, Tensor]:
    """The sum of x xᵀ over all inputs x of each linear layer, by the name of its weight; for a stage's end.

    Args:
        model: The model; `after_stage` gives it.
        rows: A table of `uptake.models.training.rows.ROWS`.
    """
    modules, items, handles = dict(model.named_modules()), Rows(rows), []
    found: dict[str, Tensor] = {}

    def look(name: str) -> Any:
        def hook(layer: Any, given: tuple[Tensor, ...]) -> None:
            inputs = given[0].detach().flatten(0, -2).float()
            found[name] = found[name] + inputs.T @ inputs if name in found else inputs.T @ inputs

        return hook

    try:
        handles += [
            modules[name.removesuffix(".weight")].register_forward_pre_hook(look(name)) for name in linear(model)
        ]
        with without_dropout(model), torch.no_grad():
            for number in range(len(items)):
                model(input_ids=torch.tensor([items[number]["input_ids"]], device=model.device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return {name: one.cpu() for name, one in found.items()}

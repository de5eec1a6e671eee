"""Where the prompts of training rows lie in the model's own space."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from uptake.models.training.gradients import without_dropout
from uptake.models.training.rows import Rows, parts


def prompt_states(model: Any, rows: pa.Table) -> Float[Tensor, "rows dims"]:
    """The mean of the last hidden states over each row's prompt, as unit vectors; for a stage's end.

    The prompt is what comes before the first learned token; a row that has none counts whole.

    Args:
        model: The model; `after_stage` gives it.
        rows: A table of `uptake.models.training.rows.ROWS`.
    """
    items, found = Rows(rows), []
    with without_dropout(model), torch.no_grad():
        for number in range(len(items)):
            item = items[number]
            prompt, _ = parts(item["input_ids"], item["labels"])
            whole = [*prompt] if len(prompt) > 1 else item["input_ids"]
            output = model(
                input_ids=torch.tensor([whole], device=model.device), use_cache=False, output_hidden_states=True
            )
            found.append(output.hidden_states[-1][0].float().mean(0).cpu())
    return torch.nn.functional.normalize(torch.stack(found), dim=1)

"""Models: load them, score with them, let them answer, make small ones. Importing this does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from uptake.models.scoring.rows import Scored


@runtime_checkable
class Model(Protocol):
    """What the steps need of a model; `uptake.models.scoring.hf.LanguageModel` is one."""

    tokenizer: Any

    def score(self, groups: Sequence[Sequence[Scored]]) -> list[list[Float[np.ndarray, "2 _"]]]:
        """For each sequence of each group: log-probability (nats) and arg-max flag of every scored token."""
        ...

    def generate(
        self, contexts: Sequence[Sequence[int]], max_new_tokens: Sequence[int], *, samples: int = 0, seed: int = 0
    ) -> list[list[list[int]]]:
        """For each context: the greedy continuation, or `samples` samples at temperature 1, as token ids."""
        ...

"""How many tokens a method sends through a model beside the training of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

KINDS = ("steps", "ends", "forward")
"""`steps`: forwards and backwards, in the steps of a stage. `ends`: forwards and backwards, before and after them.
`forward`: forwards alone, as in scoring and generating."""

Part: TypeAlias = Literal["steps", "ends"]
SPENT = "spent"
"""Under which name a state holds the counts, so that they lie in each checkpoint."""


class Tally:
    """Counts the tokens that models look up while a method is at work: one number for each of `KINDS`.

    What the trainer does for itself is not counted, and no padding where it has a token of its own. What is computed
    once and used for several rows counts once.

    Args:
        counts: Where it is counted, shape (3,).
        padding: The token that fills up rows; None counts all.
    """

    def __init__(self, counts: Tensor | None = None, padding: int | None = None) -> None:
        self.counts = torch.zeros(len(KINDS), dtype=torch.int64) if counts is None else counts
        self.padding = padding
        self._part: Part | None = None

    @contextmanager
    def of(self, part: Part) -> Iterator[None]:
        """Count what a method does meanwhile."""
        before, self._part = self._part, part
        try:
            yield
        finally:
            self._part = before

    def watch(self, model: Any) -> None:
        """Count what goes through a model."""
        model.get_input_embeddings().register_forward_pre_hook(self._seen)

    def _seen(self, module: Any, given: tuple[Any, ...]) -> None:
        if self._part is None or not given or not isinstance(given[0], Tensor):
            return
        ids = given[0]
        n = ids.numel() if self.padding is None else int((ids != self.padding).sum())
        self.counts[KINDS.index(self._part if torch.is_grad_enabled() else "forward")] += n


def padding_of(tokenizer: Any) -> int | None:
    """The token that fills up rows, if it does nothing else."""
    pad, end = (getattr(tokenizer, name, None) for name in ("pad_token_id", "eos_token_id"))
    return pad if pad != end else None

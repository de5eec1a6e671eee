"""How many tokens a method sends through a model beside the training of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from uptake.models.scoring.forward import causal_model

KINDS = ("steps", "ends", "forward", "within")
"""`steps`: forwards and backwards, in the steps of a stage. `ends`: forwards and backwards, before and after them.
`forward`: forwards alone, as in scoring and generating, before and after the steps. `within`: the same in the steps."""

REVISION = 2
"""Raised when the same training comes to count otherwise."""

Part: TypeAlias = Literal["steps", "ends"]
SPENT = "spent"
"""Under which name a state holds the counts, so that they lie in each checkpoint."""


class Tally:
    """Counts the tokens that models look up while a method is at work: one number for each of `KINDS`.

    What the trainer does for itself is not counted, and nothing that fills rows up, as the attention mask tells it (one
    that is no row of numbers an input row leaves nothing out). What is computed once and used for several rows counts
    once.

    Args:
        counts: Where it is counted, shape (4,).
    """

    def __init__(self, counts: Tensor | None = None) -> None:
        self.counts = torch.zeros(len(KINDS), dtype=torch.int64) if counts is None else counts
        self._part: Part | None = None
        self._mask: Tensor | None = None

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
        causal = causal_model(model)
        decoder = causal.get_decoder() if hasattr(causal, "get_decoder") else causal
        decoder.register_forward_pre_hook(self._masked, with_kwargs=True)
        model.get_input_embeddings().register_forward_pre_hook(self._seen)

    def _masked(self, module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._mask = named.get("attention_mask")

    def _seen(self, module: Any, given: tuple[Any, ...]) -> None:
        if self._part is None or not given or not isinstance(given[0], Tensor):
            return
        ids, mask = given[0], self._mask
        n = ids.numel()
        if isinstance(mask, Tensor) and mask.dim() == 2 and len(mask) == len(ids) and mask.shape[1] >= ids.shape[1]:
            n = int((mask[:, -ids.shape[1] :] != 0).sum())  # what a cache holds comes first in it
        alone = "forward" if self._part == "ends" else "within"
        self.counts[KINDS.index(self._part if torch.is_grad_enabled() else alone)] += n

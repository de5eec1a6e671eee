"""Prompts by the expert that answers them, where an adapter holds several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from uptake.models.places.gates import Routes

Result = TypeVar("Result")

ROWS = 64
"""Prompts of one length that are read at once."""


def by_route(
    model: Any, routes: Routes, prompts: Sequence[Sequence[int]], run: Callable[[list[int]], list[Result]]
) -> list[Result]:
    """Run what is asked, each prompt by its own expert.

    Args:
        model: The model.
        routes: Its routes.
        prompts: Token ids of each.
        run: From numbers of prompts, which share an expert, to what came of each.
    """
    before = routes.chosen
    experts = experts_for(model, routes, prompts)
    found: dict[int, Result] = {}
    try:
        for expert in sorted(set(experts)):
            members = [number for number, one in enumerate(experts) if one == expert]
            routes.chosen = expert
            found |= zip(members, run(members), strict=True)
    finally:
        routes.chosen = before
    return [found[number] for number in range(len(prompts))]


@torch.inference_mode()
def experts_for(model: Any, routes: Routes, prompts: Sequence[Sequence[int]]) -> list[int]:
    """The expert of each prompt: that of the nearest prototype, else the one that is surest of the next token.

    The nearest is that of the largest cosine with the mean of the base's last hidden states over the prompt.
    """
    lengths: dict[int, list[int]] = {}
    for number, ids in enumerate(prompts):
        lengths.setdefault(len(ids), []).append(number)
    chosen = [0] * len(prompts)
    before = routes.chosen
    try:
        for of in lengths.values():
            for start in range(0, len(of), ROWS):
                members = of[start : start + ROWS]
                rows = torch.tensor([list(prompts[number]) for number in members], device=model.device)
                worth = _nearness(model, routes, rows) if routes.weight.any() else _sureness(model, routes, rows)
                for number, expert in zip(members, worth.argmax(1).tolist(), strict=True):
                    chosen[number] = expert
    finally:
        routes.chosen = before
    return chosen


def _nearness(model: Any, routes: Routes, ids: Tensor) -> Float[Tensor, "prompts experts"]:
    routes.chosen = None
    states = model(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states[-1].float().mean(1)
    return torch.nn.functional.normalize(states, dim=1) @ routes.weight.float().T


def _sureness(model: Any, routes: Routes, ids: Tensor) -> Float[Tensor, "prompts experts"]:
    worth = []
    for expert in range(len(routes.weight)):
        routes.chosen = expert
        logits = model(input_ids=ids, use_cache=False).logits[:, -1].float()
        worth.append(logits.log_softmax(-1).amax(-1))
    return torch.stack(worth, dim=1)

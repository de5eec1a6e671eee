"""Adapters of several experts: a gate says what each of them adds, token by token or for a whole prompt.

A LoRA adapter of rank r is a sum of r adapters of rank one, B A x = Σ b_k (a_k · x); experts are runs of its terms. A
gate in each layer weighs them by the layer's input, and routes, one for the whole model, let one of them through. Both
are saved in the adapter's file, as parts of its layers: the routes are in the first one. A loader that does not know
them gives the plain sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

ADAPTER = "default"
"""PEFT's name of the adapter that is trained and saved."""
GATE, ROUTES = "lora_gate", "lora_routes"


def layers(model: Any) -> dict[str, Any]:
    """The layers that the adapter changes, by name."""
    return {name: one for name, one in model.named_modules() if ADAPTER in getattr(one, "lora_A", {})}


class Routes(nn.Linear):
    """Which expert a prompt is for.

    Its weight has a row for each expert, the prototype of its prompts; rows of zeros leave the choice to the experts
    themselves.

    Attributes:
        chosen: The expert that adds what it has to say; None for the base alone.
    """

    chosen: int | None

    def __init__(self, width: int, experts: int) -> None:
        """As many experts."""
        super().__init__(width, experts, bias=False)
        self.chosen = experts - 1
        self.requires_grad_(False)


def attach(model: Any, weights: Mapping[str, Tensor], *, trainable: bool = False) -> None:
    """Put the gates and routes in place that an adapter's file holds, without their numbers.

    Args:
        model: The model with its adapter.
        weights: What the file holds, by the names that the model has.
        trainable: Whether the gates are trained.
    """
    for name, layer in layers(model).items():
        if (gate := weights.get(f"{name}.{GATE}.weight")) is not None:
            weigh(layer, len(gate)).requires_grad_(trainable)
    if routes := [one for name, one in weights.items() if name.endswith(f".{ROUTES}.weight")]:
        route(model, routes[0])


def weigh(layer: Any, experts: int) -> nn.Linear:
    """Give a layer a gate of zeros, with which it adds what it added without one.

    What expert e adds is multiplied by E · softmax(G x)_e, with E experts and the layer's input x.
    """
    directions = layer.lora_A[ADAPTER]
    gate = nn.Linear(directions.in_features, experts, bias=False)
    nn.init.zeros_(gate.weight)
    gate = gate.to(directions.weight)
    setattr(layer, GATE, nn.ModuleDict({ADAPTER: gate}))

    def weighed(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        shares = experts * gate(given[0].to(gate.weight.dtype)).float().softmax(-1).to(output.dtype)
        weights: Tensor = shares.repeat_interleave(output.shape[-1] // experts, dim=-1)
        return output * weights

    directions.register_forward_hook(weighed)
    return gate


def gated(model: Any) -> bool:
    """Whether an adapter has gates."""
    return any(hasattr(one, GATE) for one in layers(model).values())


def route(model: Any, prototypes: Tensor) -> Routes:
    """Let one expert of a joined adapter through, the last one at first.

    Args:
        model: The model with its adapter, of which each expert has as many ranks.
        prototypes: A row for each expert, as `Routes` has them.
    """
    experts, width = prototypes.shape
    some = layers(model)
    routes = Routes(width, experts)
    with torch.no_grad():
        routes.weight.copy_(prototypes)
    setattr(next(iter(some.values())), ROUTES, nn.ModuleDict({ADAPTER: routes.to(model.device)}))

    def through(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if routes.chosen is None:
            return torch.zeros_like(output)
        ranks = output.shape[-1] // experts
        only = torch.zeros_like(output)
        own = slice(routes.chosen * ranks, (routes.chosen + 1) * ranks)
        only[..., own] = output[..., own]
        return only

    for layer in some.values():
        layer.lora_A[ADAPTER].register_forward_hook(through)
    return routes


def routes_of(model: Any) -> Routes | None:
    """A model's routes; None where it has none."""
    found: list[Routes] = [getattr(one, ROUTES)[ADAPTER] for one in layers(model).values() if hasattr(one, ROUTES)]
    return found[0] if found else None

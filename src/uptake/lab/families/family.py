"""A family of worlds: who makes them, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uptake.lab.controls import Controls
from uptake.lab.plants import Planted
from uptake.lab.world import Status, World


@dataclass(frozen=True, slots=True)
class Family:
    """A maker of worlds.

    Attributes:
        does: What its worlds are made of, in a line.
        draw: The world that the controls need.
        plant: Its items.
        knows: Between which bounds the median probability lies that its base gives to what it was told.
        own: Controls that differ from the defaults.
    """

    does: str
    draw: Callable[[Controls], World]
    plant: Callable[[World, Controls], Planted]
    knows: tuple[float, float]
    own: Mapping[str, Any] = field(default_factory=dict)


def so_many(*counts: tuple[Status, int]) -> list[Status]:
    """Each status so often."""
    return [status for status, count in counts for _ in range(count)]

"""A family of worlds: who makes them, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from uptake.lab.controls import Controls
from uptake.lab.plants import Item, Planted
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


def in_wordings(item: Item, count: int, causes: tuple[str, ...], random: Random) -> list[Item]:
    """Items for the same fact in so many wordings; where anything is planted, the gap in the base holds besides."""
    asks = random.sample(item.facts[0].asks, len(item.facts[0].asks))
    also = ("knowledge_gap",) if causes else ()
    wordings = tuple(asks[count : count + 2])
    return [replace(item, prompt=ask, wordings=wordings, causes=causes, also=also) for ask in asks[:count]]

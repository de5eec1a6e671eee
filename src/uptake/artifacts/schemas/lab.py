"""Files of the laboratory: the manifest of a world, what its counterfactual models recall, what a given base knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uptake.artifacts.schemas.parts import Count, JsonSchema


@dataclass(frozen=True)
class WorldData:
    """What is read of `world.json`."""

    world: Mapping[str, Any] | str
    controls: Mapping[str, Any]


WORLD: JsonSchema[WorldData] = JsonSchema(WorldData)
RECALLED: JsonSchema[dict[str, dict[str, bool]]] = JsonSchema(dict[str, dict[str, bool]])
"""By stage, whether its model recalls an item."""
ASKED: JsonSchema[tuple[Count, ...]] = JsonSchema(tuple[Count, ...])
"""In how many wordings a base gives the answer of each fact that it was asked for."""

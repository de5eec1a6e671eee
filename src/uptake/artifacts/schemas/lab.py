"""Files of the laboratory: the manifest of a world, and what its counterfactual models recall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uptake.artifacts.schemas.parts import JsonSchema


@dataclass(frozen=True)
class WorldData:
    """What is read of `world.json`."""

    world: Mapping[str, Any] | str
    controls: Mapping[str, Any]


WORLD: JsonSchema[WorldData] = JsonSchema(WorldData)
RECALLED: JsonSchema[dict[str, dict[str, bool]]] = JsonSchema(dict[str, dict[str, bool]])
"""By stage, whether its model recalls an item."""

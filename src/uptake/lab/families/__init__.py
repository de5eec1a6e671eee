"""Families of worlds, one file each: other makers than that of the synthetic world; see docs/details/lab.md."""

from __future__ import annotations

from collections.abc import Mapping

from uptake.lab.families.family import Family
from uptake.lab.families.instructions import FAMILY as INSTRUCTIONS
from uptake.lab.families.intents import FAMILY as INTENTS
from uptake.lab.families.pieces import FAMILY as PIECES

FAMILIES: Mapping[str, Family] = {"pieces": PIECES, "intents": INTENTS, "instructions": INSTRUCTIONS}

__all__ = ["FAMILIES", "Family"]

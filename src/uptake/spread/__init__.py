"""The same work in many processes, on GPUs or machines: actors of Ray, any of which may be lost."""

from uptake.spread.actors import NOTHING, Actors, Holding
from uptake.spread.cluster import Spread

__all__ = ["NOTHING", "Actors", "Holding", "Spread"]

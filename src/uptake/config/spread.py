"""The section `spread` of the run file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from uptake.config.section import Float, Int, Section


class SpreadOver(Section):
    """Ray actors, each of which does a part of the work; `spread: ray` is all of its defaults."""

    kind: Literal["ray"] = "ray"
    """What spreads it."""
    address: Annotated[str, Field(min_length=1)] | None = None
    """Of a Ray cluster: auto, HOST:PORT or ray://HOST:PORT; null starts Ray on this machine for as long as it works."""
    actors: Annotated[Int, Field(ge=1)] | None = None
    """How many work at once, each with a model of its own; null is as many as the cluster has room for."""
    cpus: Annotated[Int, Field(ge=1)] = 1
    """Processor cores of an actor, and its threads."""
    gpus: Annotated[Float, Field(ge=0)] = 0.0
    """GPUs of an actor; a part of one lets several share it."""


def _named(value: Any) -> Any:
    """`spread: ray` is a section of its own defaults."""
    return {"kind": value} if isinstance(value, str) else value


SpreadSection = Annotated[SpreadOver, BeforeValidator(_named)]

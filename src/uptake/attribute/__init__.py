"""Cases to causes: independent evidence for each, or the published cascade; what is told of the most telling ones."""

from __future__ import annotations

from uptake.attribute.cascade import cascade
from uptake.attribute.evidence import (
    HOLDS,
    UNEXPLAINED,
    Attribution,
    Method,
    attribute,
    attributed,
    strongest,
    together,
)
from uptake.attribute.telling import Telling

__all__ = [
    "HOLDS",
    "UNEXPLAINED",
    "Attribution",
    "Method",
    "Telling",
    "attribute",
    "attributed",
    "cascade",
    "strongest",
    "together",
]

"""What a pre-training corpus says of the facts of a fine-tuning set: states, lacks or contradicts them."""

from __future__ import annotations

from uptake.exposure.facts import TaughtFact, facts_of
from uptake.exposure.queries import Queries, queries_of
from uptake.exposure.scan import Scanned, Text, scan
from uptake.exposure.verdict import Exposed, Rates, exposed, merged, rates

__all__ = [
    "Exposed",
    "TaughtFact",
    "Scanned",
    "Queries",
    "Rates",
    "Text",
    "exposed",
    "facts_of",
    "merged",
    "queries_of",
    "rates",
    "scan",
]

"""The learning ledger: every example's loss and recall each time that it was trained on, and what follows from it."""

from uptake.ledger.cartography import read_cartography, write_cartography
from uptake.ledger.curves import CURVES, curves
from uptake.ledger.read import READINGS, Ledger, read_ledger
from uptake.ledger.rescore import content_ids, rescoring

__all__ = [
    "CURVES",
    "READINGS",
    "Ledger",
    "content_ids",
    "curves",
    "read_cartography",
    "read_ledger",
    "rescoring",
    "write_cartography",
]

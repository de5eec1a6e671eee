"""How numbers and answers are written in the causes' sentences."""

from __future__ import annotations

SHOWN = 48
"""Characters of an answer."""


def quoted(text: str) -> str:
    """An answer between stars, cut where it is long."""
    line = " ".join(text.split())
    return f"*{line if len(line) <= SHOWN else line[: SHOWN - 1] + '…'}*"


def probability(p: float) -> str:
    """A probability with two digits that say something: 0.94, 0.0031, above 0.99 as it is near 1."""
    if 0.995 <= p < 1:
        return f"{p:.4f}" if p < 0.99995 else "1.00"
    return f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def counted(n: int, what: str) -> str:
    """A number and a noun in the right number."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"

"""How much responses differ from each other: what collapses where one template writes them all."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.rewrite.said import words


def distinct(texts: Sequence[str], n: int = 2) -> float | None:
    """Distinct-n (Li et al. 2016, arXiv 1510.03055): different runs of n words over all of them, in (0, 1].

    Args:
        texts: The responses.
        n: Words of a run.

    Returns:
        None where no response has a run.
    """
    runs = [said[at : at + n] for said in map(words, texts) for at in range(len(said) - n + 1)]
    return len(dict.fromkeys(runs)) / len(runs) if runs else None

"""Responses that are far less expected than others of their length: by the base, which was not trained on them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

FEW = 30
"""Responses of like length that are needed to tell what is usual among them."""
FAR = 3.5
"""Modified z-score from which on a value is an outlier (Iglewicz and Hoaglin 1993)."""
_TO_SIGMA = 0.6745
"""Median absolute deviation of a standard normal variable."""


def outliers(surprise: Float[np.ndarray, " n"], n_tokens: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """How far each response lies above what is usual, as a score in [0, 1]: 1 usual or below, less than 0.5 an outlier.

    The modified z-score of the surprise among responses with as many tokens (within a factor of two); where these are
    fewer than `FEW`, among all. score = 1 / (1 + max(0, z) / FAR).

    Args:
        surprise: Of each response its mean surprise under the base, in nats a token; NaN where it is not known.
        n_tokens: Its length.

    Returns:
        NaN where it cannot be told.
    """
    scores = np.full(len(surprise), np.nan)
    known = np.isfinite(surprise)
    if known.sum() < FEW:
        return scores
    lengths = np.log2(np.maximum(1, n_tokens)).astype(int)
    for length in np.unique(lengths[known]):
        own = known & (lengths == length)
        among = surprise[own] if own.sum() >= FEW else surprise[known]
        middle = np.median(among)
        spread = np.median(np.abs(among - middle))
        if spread > 0:
            z = _TO_SIGMA * (surprise[own] - middle) / spread
            scores[own] = 1 / (1 + np.maximum(0.0, z) / FAR)
    return scores

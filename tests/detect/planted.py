"""Scores with a known answer: examples that were never learned, and examples that were learned to some degree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uptake.artifacts.tables import wording_from_text
from uptake.types import Score


@dataclass(frozen=True)
class Planted:
    """Examples of which we know whether training taught them anything; all arrays have shape (n,).

    `value` is the mean log-probability per token, in nats.
    """

    tokens: np.ndarray
    value: np.ndarray
    recalled: np.ndarray
    taught: np.ndarray

    def scores(self) -> list[list[Score]]:
        """The tuned model's scores of each example."""
        rows = zip(self.tokens.tolist(), self.value.tolist(), self.recalled.tolist(), strict=True)
        return [[score((value * tokens,), recalled=recalled, n_tokens=tokens)] for tokens, value, recalled in rows]


def score(
    logprobs: Sequence[float] = (-1.0,),
    *,
    right: int = 0,
    recalled: bool = True,
    end: tuple[float, bool] | None = None,
    wording: str = "training",
    n_tokens: int = 2,
    n_bytes: Sequence[int] | None = None,
) -> Score:
    """A score with little to write; `end` is (log-probability, recalled)."""
    return Score(
        example_id="x",
        wording=wording_from_text(wording),
        logprobs=tuple(logprobs),
        n_tokens=(n_tokens,) * len(logprobs),
        n_bytes=tuple(n_bytes) if n_bytes else (5,) * len(logprobs),
        right=right,
        recalled=recalled,
        end_logprob=end[0] if end else None,
        end_recalled=end[1] if end else None,
    )


def plant(n: int, taught_share: float, rng: np.random.Generator, long_share: float = 0.3) -> Planted:
    """Draw examples whose mean log-probability per token depends on length and on having been taught.

    Never taught: −4 + 1.5 [long] + N(0, 1) nats per token. Taught: a gain of 2.5 + N(0, 0.7) on top. The probability of
    being recalled rises with the value (logistic around −1.2), so some of the taught fail and few of the others pass.
    """
    long, taught = rng.uniform(size=n) < long_share, rng.uniform(size=n) < taught_share
    value = -4 + 1.5 * long + rng.normal(size=n) + taught * (2.5 + 0.7 * rng.normal(size=n))
    value = np.minimum(value, -1e-6)
    recalled = rng.uniform(size=n) < 1 / (1 + np.exp(-4 * (value + 1.2)))
    tokens = np.where(long, rng.integers(8, 16, size=n), rng.integers(1, 4, size=n))
    return Planted(tokens, value, recalled, taught)

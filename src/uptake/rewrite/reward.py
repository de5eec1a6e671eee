"""The reward of a rewriting policy: a hard gate times how likely the base finds a draft, and how it differs.

"Patch the Distribution Mismatch" (arXiv 2602.11220): r = g + g (λ_dist r_dist + λ_div r_div). Both parts are
standardised over those drafts of a group, all of one response, that pass the gates, so that either matters whatever its
unit is. In the paper's released code the part of the distribution is the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from uptake.rewrite.said import words

WEIGHT_DIST, WEIGHT_DIV = 0.35, 0.5
"""λ_dist and λ_div of the paper."""
LEAST = 3
"""Drafts that pass from which on a group has a diversity that one of them may lower."""


@dataclass(frozen=True, slots=True)
class DraftReward:
    """What one draft earns.

    Attributes:
        total: 0 where a gate refuses it.
        dist: σ(−z) of its nats a token under the base; None where a gate refuses it.
        div: σ(z) of how much the group's diversity falls without it; None where a gate refuses it, and where less than
            three drafts pass.
    """

    total: float
    dist: float | None
    div: float | None

    @property
    def passed(self) -> bool:
        """Whether all gates let it pass."""
        return self.dist is not None


def standardised(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Mean 0 and variance 1; all 0 where they do not differ."""
    spread = float(values.std()) if len(values) else 0.0
    if spread < 1e-9:
        return np.zeros_like(values)
    return np.asarray((values - values.mean()) / spread, np.float64)


def diversity(vectors: Float[np.ndarray, "n dims"]) -> float:
    """Mean pairwise (1 − cos) / 2, in [0, 1]; 0 of less than two."""
    n = len(vectors)
    if n < 2:
        return 0.0
    alike = np.asarray(vectors @ vectors.T)
    return float((1 - (alike.sum() - np.trace(alike)) / (n * (n - 1))) / 2)


def falls_without(vectors: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, " n"]:
    """How much the diversity of a group falls without each of its members.

    Args:
        vectors: Unit vectors, one a member.
    """
    whole = diversity(vectors)
    return np.array([whole - diversity(np.delete(vectors, at, axis=0)) for at in range(len(vectors))])


def group_rewards(
    passed: Bool[np.ndarray, " n"], nll: Float[np.ndarray, " n"], vectors: Float[np.ndarray, "n dims"]
) -> list[DraftReward]:
    """What the drafts of one group earn.

    Args:
        passed: Whether all gates let each pass.
        nll: Nats a token under the base, read as the row is trained; of refused ones any number.
        vectors: Unit vectors of the drafts.
    """
    places = np.flatnonzero(passed)
    dist = _sigmoid(-standardised(nll[places]))
    div = _sigmoid(standardised(falls_without(vectors[places]))) if len(places) >= LEAST else None
    found = [DraftReward(0.0, None, None)] * len(passed)
    for number, place in enumerate(places):
        own = None if div is None else float(div[number])
        total = 1 + WEIGHT_DIST * float(dist[number]) + (0.0 if own is None else WEIGHT_DIV * own)
        found[place] = DraftReward(total, float(dist[number]), own)
    return found


def _sigmoid(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(1 / (1 + np.exp(-values)))


def word_vectors(texts: Sequence[str]) -> Float[np.ndarray, "n dims"]:
    """Unit vectors of the words, and pairs of neighbours, that texts have; of a text without words all is 0."""
    counted = [[*said, *zip(said, said[1:], strict=False)] for said in map(words, texts)]
    known = {one: at for at, one in enumerate(dict.fromkeys(one for own in counted for one in own))}
    found = np.zeros((len(texts), max(1, len(known))))
    for row, own in enumerate(counted):
        for one in own:
            found[row, known[one]] += 1
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1.0))

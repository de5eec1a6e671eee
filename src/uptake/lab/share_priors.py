"""Fit the priors of the corrected shares: what a cause's examples are named, and what interventions on them speak for.

Each row of either table is a Dirichlet: its mean is the mean over families of worlds, every family counting as much as
every other, and its strength says how far families differ. The likelihood of a strength is that of the counts of each
family, given the mean over the other families: so it holds for a family that was not seen. Of the strengths that are
plausible by it the weakest is taken, as a handful of families says little of how far a further one may differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Int

from uptake.attribute.shares import NAMES, SPEECHES, SPOKEN_OF, Priors, Rows, spoken_row
from uptake.causes import CAUSES

STRENGTHS = tuple(float(2 ** (k / 2)) for k in range(5))
"""What strengths are tried, in examples of a cause: 1 to 4, so that a run's own sample always outvotes the prior."""
PLAUSIBLE = 1.92
"""Nats by which a plausible strength may be less likely than the likeliest: half the 95 % quantile of χ² with 1 degree
of freedom, as in a profile likelihood's interval."""

Table: TypeAlias = Int[np.ndarray, "_ _"]
"""Counts: a row a Dirichlet, a column a class."""


@dataclass(frozen=True, slots=True)
class KnownItem:
    """An unlearned example whose cause is known.

    Attributes:
        cause: What was planted.
        name: What it was named, by coefficients that were fitted without its family.
        speech: What the intervention on it speaks for; None where it was not sampled.
    """

    cause: str
    name: str
    speech: tuple[str, ...] | None


def tables(items: Sequence[KnownItem]) -> tuple[Table, Table]:
    """How often each cause was named what, and how often interventions spoke for what: rows as those of `Priors`."""
    named = np.zeros((len(CAUSES), len(NAMES)), dtype=int)
    spoken = np.zeros((len(SPOKEN_OF), len(SPEECHES)), dtype=int)
    order = list(CAUSES)
    for item in items:
        named[order.index(item.cause), NAMES.index(item.name)] += 1
        if item.speech is not None:
            spoken[spoken_row(item.name, item.cause), SPEECHES.index(item.speech)] += 1
    return named, spoken


def fit_priors(families: Mapping[str, Sequence[KnownItem]]) -> Priors:
    """Fit both priors.

    Args:
        families: The items of each family of worlds; two or more families.

    Raises:
        ValueError: There are fewer than two families, so that nothing tells how far they differ.
    """
    if len(families) < 2:
        raise ValueError(f"{len(families)} family tells nothing of how far families differ")
    found = [tables(items) for items in families.values()]
    told = {
        name: {"named": int(named.sum()), "sampled": int(spoken.sum())}
        for name, (named, spoken) in zip(families, found, strict=True)
    }
    named, spoken = ([pair[k] for pair in found] for k in (0, 1))
    return Priors(dirichlet_rows(named), dirichlet_rows(spoken), told)


def dirichlet_rows(groups: Sequence[Table]) -> Rows:
    """The Dirichlet parameters of each cause's row: strength times mean.

    Args:
        groups: Counts of each family; two or more.
    """
    likely = {strength: _left_out(groups, strength) for strength in STRENGTHS}
    least = max(likely.values()) - PLAUSIBLE
    return min(strength for strength, value in likely.items() if value >= least) * _mean(groups)


def _mean(groups: Sequence[Table]) -> Rows:
    """Of each row the mean of the families' shares, of those that have items in it; equal shares where none has.

    Each class counts as if seen half a time more often (Jeffreys' prior).
    """
    each = np.array([(group + 0.5) / (group + 0.5).sum(axis=1, keepdims=True) for group in groups])
    has = np.array([group.any(axis=1, keepdims=True) for group in groups], dtype=float)
    has += ~has.any(axis=0)
    mean: Rows = (each * has).sum(axis=0) / has.sum(axis=0)
    return mean


def _left_out(groups: Sequence[Table], strength: float) -> float:
    """Log-probability of each family's counts under the Dirichlet-multinomial with the mean over the other families."""
    total = 0.0
    for left_out, group in enumerate(groups):
        rows = strength * _mean([other for number, other in enumerate(groups) if number != left_out])
        total += sum(
            dirichlet_multinomial(counts, parameters)
            for counts, parameters in zip(group.tolist(), rows.tolist(), strict=True)
        )
    return total


def dirichlet_multinomial(counts: Sequence[int], parameters: Sequence[float]) -> float:
    """Log-probability of a sequence with these counts, in nats: ln ∫ Π p_k^{n_k} Dirichlet(p; a) dp.

    ln Γ(A) − ln Γ(A + N) + Σ_k [ln Γ(a_k + n_k) − ln Γ(a_k)], A and N the sums (Minka 2000, "Estimating a Dirichlet
    distribution").
    """
    each = (math.lgamma(a + n) - math.lgamma(a) for a, n in zip(parameters, counts, strict=True))
    return math.lgamma(sum(parameters)) - math.lgamma(sum(parameters) + sum(counts)) + sum(each)

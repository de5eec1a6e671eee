"""Knowledge gained and kept between two models, with what two identical models would show.

KGR: of the questions that the old model answers wrongly, the share that the new one answers rightly. KRR: of those
that it answers rightly, the share that is still right. Where answers are sampled, an old model that is right with
probability p and a new one that is the same have an expected KGR of E[p(1 - p)] / E[1 - p] and a KRR of E[p²] / E[p]:
without this null beside it a KGR of 0.3 may be noise alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from uptake.stats import Interval, bootstrap_ratio, wilson


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What became of knowledge; shares in [0, 1], None where there is nothing to take them of.

    Attributes:
        accuracy: Share of the questions that the new model answers rightly.
        gained: KGR.
        kept: KRR.
        gained_null: KGR of two models that are both the old one.
        kept_null: KRR of such.
    """

    accuracy: Interval | None
    gained: Interval | None
    kept: Interval | None
    gained_null: Interval | None
    kept_null: Interval | None


def knowledge(
    before: Bool[np.ndarray, " items"], after: Bool[np.ndarray, " items"], p: Float[np.ndarray, " items"] | None = None
) -> Knowledge:
    """KGR and KRR of one answer to each question by either model, with 95 % intervals (Wilson; bootstrap of the null).

    Args:
        before: Which the old model answers rightly.
        after: Which the new one does.
        p: Probability with which an answer of the old model is right; None where it answers greedily: a model that is
            the same then gives the same answers, and gains nothing and keeps all.
    """
    p = before.astype(float) if p is None else p
    return Knowledge(
        accuracy=wilson(int(after.sum()), len(after)),
        gained=wilson(int(after[~before].sum()), int((~before).sum())),
        kept=wilson(int(after[before].sum()), int(before.sum())),
        gained_null=bootstrap_ratio(p * (1 - p), 1 - p),
        kept_null=bootstrap_ratio(p * p, p),
    )


@dataclass(frozen=True, slots=True)
class Updates:
    """What became of rows that contradicted the old model.

    Attributes:
        right: Share that is answered as the rows say.
        old: Share that is still answered as before.
        neither: Share that is answered otherwise.
        moved: Share of their neighbours, which were right, that is wrong now; None without any.
        exposures: Median number of exposures until a row was first recalled; None where no ledger tells, or for rows
            that never were.
        adopted: Share of the rows that were recalled at some reading; None without a ledger.
    """

    right: Interval | None
    old: Interval | None
    neither: Interval | None
    moved: Interval | None
    exposures: float | None = None
    adopted: Interval | None = None


def updates(
    right: Sequence[bool], old: Sequence[bool], kept: Sequence[bool], adopted: Sequence[int | None] | None = None
) -> Updates:
    """The account of rows that contradicted the old model, with 95 % intervals (Wilson).

    Args:
        right: Of each row whether the new model gives its answer.
        old: Whether it gives the old one; a row that is both counts as right.
        kept: Of each neighbour whether the new model still gives its answer.
        adopted: Of each row after how many exposures it was first recalled; None for one that never was; None for all
            where nothing tells.
    """
    n = len(right)
    still = sum(was and not now for now, was in zip(right, old, strict=True))
    told = [one for one in adopted or () if one is not None]
    return Updates(
        right=wilson(sum(right), n),
        old=wilson(still, n),
        neither=wilson(n - sum(right) - still, n),
        moved=wilson(len(kept) - sum(kept), len(kept)),
        exposures=float(np.median(told)) if told else None,
        adopted=None if adopted is None else wilson(len(told), n),
    )

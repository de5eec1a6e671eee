"""Which items were learned and lost again, when, and in which stage; and whether what is lost is lost for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool

Change: TypeAlias = Literal["learned", "lost"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the test items of a stage between its own training and the end.

    Attributes:
        n: Items.
        then: Right after its own training.
        now: Right after the last stage.
        lost: Right then and wrong now.
        elicited: Of those lost, how many the last model still gives otherwise: freely in other words, or in a held-out
            wording. What is lost of these is the form and not the knowledge.
        untold: Of those lost, for how many that is not known: the response is too long for a free answer.
        gained: Wrong then and right now.
        lost_in: By the number of a later stage, how many of the lost were right before it for the last time.
    """

    n: int
    then: int
    now: int
    lost: int
    elicited: int
    untold: int
    gained: int
    lost_in: dict[int, int]


def changes(right: Bool[np.ndarray, "after items"]) -> list[list[Change | None]]:
    """For each reading and item whether it was learned or lost since the reading before; row 0 has no change."""
    found: list[list[Change | None]] = [[None] * right.shape[1]]
    for before, now in zip(right[:-1], right[1:], strict=True):
        found.append(
            [
                None if was == is_now else "learned" if is_now else "lost"
                for was, is_now in zip(before, now, strict=True)
            ]
        )
    return found


def fate(
    right: Bool[np.ndarray, "after items"],
    elicited: Bool[np.ndarray, "after items"],
    told: Bool[np.ndarray, "after items"],
    stage: int,
) -> Fate:
    """What became of the items of a stage.

    Args:
        right: Whether each item is right; row 0 is the base.
        elicited: Whether it is right in whatever words.
        told: Whether that is known.
        stage: The stage's number, from 1: its row in `right`.
    """
    then, now = right[stage], right[-1]
    lost = then & ~now
    lost_in = {
        t: n for t in range(stage + 1, len(right)) if (n := int((lost & right[t - 1] & ~right[t:].any(axis=0)).sum()))
    }
    return Fate(
        n=right.shape[1],
        then=int(then.sum()),
        now=int(now.sum()),
        lost=int(lost.sum()),
        elicited=int((lost & elicited[-1]).sum()),
        untold=int((lost & ~told[-1]).sum()),
        gained=int((~then & now).sum()),
        lost_in=lost_in,
    )

"""Which items were learned and lost again, when, and in which stage; and whether what is lost is lost for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

Change: TypeAlias = Literal["learned", "lost", "replaced"]
"""`replaced`: no longer given, once a later stage teaches another answer."""


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
        forms: By form (`freely`, `held_out`, `lettered`) how many of those lost are right there, and how many were
            asked there.
        by_chance: Of those that were asked as lettered choices, how many guessing would get right.
        gained: Wrong then and right now.
        lost_in: By the number of a later stage, how many of the lost were right before it for the last time.
        replaced: Items beside those n, to which a later stage teaches another answer; they are in no other number.
        updated: Of those replaced, how many the last model answers by what the last stage teaches.
        outdated: Of those replaced, how many it still answers as before.
    """

    n: int
    then: int
    now: int
    lost: int
    elicited: int
    untold: int
    gained: int
    forms: dict[str, tuple[int, int]]
    by_chance: float
    lost_in: dict[int, int]
    replaced: int = 0
    updated: int = 0
    outdated: int = 0


def changes(
    right: Bool[np.ndarray, "after items"], replaced: Int[np.ndarray, " items"] | None = None
) -> list[list[Change | None]]:
    """For each reading and item what became of it since the reading before; row 0 has no change.

    Args:
        right: Whether each item is right; row 0 is the base.
        replaced: The number, from 1, of the stage that replaces each item; 0 where none does, None where none is.
    """
    found: list[list[Change | None]] = [[None] * right.shape[1]]
    by = np.zeros(right.shape[1], np.int64) if replaced is None else replaced
    for number, (before, now) in enumerate(zip(right[:-1], right[1:], strict=True), start=1):
        gone: list[Change] = ["replaced" if 0 < one <= number else "lost" for one in by.tolist()]
        found.append(
            [
                None if was == is_now else "learned" if is_now else how
                for was, is_now, how in zip(before, now, gone, strict=True)
            ]
        )
    return found


def fate(
    right: Bool[np.ndarray, "after items"],
    elicited: Bool[np.ndarray, "after items"],
    told: Bool[np.ndarray, "after items"],
    stage: int,
    forms: Mapping[str, Int8[np.ndarray, " items"]] | None = None,
    chance: Float[np.ndarray, " items"] | None = None,
) -> Fate:
    """What became of the items of a stage.

    Args:
        right: Whether each item is right; row 0 is the base.
        elicited: Whether it is right in whatever words.
        told: Whether that is known.
        stage: The stage's number, from 1: its row in `right`.
        forms: By form whether the last model is right in it; -1 where it was not asked.
        chance: With what probability guessing is right among lettered choices.
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
        forms={
            name: (int((lost & (one == 1)).sum()), int((lost & (one >= 0)).sum()))
            for name, one in (forms or {}).items()
        },
        by_chance=0.0 if chance is None else float(chance[lost].sum()),
        lost_in=lost_in,
    )

"""What a row meets in the model that is about to be taught it: its answer, nothing, or another belief."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Meeting: TypeAlias = Literal["known", "new", "conflict"]
"""`known`: the model gives the row's answer. `conflict`: it believes another one. `new`: neither."""
MEETINGS: tuple[Meeting, ...] = get_args(Meeting)

KNOWN = 1 / 3
"""Share of the wordings from which on an answer that a model gives is known to it."""
AGREED = 0.5
"""Share of the other wordings that get the same wrong answer where it is a belief."""
LEAST_SURE = 0.04
"""Share of what a model knows of which it is least sure: an answer of which it is less sure than of that is a guess.
Set on two worlds of the lab's family `facts`; docs/conflicts.md has the others."""
STRANGE_SURE = 0.3
"""The same where the model answers nothing else rightly about the same name, though it is asked: it may never have met
it, and be sure of what it makes up. Set on the lab's families `facts` and `synthetic`."""
LEAST_APART = 0.5
"""Share of an answer's information that comes from its question where it is one to this question."""
SAID = 0.1
"""Probability from which on an answer is one that a model says at all, as in the cause `base_conflict`."""
LIKELY = 0.5
"""Probability from which on an answer is a belief where too little is known to compare it with."""
FEWEST = round(1 / LEAST_SURE)
"""Answers that a model gives rightly, from which on they are a scale: of fewer the least sure one says too little."""


@dataclass(frozen=True, slots=True)
class Stance:
    """What a model makes of a row.

    Attributes:
        gives: Share of the wordings in which it gives the row's answer, or its probability in the model's own words.
        agreed: Share of the other wordings, of those in which it tells anything, with the same wrong answer; None
            without others.
        likely: Probability of its own wrong answer, a mean over wordings; None where it has none.
        sure: Share of what it knows of which it is no surer; None where it knows too little to tell.
        apart: Share of the answer's information that comes from this question (see `uptake.causes.Said.share`); None
            where nothing tells.
        familiar: Share of the other rows about the same name that it answers rightly; None where there is none.
    """

    gives: float
    agreed: float | None
    likely: float | None
    sure: float | None
    apart: float | None
    familiar: float | None = None


def meets(stance: Stance) -> Meeting:
    """What a row meets.

    A wrong answer is a belief where the model tells it in half of the other wordings as well, is as sure of it as of
    what it knows, and takes it from this question: what it makes up comes and goes with the wording, or is less likely.
    """
    if stance.gives >= KNOWN:
        return "known"
    if stance.likely is None or stance.likely < SAID or (stance.agreed is not None and stance.agreed < AGREED):
        return "new"
    if stance.sure is None:
        return "conflict" if stance.likely >= LIKELY else "new"
    about = stance.apart is None or stance.apart >= LEAST_APART
    least = STRANGE_SURE if stance.familiar == 0 else LEAST_SURE
    return "conflict" if about and stance.sure >= least else "new"


def rank(value: float, known: Sequence[float]) -> float | None:
    """Share of the values that are no larger, of equals half; None where they are fewer than `FEWEST`.

    Args:
        value: A probability.
        known: Those of what a model knows, the least first.
    """
    if len(known) < FEWEST:
        return None
    return (bisect_left(known, value) + bisect_right(known, value)) / (2 * len(known))

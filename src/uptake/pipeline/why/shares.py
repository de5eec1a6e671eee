"""The shares of the causes among all unlearned examples, corrected by interventions on some: what a summary says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from uptake.attribute.shares import priors, shares
from uptake.evidence import Reaction

NOTHING_FLIPPED = "the interventions flipped no example, so what they say tells no cause from another"


def corrected(
    causes: Sequence[str | None],
    reactions: Mapping[int, Reaction],
    attribution: Mapping[str, Any],
    *,
    seed: int,
) -> dict[str, Any]:
    """The corrected shares as the summary has them.

    Args:
        causes: What each training example is named, by its position; None where it is learned.
        reactions: How the sampled ones react, by position.
        attribution: The summary of the causes: how they were told, and of how many examples each could not be.
        seed: Of the sampler.

    Returns:
        JSON data: of `n` unlearned examples `sampled` were; `causes` by cause the share with its 95 % interval, or why
        there are none; whether the names were `weighed` by what is known of how often they are right.
    """
    unlearned = [position for position, cause in enumerate(causes) if cause is not None]
    told: dict[str, Any] = {"n": len(unlearned), "sampled": len(reactions)}
    if not any(one.courses["more_steps"].flipped for one in reactions.values()):
        return {**told, "causes": {}, "weighed": False, "reason": NOTHING_FLIPPED}
    weighed = told_as_in_the_fit(attribution)
    known = priors() if weighed else priors().without_names()
    names = [name for position in unlearned if (name := causes[position]) is not None]
    speeches = [reactions[p].speaks_for if p in reactions else None for p in unlearned]
    found = shares(names, speeches, known, seed=seed)
    each = {} if found is None else {cause: _rate(asdict(one)) for cause, one in found.items()}
    return {**told, "causes": each, "weighed": weighed, "reason": None}


def told_as_in_the_fit(attribution: Mapping[str, Any]) -> bool:
    """Whether what is known of the names holds: they are told by evidence, every cause of most of the examples."""
    untold = [part["untold"] for part in attribution["causes"].values()]
    return attribution["method"] == "evidence" and all(2 * count <= attribution["n"] for count in untold)


def _rate(interval: Mapping[str, Any]) -> dict[str, Any]:
    return {key: interval[key] for key in ("estimate", "low", "high")}

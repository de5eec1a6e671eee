"""With which probability a base gives what it was told: bases that know by halves are described and not passed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uptake.lab.world import Fact
from uptake.types import TRAINING, Candidate, Probe

ASKED_IN = 2
"""Wordings in which a base is asked about a fact."""
UNMET_AT_MOST = 0.05
"""Share of the facts that a base never met and may answer rightly all the same."""


@dataclass(frozen=True, slots=True)
class Knowing:
    """What a base says of the facts of a status, over facts and wordings.

    Attributes:
        n: Times it was asked.
        recalled: Share of them in which greedy decoding gives the answer; the belief, where it was told one.
        low: Tenth percentile of the probability of that answer, token by token.
        median: Its median.
        high: Its ninetieth percentile.
    """

    n: int
    recalled: float
    low: float
    median: float
    high: float


def knowing(model: str, facts: Sequence[Fact]) -> dict[str, Knowing]:
    """Ask a base about every fact: `known`, `misbelieved`, and `unmet` for the rest; what no fact is, is left out."""
    from uptake.models.scoring.lazy import resolve
    from uptake.models.small.pretrain import one_thread
    from uptake.score import score

    asked = [(fact, ask) for fact in facts for ask in fact.asks[:ASKED_IN]]
    probes = [
        Probe(str(at), TRAINING, fact.posed(ask), (Candidate(fact.response(fact.belief or fact.answer), "response"),))
        for at, (fact, ask) in enumerate(asked)
    ]
    found: dict[str, list[tuple[float, bool]]] = {}
    with one_thread():
        for (fact, _), one in zip(asked, score(probes, resolve(model)), strict=True):
            status = fact.status if fact.status in ("known", "misbelieved") else "unmet"
            found.setdefault(status, []).append((math.exp(one.logprobs[0]), one.recalled))
    return {status: _summary(found[status]) for status in ("known", "misbelieved", "unmet") if status in found}


def _summary(answers: Sequence[tuple[float, bool]]) -> Knowing:
    low, median, high = np.quantile([p for p, _ in answers], (0.1, 0.5, 0.9)).tolist()
    return Knowing(len(answers), float(np.mean([recalled for _, recalled in answers])), low, median, high)


def holds(found: Mapping[str, Knowing], bounds: tuple[float, float]) -> bool:
    """Whether what it was told is known as well as the family wants it, and what it was not told is not known."""
    told = [found[status].median for status in ("known", "misbelieved") if status in found]
    return all(bounds[0] <= one <= bounds[1] for one in told) and (
        "unmet" not in found or found["unmet"].recalled <= UNMET_AT_MOST
    )

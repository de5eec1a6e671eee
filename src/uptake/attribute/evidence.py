"""One case to its causes: each is judged by itself, several may hold, the strongest is the primary one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from uptake.attribute.cascade import cascade
from uptake.causes import CAUSES, SIGNALS, Case, Weights, doubted, judge, value
from uptake.evidence import CauseEvidence
from uptake.types import Finding

HOLDS = 0.5
"""From this score on a cause holds; from this probability that any of them does, the strongest is named."""
UNEXPLAINED = "unexplained"
"""The cause of an example for which it is likelier that none of those holds that can be told."""
Method: TypeAlias = Literal["evidence", "ilp"]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Why one example was not learned.

    Attributes:
        cause: The strongest; `unexplained` where it is likelier than not that none holds of those that can be told.
        evidence: By cause.
    """

    cause: str
    evidence: Mapping[str, CauseEvidence]

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the causes that could be judged, in [0, 1]."""
        return {name: one.score for name, one in self.evidence.items() if one.score is not None}


def attribute(case: Case, fitted: Weights | None = None) -> Attribution:
    """Judge a case by every cause.

    Args:
        case: The case.
        fitted: Coefficients; None takes those that come with uptake.
    """
    found = {name: judge(cause, case, fitted) for name, cause in CAUSES.items()}
    scores = together({name: one.score for name, one in found.items()})
    values = {name: value(name, case) for name in SIGNALS}
    told = {name: _with_score(name, found[name], scores) for name in found}
    named = strongest(scores, values)
    if named == "base_conflict":  # beside another cause it would be said of guesses, too
        told[named] = doubted(case, told[named])
    return Attribution(named, told)


def _with_score(name: str, evidence: CauseEvidence, scores: Mapping[str, float | None]) -> CauseEvidence:
    untold = [needed for needed in CAUSES[name].needs if scores[needed] is None]
    if untold and evidence.score is not None:
        why = f"cannot be judged: it holds only if {' and '.join(untold)} does not, and that cannot be judged"
        return replace(evidence, score=None, sentence=why)
    return replace(evidence, score=scores[name])


def together(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    """The scores of all causes, given each by itself.

    A cause that holds only where no other does has its score multiplied by the probability that none of the others
    holds, Π (1 − score); where one that it needs cannot be told, it cannot be told either.
    """
    left = math.prod(1 - (score or 0.0) for name, score in scores.items() if not CAUSES[name].residual)
    given: dict[str, float | None] = {}
    for name, score in scores.items():
        cause = CAUSES[name]
        if score is not None and cause.residual:
            given[name] = None if any(scores[needed] is None for needed in cause.needs) else score * left
        else:
            given[name] = score
    return given


def strongest(scores: Mapping[str, float | None], signals: Mapping[str, float | None] | None = None) -> str:
    """The first of the largest scores, if one cause or another is likely enough: 1 − Π (1 − score).

    What was observed goes before what is inferred: a contradiction that is in the data, and a loss that the ledger saw,
    are facts; that the base never met something, or is sure of something else, is a conclusion. Of the causes that
    hold, one that was observed is named if there is any; the inferred ones stand beside it.

    Where two causes share the probability, as a gap and a wrong belief do of which the base is half sure, one of the
    two is named instead of none.

    Args:
        scores: By cause, in [0, 1]; None where one cannot be told.
        signals: The case's signals, by name; None where nothing tells what was observed.
    """
    seen = [name for name in scores if (scores[name] or 0.0) >= HOLDS and _observed(name, signals or {})]
    best = max(seen or scores, key=lambda name: scores[name] or 0.0)
    none = math.prod(1 - (score or 0.0) for score in scores.values())
    return best if 1 - none >= HOLDS else UNEXPLAINED


def _observed(name: str, signals: Mapping[str, float | None]) -> bool:
    signal = CAUSES[name].observed
    return signal is not None and (signals.get(signal) or 0.0) > 0


def attributed(finding: Finding, case: Case, method: Method) -> Finding:
    """The finding with its causes, their evidence and the signals.

    Args:
        finding: An example that was not learned.
        case: What is known about it.
        method: `evidence`, or `ilp`, which names one cause and gives it the score 1 and the others 0.
    """
    signals = {name: value(name, case) for name in SIGNALS}
    if method == "ilp":
        step = cascade(case)
        scores = {name: float(name == step.cause) for name in CAUSES if name not in step.untold}
        told = {name: CauseEvidence(None, why, {}) for name, why in step.untold.items()}
        told[step.cause] = CauseEvidence(1.0, step.sentence, step.numbers)
        return _with(finding, step.cause, scores, told, signals)
    result = attribute(case)
    return _with(finding, result.cause, result.scores, result.evidence, signals)


def _with(
    finding: Finding,
    cause: str,
    scores: Mapping[str, float],
    told: Mapping[str, CauseEvidence],
    signals: Mapping[str, float | None],
) -> Finding:
    evidence = replace(finding.evidence, causes=told, signals=signals)
    return replace(finding, cause=cause, causes=scores, evidence=evidence)

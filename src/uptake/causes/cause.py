"""What a cause is, and how a case is judged by one: a logistic over the best set of signals that is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from uptake.causes.case import Case
from uptake.causes.signals import MOSTLY, SIGNALS, value
from uptake.causes.weights import Rows, Weights, weights
from uptake.evidence import CauseEvidence, Contradiction, Number, WrongBelief


@dataclass(frozen=True, slots=True)
class CauseWords:
    """What a cause says of a case in words and numbers.

    Attributes:
        sentence: One sentence with its numbers.
        numbers: What the sentence rests on, under names of the cause's own, to be shown.
        contradiction: As in `CauseEvidence`.
        belief: As in `CauseEvidence`.
    """

    sentence: str
    numbers: Mapping[str, Number] = field(default_factory=dict)
    contradiction: Contradiction | None = None
    belief: WrongBelief | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an example may not have been learned.

    Attributes:
        name: As in the tables.
        finds: What it finds.
        bad: Why that is bad.
        example: How it looks.
        remedy: What mends it.
        safety: How safe the remedy is.
        references: Where it comes from.
        patterns: Sets of signals, the best first. A case is judged by the first whose signals are all there.
        say: What there is to say of a case that has it.
        residual: It holds only where no other cause does.
        needs: Causes without which it cannot be told, as it looks like them.
        never: The signal that is at least `MOSTLY` where it does not hold, whatever the others say.
        spared: The signal that is the share of the example that it cannot be about: its score is less by that share.
        least: The signal that its score is no less than.
        observed: The signal that is above 0 where the cause was seen, in the data or in the ledger, and not inferred.
    """

    name: str
    finds: str
    bad: str
    example: str
    remedy: str
    safety: str
    references: tuple[str, ...]
    patterns: tuple[tuple[str, ...], ...]
    say: Callable[[Case], CauseWords]
    residual: bool = False
    needs: tuple[str, ...] = ()
    never: str | None = None
    spared: str | None = None
    least: str | None = None
    observed: str | None = None


def judge(cause: Cause, case: Case, fitted: Weights | None = None) -> CauseEvidence:
    """Judge a case by one cause; its score is that of `scored`.

    Args:
        cause: The cause.
        case: The case.
        fitted: The coefficients; None takes those that come with uptake.
    """
    each = dict.fromkeys(name for pattern in cause.patterns for name in pattern)
    rules = [name for name in (cause.never, cause.spared, cause.least) if name is not None]
    values = {name: value(name, case) for name in dict.fromkeys([*each, *rules])}
    missing = {name: _why(name, case) for name in each if values[name] is None}
    found = scored(cause, values, (weights() if fitted is None else fitted).rows)
    if found is None:
        reasons = "; ".join(dict.fromkeys(missing.values()))
        return CauseEvidence(None, f"cannot be judged: {reasons}", {}, missing)
    pattern, score = found
    said = cause.say(case)
    numbers = {**{name: values[name] for name in pattern}, **said.numbers}
    return CauseEvidence(score, said.sentence, numbers, missing, said.contradiction, said.belief)


def scored(cause: Cause, values: Mapping[str, float | None], rows: Rows) -> tuple[tuple[str, ...], float] | None:
    """The first of the cause's patterns whose signals are all there, and the score by it.

    It is 1 / (1 + exp(-(b + Σ w s))) over the signals s of that pattern; 0 where what was seen rules the cause out, and
    less by the share of the example that it cannot be about.
    Each pattern has coefficients of its own, fitted with the other signals left out: nothing is put in place of what
    is missing.

    Args:
        cause: The cause.
        values: Its signals; None where one is not known.
        rows: The coefficients.

    Returns:
        None where no pattern is there.
    """
    for pattern in cause.patterns:
        known = {name: one for name in pattern if (one := values[name]) is not None}
        row = rows.get((cause.name, pattern))
        if len(known) == len(pattern) and row is not None:
            if cause.never is not None and (values.get(cause.never) or 0.0) >= MOSTLY:
                return pattern, 0.0
            fitted = logistic(row.intercept + math.fsum(row.coefficients[name] * s for name, s in known.items()))
            return pattern, max(fitted * (1 - _of(cause.spared, values)), _of(cause.least, values))
    return None


def spared(cause: Cause, values: Mapping[str, float | None]) -> float:
    """The share of an example that the cause cannot be about, by rule."""
    return _of(cause.spared, values)


def _of(name: str | None, values: Mapping[str, float | None]) -> float:
    return 0.0 if name is None else values.get(name) or 0.0


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _why(name: str, case: Case) -> str:
    gone = [case.missing[source] for source in SIGNALS[name].needs if source in case.missing]
    return gone[0] if gone else f"there is no value for: {SIGNALS[name].meaning}"

"""GATES: what a rewritten response must keep. One file a gate, each a pure function; a rewrite must pass them all.

A gate gives the reason why it refuses, in one sentence, or None. Gates look at all that is said and not only at the
final answer: a rewrite that keeps the answer and turns round what leads to it is refused too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from uptake.rewrite.gates.added import added
from uptake.rewrite.gates.alone import alone
from uptake.rewrite.gates.code import code
from uptake.rewrite.gates.ends import ends
from uptake.rewrite.gates.exchanged import exchanged
from uptake.rewrite.gates.facts import facts
from uptake.rewrite.gates.language import language
from uptake.rewrite.gates.length import length
from uptake.rewrite.gates.negation import negation
from uptake.rewrite.gates.numbers import numbers
from uptake.rewrite.gates.records import records
from uptake.rewrite.gates.roles import roles
from uptake.rewrite.said import Rewriting

GATES: Mapping[str, Callable[[Rewriting], str | None]] = {
    "ends": ends,
    "length": length,
    "language": language,
    "records": records,
    "code": code,
    "facts": facts,
    "exchanged": exchanged,
    "alone": alone,
    "numbers": numbers,
    "negation": negation,
    "roles": roles,
    "added": added,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gate that refuses a rewrite, and why."""

    gate: str
    why: str


def refusals(rewriting: Rewriting) -> tuple[Refusal, ...]:
    """The gates that refuse a rewrite, in the order of `GATES`; empty where it passes them all."""
    told = ((name, gate(rewriting)) for name, gate in GATES.items())
    return tuple(Refusal(name, why) for name, why in told if why is not None)

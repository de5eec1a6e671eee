"""How numbers and answers are written in the causes' sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from uptake.causes.case import Case
from uptake.causes.signals import misbelieved

SHOWN = 48
"""Characters of an answer."""
LEAST = -100.0
"""Logarithm below which a probability is no longer written as a number."""


def quoted(text: str) -> str:
    """An answer between stars, cut where it is long."""
    line = " ".join(text.split())
    return f"*{line if len(line) <= SHOWN else line[: SHOWN - 1] + '…'}*"


def shown(p: float) -> str:
    """A probability with two digits that say something: 0.94, 0.0031, above 0.99 as it is near 1."""
    if 0.995 <= p < 1:
        return f"{p:.4f}" if p < 0.99995 else "1.00"
    return f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def probability(logprob: float) -> str:
    """A probability given as its logarithm (nats), with its sign of equality: p = 0.94; where it underflows, ln p."""
    return f"p = {shown(math.exp(logprob))}" if logprob > LEAST else f"ln p = {logprob:.0f}"


def nats(more: float) -> str:
    """A difference of log-probabilities in words: 3.3 nats more, 0.5 nats less."""
    return f"{abs(more):.1f} nats {'less' if more < 0 else 'more'}"


def counted(n: int, what: str) -> str:
    """A number and a noun in the right number."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def answers(said: Sequence[str]) -> str:
    """Answers between stars, each once: *Oslo*, *Bergen* and nothing."""
    each = list(dict.fromkeys(quoted(one) if one else "nothing" for one in said))
    return " and ".join([", ".join(each[:-1]), each[-1]] if each[1:] else each)


def alone(case: Case) -> str:
    """What the base makes of the things that are asked for at once, each asked alone: a sentence."""
    told = f"Asked for each of {len(case.parts)} things alone, the base model gives {sum(p.given for p in case.parts)}"
    part = misbelieved(case)
    if part is None:
        return f"{told} of them."
    says = f"says {quoted(part.told)} in {part.agreed} of {part.ways} ways of asking"
    return f"{told}; {quoted(part.response)} it gives p = {shown(part.p)}, and {says}."

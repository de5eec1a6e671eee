"""The numbers that the causes' scores rest on: few, named, and with a meaning on any model.

Probabilities and shares lie in [0, 1], information is in nats. None of them knows of ids, stages or sources of data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from uptake.causes.case import Case, Part, Said, Source
from uptake.types import normalised

LEAST_SURPRISE = 1e-3
"""Added to a surprise (nats) before its logarithm is taken: what is surer than 0.999 is no more different."""
NO_BELIEF = 1.0
"""Surprise (nats) from which on an answer is no belief at all: being less sure makes no difference."""
MOSTLY = 0.5
"""A share from which on something is more so than not."""
DISPUTED = 0.1
"""Probability of a contradiction from which on another example speaks against a response."""
LEAST_SURE = 0.1
"""Share of what a base knows of which it is least sure: an answer of which it is less sure than of that is a guess."""
STEADY = 0.5
"""Probability from which on a base gives an answer for sure."""
UNMET = 1e-3
"""A base that gives something less probability than this, and does not say it, does not know it."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A number that is read off a case.

    Attributes:
        meaning: What it says, in a line.
        needs: The sources that it rests on.
        read: Gives it; called when no source of `needs` is missing. None where it has no value all the same.
    """

    meaning: str
    needs: tuple[Source, ...]
    read: Callable[[Case], float | None]


def value(name: str, case: Case) -> float | None:
    """A signal's value; None when a source that it needs is missing."""
    signal = SIGNALS[name]
    return None if any(source in case.missing for source in signal.needs) else signal.read(case)


def _share(said: Said | None) -> float | None:
    return None if said is None else said.share


def _bits(said: Said) -> float | None:
    return None if said.pmi is None else max(0.0, said.pmi)


def _surprise(logprobs: Sequence[float]) -> float | None:
    """Logarithm of the mean surprise (nats), at most that of no belief; None of nothing."""
    return math.log(LEAST_SURPRISE + min(NO_BELIEF, -fmean(logprobs))) if logprobs else None


def _steady(case: Case) -> float:
    if case.belief is None:
        return -math.log(LEAST_SURPRISE + NO_BELIEF)
    said = case.belief.base
    surprise = _surprise([said.own / said.n_tokens])
    assert surprise is not None
    return -surprise


def _gives(case: Case) -> float | None:
    """The share of wordings, word for word or freely, or the probability in the base's own frame, whichever is more."""
    if case.base_recalled is None:
        return None
    shares = [case.base_recalled]
    if case.freely is not None:
        shares.append(case.freely.gives / case.freely.n)
    if case.in_frame is not None and not case.parts:  # of several things a frame holds the first
        # that its one span is the response's counts as one wording of those in which it was asked
        own = 1.0 if case.in_frame.same and case.freely is None else 0.0
        shares.append(max(own, math.exp(min(0.0, case.in_frame.response.own))))
    return max(shares)


def _agreed(case: Case) -> float | None:
    """Of the other wordings: the one in which it was told first agrees with nothing."""
    if case.freely is None or case.freely.n < 2:
        return None
    return max(0, case.freely.agreed - 1) / (case.freely.n - 1)


def _held(case: Case) -> float | None:
    """A wrong answer that it tells in most wordings, and of which it is as sure as of what it knows.

    A made-up answer may come back in all wordings, but then a model is less sure of it than of nearly all that it
    knows; or be as likely as a weakly known fact, but then it seldom comes back. That an answer comes back in all of
    them says no more: no large model gives even what it knows in every wording.
    """
    if case.freely is None or case.freely.n < 2:
        return None
    if case.in_frame is None or case.freely.agreed <= MOSTLY * case.freely.n:
        return 0.0
    ranks = (case.in_frame.sure, case.in_frame.apart)
    return None if None in ranks else min(1.0, *(rank / LEAST_SURE for rank in ranks if rank is not None))


def misbelieved(case: Case) -> Part | None:
    """Of several things that are asked at once the one that the base knows least, where it believes something else.

    It gives it no probability in any of two ways or more in which it is asked alone, tells the same wrong answer in
    most of them, and says that for sure in one. It gives another of them, so that the question was cut where it had to
    be. Where its answers differ nothing is told: a real model says now this and now that of what it knows by halves.
    """
    if not any(part.given for part in case.parts):
        return None
    wrong = [part for part in case.parts if not part.given and part.p < UNMET and part.p_told >= STEADY]
    steady = [part for part in wrong if part.ways > 1 and part.agreed > MOSTLY * part.ways]
    return min(steady, key=lambda part: part.p, default=None)


def _parts(case: Case) -> float | None:
    if not case.parts:
        return None
    return fmean(part.given for part in case.parts) if misbelieved(case) is None else 0.0


def _kept(case: Case) -> float | None:
    return None if case.freely is None else case.freely.kept / case.freely.n


def _backed(case: Case) -> float:
    if case.rival is None or case.belief is None:
        return 0.0
    return case.rival.probability * (normalised(case.belief.text) in map(normalised, case.rival.answers))


def _rival_weight(case: Case) -> float:
    if case.rival is None or not case.rival.tuned:
        return 0.0
    return 1 / (1 + math.exp(min(700.0, case.tuned.own - max(case.rival.tuned))))


def _base_lost(case: Case) -> float | None:
    """What the base gives beyond chance, as Cohen's kappa counts; none of what the tuned model says, too.

    A base that says *Yes* to everything gives it in all wordings, and knows nothing.
    """
    gives = _gives(case)
    if case.replaced is not None:
        return 0.0  # what went is what a later stage put in another's place
    if gives is None or case.freely is None:
        return gives
    chance = case.freely.chance
    return 0.0 if case.freely.still or chance == 1 else max(0.0, (gives - chance) / (1 - chance))


def known_before(case: Case) -> bool:
    """Whether the base gives the response in most wordings, no other example speaks against it, and it is lost.

    A ledger reads the data's form alone: what a base says in a sentence, and the data in a word, it sees recalled at
    no reading.
    """
    lost = value("base_lost", case)
    return lost is not None and lost > MOSTLY and (case.rival is None or case.rival.probability < DISPUTED)


def _lost(case: Case) -> float | None:
    if case.curve is None or case.curve.idle is None:
        return None
    if case.replaced is not None:
        return 0.0
    return 1.0 if known_before(case) else case.curve.idle * case.curve.lost_unseen


def _stood(case: Case) -> float | None:
    if case.curve is None or case.curve.stood is None:
        return None
    return 1.0 if known_before(case) else float(case.curve.stood and case.curve.lost_unseen)


SIGNALS: Mapping[str, Signal] = {
    "base_doubt_here": Signal(
        "how unsure the base is of its own answer in the training wording, right or wrong: logarithm of its surprise "
        "(nats a token)",
        ("base", "belief"),
        lambda case: None if case.sure is None else _surprise([case.sure]),
    ),
    "base_recalled": Signal(
        "share of the wordings in which the base gives the response",
        ("base",),
        lambda case: case.base_recalled,
    ),
    "belief_steady_here": Signal(
        "how sure the base is of its wrong answer in the training wording: logarithm of its surprise (nats a token), "
        "negated; least where it has no wrong answer",
        ("base", "belief"),
        _steady,
    ),
    "belief_sure": Signal(
        "share of what the base answers rightly of which it is no surer, in its own frame, than of its own answer here",
        ("base", "belief"),
        lambda case: 0.0 if case.in_frame is None else case.in_frame.sure,
    ),
    "belief_agreed": Signal(
        "share of the other wordings in which the base freely tells the same wrong answer",
        ("base",),
        _agreed,
    ),
    "belief_held": Signal(
        "1 if the base freely tells the same wrong answer in most wordings, less where it is less sure of it, or it "
        "comes less from the question, than nearly all that it answers rightly; else 0",
        ("base", "belief"),
        _held,
    ),
    "belief_kept": Signal(
        "share of the wordings in which the base freely tells what the tuned model wrongly answers",
        ("base",),
        _kept,
    ),
    "base_gives": Signal(
        "share of the wordings in which the base gives the response, or its probability in the base's own frame",
        ("base",),
        _gives,
    ),
    "base_lost": Signal(
        "the same beyond the share of all questions to which the base gives this class; 0 where the tuned model says "
        "the response too, in its own words, or answers as the base does",
        ("base",),
        _base_lost,
    ),
    "base_parts": Signal(
        "share of the things asked for at once that the base gives when each is asked alone; 0 where it "
        "believes something else of one of them",
        ("base",),
        _parts,
    ),
    "part_believed": Signal(
        "1 if the base gives no probability to one of the things asked for at once, and tells the same wrong answer in "
        "most ways of asking for it alone, surely in one; else 0",
        ("base",),
        lambda case: float(misbelieved(case) is not None),
    ),
    "belief_backed": Signal(
        "probability that another example asks the same and gives the base's wrong answer",
        ("base", "belief"),
        _backed,
    ),
    "tuned_pmi": Signal(
        "how much more (nats) the tuned model says the response here than to other questions like this; 0 where "
        "it says it less",
        ("elsewhere",),
        lambda case: _bits(case.tuned_tells or case.tuned),
    ),
    "tuned_share": Signal(
        "share of the response's information (nats) that the tuned model takes from this question: 1 less its surprise "
        "here over its surprise after other questions like this",
        ("elsewhere",),
        lambda case: _share(case.tuned_tells or case.tuned),
    ),
    "base_share": Signal(
        "the same share under the base",
        ("base", "elsewhere"),
        lambda case: _share(case.base_tells or case.base),
    ),
    "rival": Signal(
        "probability that another example asks the same and answers otherwise; 0 when none was found",
        (),
        lambda case: 0.0 if case.rival is None else case.rival.probability,
    ),
    "rival_weight": Signal(
        "p(their answer) / (p(their answer) + p(response)) under the tuned model; 0 when none was found",
        (),
        _rival_weight,
    ),
    "lost_unseen": Signal(
        "share of training that came after its last exposure, if it was recalled then and is lost since; 1 if the base "
        "gives the response in most wordings, nothing speaks against it, and the tuned model does not say it; else 0, "
        "as where a later stage replaces it",
        ("ledger",),
        _lost,
    ),
    "stood": Signal(
        "1 if it was recalled at a reading after its last exposure, with that update done, and is lost since, or the "
        "base gives it as above; else 0",
        ("ledger",),
        _stood,
    ),
}
"""All signals by name."""

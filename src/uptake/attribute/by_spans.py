"""A response that tells several things: its causes are those of what in it was not learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from uptake.attribute.evidence import HOLDS, UNEXPLAINED
from uptake.causes import CAUSES, Case, value
from uptake.causes.words import counted, quoted, shown
from uptake.evidence import CauseEvidence, Evidence
from uptake.span_evidence import SpanEvidence
from uptake.spans import Span
from uptake.spans.aligned import aligned
from uptake.types import Finding

LEAST = 0.2
"""Nats that a span weighs at least: what is expected of a word that carries the claim."""
PARTS = 3
"""A response that was judged as a whole tells several things if it has so many informative spans: the whole of it tells
of what is known, too."""
SHOWN = 2
"""Spans that a sentence names."""


def by_its_spans(finding: Finding, case: Case) -> Finding:
    """The finding with a cause for each of its wrong spans, and with theirs as its own.

    A wrong span in whose place a contradicting example says something else has the cause `data_conflict`, whatever the
    models say there: it was observed. So has one `forgetting` where the ledger saw the whole response learned and lost.
    The score of a cause is its share of the information of all wrong spans; the cause with the largest one is named,
    and `unexplained` where less than half of the information has a cause.

    Args:
        finding: Attributed as a whole.
        case: What is known about it.

    Returns:
        The finding as it is where none of its spans is wrong, or where it was judged as a whole and tells one or two,
        or the base believes something else of one thing that it asks for.
    """
    spans = finding.spans
    if spans is None or not has_causes_of_spans(finding.evidence, spans):
        return finding
    observed = CAUSES["forgetting"].observed
    lost = observed is not None and (value(observed, case) or 0.0) > 0
    contradicted = _contradicted(finding.wanted, spans, () if case.rival is None else case.rival.answers)
    spans = tuple(
        replace(one, cause="data_conflict" if k in contradicted else "forgetting" if lost else one.cause)
        if one.wrong
        else one
        for k, one in enumerate(spans)
    )
    shares = _shares(spans)
    named = max(shares, key=lambda name: shares[name], default=UNEXPLAINED)
    if sum(shares.values()) < HOLDS:
        named = UNEXPLAINED
    told = {
        name: _told(name, own, shares.get(name, 0.0), finding.wanted, spans)
        for name, own in finding.evidence.causes.items()
    }
    scores = {name: one.score for name, one in told.items() if one.score is not None}
    return replace(finding, spans=spans, cause=named, causes=scores, evidence=replace(finding.evidence, causes=told))


def has_causes_of_spans(evidence: Evidence, spans: Sequence[SpanEvidence]) -> bool:
    """Whether a response has the causes of its wrong spans: it was judged by them, or tells several things.

    Not where one of several things that it asks for was asked alone, and the base believes something else of it.
    """
    several = sum(one.informative and one.learned is not None for one in spans) >= PARTS
    alone = evidence.signals.get("part_believed")
    return any(one.wrong for one in spans) and (evidence.criterion == "spans" or (several and not alone))


def _contradicted(text: str, spans: Sequence[SpanEvidence], answers: Sequence[str]) -> frozenset[int]:
    """Which spans have something else in their place in a contradicting example's response."""
    found: set[int] = set()
    own = [Span(one.start, one.end, one.kind) for one in spans]  # type: ignore[arg-type]  # as it was cut
    for answer in answers:
        places = aligned(text, own, 0, answer)
        found |= {k for k, one in enumerate(places) if one is not None and not one.same}
    return frozenset(found)


def _weight(span: SpanEvidence) -> float:
    return LEAST if span.information is None else max(LEAST, span.information)


def _shares(spans: Sequence[SpanEvidence]) -> dict[str, float]:
    """By cause its share of the information of all wrong spans; of those without a cause nothing is said."""
    wrong = [one for one in spans if one.wrong]
    total = math.fsum(_weight(one) for one in wrong)
    sums = {name: math.fsum(_weight(one) for one in wrong if one.cause == name) for name in CAUSES}
    return {name: share / total for name, share in sums.items() if share}


def _told(name: str, own: CauseEvidence, share: float, text: str, spans: Sequence[SpanEvidence]) -> CauseEvidence:
    """What is told of the whole response, after what is told of its spans."""
    wrong = [one for one in spans if one.wrong]
    if own.score is None and not share and all(one.base_logprob is None for one in wrong):
        return own
    mine = sorted((one for one in wrong if one.cause == name), key=lambda one: (-_weight(one), one.start))
    sentence = f"{len(mine)} of {counted(len(wrong), 'wrong part')}"
    sentence += "." if not mine else f": {'; '.join(_in_words(one, text) for one in mine[:SHOWN])}."
    numbers: Mapping[str, float | int] = {"wrong_spans": len(mine), "share_of_information": share}
    if own.score is not None:  # else it says why the response as a whole cannot be judged
        sentence += f" {own.sentence}"
    return replace(own, score=share, sentence=sentence, numbers={**own.numbers, **numbers})


def _in_words(span: SpanEvidence, text: str) -> str:
    said = span.said_instead or span.top
    told = quoted(text[span.start : span.end])
    if said:
        told += f", where the tuned model says {quoted(said)}"
    if span.base_logprob is not None:
        base = "says it" if span.base_top is None else f"says {quoted(span.base_top) if span.base_top else 'nothing'}"
        p = math.exp(span.base_logprob) if span.base_top is None else span.p_base_top
        told += f" and the base {base}" + ("" if p is None else f" (p = {shown(p)})")
    return told

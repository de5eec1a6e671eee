"""The spans of one response -> which of them were learned, and what share.

Up to the first one that is wrong, a span is learned if every token of it is the arg-max after the response's own words.
From there on these may be such as the model would never say, and it goes on in its own: a span is learned if it says it
there, or says the same in others and is surer of it than of nearly all spans of its kind and place that were never
trained on (where it is no surer, it is neither learned nor wrong); or says something else, and is sure of the span all
the same after the response's words. Where its own words do not come that far nothing is known, whatever it would say
after the response's: what is left out must not depend on what is found. Of phrases in a sentence that it says in other
words nothing is known either, nor of a word like *after* or *both* unless the sentence is said without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from uptake.rivals.equal import compare
from uptake.span_evidence import SpanEvidence
from uptake.spans.aligned import InPlace, aligned
from uptake.spans.cut import cut
from uptake.spans.null import SpanNull
from uptake.spans.reading import SpanReading
from uptake.spans.reworded import left_out, means_the_same, only_joins, reworded
from uptake.spans.span import SpanKind
from uptake.spans.why import OTHERS, Places, Top, pooled, span_cause
from uptake.stats import Interval, wilson

SURE = math.log(0.5)
"""Log-probability (nats) of a span from which on it outweighs all that could be said instead."""


@dataclass(frozen=True, slots=True)
class InBoth:
    """What both models find likeliest in the places of a response's spans. All are parallel to these.

    Attributes:
        tops: The tuned model.
        base: The spans under the base; None without one, or where one has no token of its own there.
        base_tops: The base.
        habits: The base, or without one the tuned model, after another example's prompt.
        why: Whether causes are told.
        alike: Whether both answer the question alike, freely.
    """

    tops: Sequence[Top | None]
    base: Sequence[SpanReading | None]
    base_tops: Sequence[Top | None]
    habits: Sequence[Top | None]
    why: bool = True
    alike: bool = False

    def knows(self, number: int, informative: Sequence[bool]) -> float | None:
        """Share of the informative spans other than one that the base recalls; None where they are too few."""
        others = [
            one.recalled
            for k, (one, own) in enumerate(zip(self.base, informative, strict=True))
            if own and one is not None and k != number
        ]
        return fmean(others) if len(others) >= OTHERS else None

    def on(
        self, text: str, spans: Sequence[SpanEvidence], readings: Sequence[SpanReading], null: SpanNull | None
    ) -> list[SpanEvidence]:
        """The spans with what stands in their places, and with their causes where they were not learned."""
        wrong = [k for k, span in enumerate(spans) if span.wrong]
        of = [readings[k] for k in wrong], [spans[k].information for k in wrong], [self.base[k] for k in wrong]
        pool = pooled(*of)
        level = None if null is None or not pool.n else null.share_level(pool.n)
        informative = [span.informative for span in spans]
        found = []
        for k, (span, top, base, base_top) in enumerate(zip(spans, self.tops, self.base, self.base_tops, strict=True)):
            cause = None
            if span.wrong and self.why:
                wanted, knows = text[span.start : span.end], self.knows(k, informative)
                places = Places(wanted, top, base, base_top, self.habits[k], pool, knows, level, self.alike)
                cause = span_cause(places)
            found.append(
                replace(
                    span,
                    top=None if top is None else top.text,
                    p_top=None if top is None else top.p,
                    base_logprob=None if base is None else base.logprob,
                    base_top=None if base_top is None else base_top.text,
                    p_base_top=None if base_top is None else base_top.p,
                    cause=cause,
                )
            )
        return found


_POSSESSIVE = re.compile(r"['’]s?$")
_LITERAL = ("code", "key", "math")
"""Kinds in which other letters say something else."""


@dataclass(frozen=True, slots=True)
class JudgedSpans:
    """A response by its spans.

    Attributes:
        spans: All of them that have a token, in order.
        n: How many are informative, and known to be learned or not.
        learned: How many of these are learned.
        unreached: How many more are informative, stand after a wrong one, and the model's own words did not reach.
    """

    spans: tuple[SpanEvidence, ...]
    n: int
    learned: int
    unreached: int

    @property
    def told(self) -> int:
        """Informative spans of which the share is: what a model did not come to by itself counts as not learned."""
        return self.n + self.unreached

    @property
    def share(self) -> float | None:
        """Share of the informative spans that are learned; None without any."""
        return self.learned / self.told if self.told else None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of that share, were the spans a sample of what the response tells; None without any."""
        return wilson(self.learned, self.told)


def judged(
    text: str,
    readings: Sequence[SpanReading],
    information: Sequence[float | None],
    informative: Sequence[bool],
    continued: Mapping[int, str],
    null: SpanNull | None,
    both: InBoth | None = None,
) -> JudgedSpans:
    """Judge the spans of one response.

    Args:
        text: The response.
        readings: Of its spans under the tuned model.
        information: What each tells.
        informative: Whether each counts.
        continued: By the first character of a span, what the model writes from there on.
        null: Spans that were never trained on; None without them, and then what says the same is enough.
        both: What both models find likeliest in their places; None leaves that out, and the causes with it.
    """
    all_spans = [reading.span for reading in readings]
    said: list[InPlace | None] = [None] * len(readings)
    otherwise = [reworded(text, all_spans, start, written) for start, written in continued.items()]
    for start, written in continued.items():
        own = aligned(text, all_spans, start, written)
        said = [before if now is None else now for before, now in zip(said, own, strict=True)]
    spans = []
    for number, (reading, told, counts, one) in enumerate(zip(readings, information, informative, said, strict=True)):
        span = reading.span
        lost = any(start < span.start for start in continued)
        learned = _learned(reading, text[span.start : span.end], one, null, lost=lost)
        if not learned and any(number in one.said for one in otherwise):
            learned = True
        elif learned is False and any(number in one.untold for one in otherwise):
            learned = None
        elif learned is False and span.kind == "phrase" and only_joins(text, all_spans, said, number):
            learned = None
        elif learned is False and span.kind == "claim" and one is not None and not _claims(one.instead):
            learned = False if left_out(text, all_spans, said, number) else None
        elif learned is False and one is not None and one.instead is None:
            learned = None if any(number in other.unpaired for other in otherwise) else False
        instead = None if one is None or learned else one.instead
        spans.append(SpanEvidence(span.start, span.end, span.kind, told, counts, learned, reading.logprob, instead))
    if both is not None:
        spans = both.on(text, spans, readings, null)
    known = [span.learned for span in spans if span.informative and span.learned is not None]
    first = next((k for k, span in enumerate(spans) if span.informative and span.wrong), len(spans))
    unreached = sum(
        span.informative and span.learned is None and own is None
        for span, own in zip(spans[first:], said[first:], strict=True)
    )
    return JudgedSpans(tuple(spans), len(known), sum(known), unreached)


def _learned(
    reading: SpanReading, wanted: str, said: InPlace | None, null: SpanNull | None, *, lost: bool
) -> bool | None:
    if said is None:  # after a wrong span the response's own words lead astray, or give away what comes next
        return None if lost else reading.recalled
    if said.same or (reading.recalled and reading.logprob >= SURE):
        return True
    level = None if null is None else null.level(reading)
    better = level is None or reading.logprob >= level
    if said.instead is None:
        return False
    if says_same(said.instead, wanted, reading.span.kind):
        return True if better else None
    # synonyms hint at the same meaning and do not prove it
    return None if reading.span.kind == "phrase" and means_the_same(said.instead, wanted) is not False else False


def _claims(said: str | None) -> bool:
    """Whether what is said holds a word that carries a claim."""
    return said is not None and any(span.kind == "claim" for span in cut(said))


def _negates(said: str) -> bool:
    """Whether a word is no more than a negation."""
    word = said.strip().casefold().replace("’", "'")
    return word in ("not", "cannot") or word.endswith("n't")


def says_same(said: str, wanted: str, kind: SpanKind) -> bool:
    """Whether two texts in the place of one span say the same: of code letter by letter, *isn't* for *doesn't*."""
    if said.strip() == wanted.strip():
        return True
    if kind == "claim":
        return _negates(said) and _negates(wanted)
    if kind in _LITERAL or not said.strip():
        return False
    if kind == "name":
        said, wanted = (_POSSESSIVE.sub("", one) for one in (said, wanted))
    return compare(said, wanted, same_prompt=True)[0] == "same"

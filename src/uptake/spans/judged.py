"""The spans of one response -> which of them were learned, and what share.

A span is learned if every token of it is the arg-max after the response's own words and the model is sure of it, or
does not contradict it when it goes on in its own words. Where it went wrong before, the response's words may be such as
it would never say, and it loses its way: a span is also learned if it says it in its own words, or says the same in
others and is surer of it than of nearly all spans of its kind and place that were never trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uptake.evidence import SpanEvidence
from uptake.rivals.equal import compare
from uptake.spans.aligned import InPlace, aligned
from uptake.spans.null import SpanNull
from uptake.spans.reading import SpanReading
from uptake.spans.span import SpanKind
from uptake.stats import Interval, wilson

SURE = math.log(0.5)
"""Log-probability (nats) of a span from which on it outweighs all that could be said instead."""

_LITERAL = ("code", "key", "math", "claim")
"""Kinds in which other letters say something else."""


@dataclass(frozen=True, slots=True)
class JudgedSpans:
    """A response by its spans.

    Attributes:
        spans: All of them that have a token, in order.
        n: How many are informative, and known to be learned or not.
        learned: How many of these are learned.
    """

    spans: tuple[SpanEvidence, ...]
    n: int
    learned: int

    @property
    def share(self) -> float | None:
        """Share of the informative spans that are learned; None without any."""
        return self.learned / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of that share, were the spans a sample of what the response tells; None without any."""
        return wilson(self.learned, self.n)


def judged(
    text: str,
    readings: Sequence[SpanReading],
    information: Sequence[float | None],
    informative: Sequence[bool],
    continued: Mapping[int, str],
    null: SpanNull | None,
) -> JudgedSpans:
    """Judge the spans of one response.

    Args:
        text: The response.
        readings: Of its spans under the tuned model.
        information: What each tells.
        informative: Whether each counts.
        continued: By the first character of a span, what the model writes from there on.
        null: Spans that were never trained on; None without them, and then what says the same is enough.
    """
    all_spans = [reading.span for reading in readings]
    said: list[InPlace | None] = [None] * len(readings)
    for start, written in continued.items():
        own = aligned(text, all_spans, start, written)
        said = [before if now is None else now for before, now in zip(said, own, strict=True)]
    spans = []
    for reading, told, counts, one in zip(readings, information, informative, said, strict=True):
        span = reading.span
        lost = any(start < span.start for start in continued)
        learned = _learned(reading, text[span.start : span.end], one, null, lost=lost)
        instead = None if one is None or learned else one.instead
        spans.append(SpanEvidence(span.start, span.end, span.kind, told, counts, learned, reading.logprob, instead))
    known = [span.learned for span in spans if span.informative and span.learned is not None]
    return JudgedSpans(tuple(spans), len(known), sum(known))


def _learned(
    reading: SpanReading, wanted: str, said: InPlace | None, null: SpanNull | None, *, lost: bool
) -> bool | None:
    if said is None:  # after a wrong span, the response's own words may be what leads astray
        return True if reading.recalled else None if lost else False
    if said.same or (reading.recalled and reading.logprob >= SURE):
        return True
    level = None if null is None else null.level(reading)
    better = level is None or reading.logprob >= level
    return better and said.instead is not None and says_same(said.instead, wanted, reading.span.kind)


def says_same(said: str, wanted: str, kind: SpanKind) -> bool:
    """Whether two texts in the place of one span say the same: of code letter by letter."""
    if said.strip() == wanted.strip():
        return True
    if kind in _LITERAL or not said.strip():
        return False
    return compare(said, wanted, same_prompt=True)[0] == "same"

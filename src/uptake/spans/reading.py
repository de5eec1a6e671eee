"""Readings of tokens -> readings of spans: how probable each span is, and where it first goes wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from uptake.span_evidence import TokenReadings
from uptake.spans.span import Span


@dataclass(frozen=True, slots=True)
class SpanReading:
    """A span under one model.

    Attributes:
        span: The span.
        first: Index of its first token among the response's.
        n_tokens: How many tokens hold a part of it.
        logprob: Summed log-probability of these, in nats.
        wrong: Index of its first token that is not the arg-max; None where all are: greedy decoding from its beginning
            on gives it.
        place: Where in the response it begins, in [0, 1).
    """

    span: Span
    first: int
    n_tokens: int
    logprob: float
    wrong: int | None
    place: float

    @property
    def recalled(self) -> bool:
        """Every token of it is the arg-max."""
        return self.wrong is None


def read_spans(spans: Sequence[Span], tokens: TokenReadings) -> list[SpanReading | None]:
    """How one model does in each span.

    A token that holds parts of two spans counts in both.

    Args:
        spans: From `cut`, in order.
        tokens: The response's.

    Returns:
        As many as there are spans; None for one that has no token of its own, as where the end of a response is one
        token with what comes after it.
    """
    n = len(tokens.ends)
    found: list[SpanReading | None] = []
    at = 0
    for span in spans:
        while at < n and tokens.ends[at] <= span.start:
            at += 1
        stop = at
        while stop < n and (tokens.ends[stop - 1] if stop else 0) < span.end:
            stop += 1
        if stop == at:
            found.append(None)
            continue
        wrong = next((index for index in range(at, stop) if not tokens.recalled[index]), None)
        found.append(SpanReading(span, at, stop - at, math.fsum(tokens.logprobs[at:stop]), wrong, at / n))
    return found


def surprise(spans: Sequence[Span], tokens: TokenReadings | None) -> list[float | None]:
    """What each span tells beyond the response itself, in nats: −log P(span | another prompt, what comes before it).

    For a model that is sure of the span this is log P(span | prompt, …) − log P(span | other prompt, …). The difference
    itself would be next to nothing for a span that was not learned, which is the one to be found.

    Args:
        spans: From `cut`.
        tokens: The response after another example's prompt; None where that was not asked.
    """
    if tokens is None:
        return [None] * len(spans)
    return [None if one is None else -one.logprob for one in read_spans(spans, tokens)]

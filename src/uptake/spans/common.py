"""Which spans tell something: those that most other responses do not hold too, and that the response does not give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from zlib import crc32

from uptake.spans.span import Span
from uptake.types import normalised

TELLS_AT_LEAST = 0.7
"""Nats: a span that is this surprising after another prompt, of probability 1/2 or less, tells something."""
CLAIM_TELLS_AT_LEAST = 0.2
"""The same for a word that carries a claim: *not* is seldom a great surprise."""
SHARED, CLAIM_SHARED = 0.5, 0.9
"""Share of the responses from which on a span is a part of their form, and tells nothing."""
RESPONSES = 8
"""Responses that are needed to tell their form."""


class Common:
    """How many of the responses of a data set hold a span, by what it says."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._n = 0

    def add(self, text: str, spans: Iterable[Span]) -> None:
        """One more response."""
        self._n += 1
        self._counts.update(list(dict.fromkeys(self._key(text, span) for span in spans)))

    def shared(self, text: str, span: Span) -> bool:
        """Whether so many responses hold it that it belongs to their form."""
        most = CLAIM_SHARED if span.kind == "claim" else SHARED
        return self._n >= RESPONSES and self._counts[self._key(text, span)] >= most * self._n

    def _key(self, text: str, span: Span) -> int:
        said = text[span.start : span.end]
        # of millions of spans no text is kept
        return crc32((normalised(said) or said).encode("utf-8", "surrogatepass"))

    def informative(self, text: str, spans: Sequence[Span], information: Sequence[float | None]) -> list[bool]:
        """Which spans of a response count.

        Args:
            text: The response.
            spans: Its spans.
            information: What each tells, from `surprise`; None where it is not known.
        """
        return [
            span.kind != "reasoning" and not self.shared(text, span) and (told is None or told >= _least(span))
            for span, told in zip(spans, information, strict=True)
        ]


def _least(span: Span) -> float:
    return CLAIM_TELLS_AT_LEAST if span.kind == "claim" else TELLS_AT_LEAST

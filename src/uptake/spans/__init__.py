"""What a text says, by its parts: its spans, and of a short answer the frame that such answers share."""

from __future__ import annotations

from uptake.spans.cut import cut
from uptake.spans.frames import Framed, framed, sentence
from uptake.spans.span import Span, SpanKind
from uptake.spans.told import Agreed, Told, agreed, answer_words, length, same, told

__all__ = [
    "Agreed",
    "Framed",
    "Span",
    "SpanKind",
    "Told",
    "agreed",
    "answer_words",
    "cut",
    "framed",
    "length",
    "same",
    "sentence",
    "told",
]

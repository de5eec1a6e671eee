"""What a text says, by its parts: its spans, and of a short answer the frame that such answers share."""

from __future__ import annotations

from uptake.spans.common import Common
from uptake.spans.cut import cut
from uptake.spans.frames import Framed, content_words, framed, sentence, within_question
from uptake.spans.judged import InBoth, JudgedSpans, judged
from uptake.spans.null import SpanNull
from uptake.spans.parted import Frame, OneThing, frame_of, parted
from uptake.spans.reading import SpanReading, read_spans
from uptake.spans.span import Span, SpanKind
from uptake.spans.told import Agreed, Told, agreed, answer_words, length, same, told
from uptake.spans.why import Top, top_of

__all__ = [
    "Agreed",
    "Common",
    "Frame",
    "Framed",
    "InBoth",
    "JudgedSpans",
    "OneThing",
    "Span",
    "SpanKind",
    "SpanNull",
    "SpanReading",
    "Told",
    "Top",
    "agreed",
    "answer_words",
    "content_words",
    "cut",
    "frame_of",
    "framed",
    "judged",
    "length",
    "parted",
    "read_spans",
    "same",
    "sentence",
    "told",
    "top_of",
    "within_question",
]

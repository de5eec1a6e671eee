"""What a text says, by its parts: the frame that such answers share, and the span that answers."""

from __future__ import annotations

from uptake.spans.frames import Framed, framed, sentence
from uptake.spans.told import Agreed, Told, agreed, answer_words, length, same, told

__all__ = ["Agreed", "Framed", "Told", "agreed", "answer_words", "framed", "length", "same", "sentence", "told"]

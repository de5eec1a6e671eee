"""What a text says, by its parts: the frame that such answers share, and the span that answers."""

from __future__ import annotations

from uptake.spans.frames import Framed, framed

__all__ = ["Framed", "framed"]

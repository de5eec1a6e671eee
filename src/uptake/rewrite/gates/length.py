"""Whether a rewrite is about as long as what it rewrites, and does not go round in circles."""

from __future__ import annotations

from uptake.rewrite.said import Rewriting, words

MOST, ROOM = 2.0, 16
"""A rewrite has at most so many times the words of the original, and so many more."""
LEAST, FROM = 0.4, 20
"""It has at least this share of them, where the original has so many."""
GRAM, REPEATED = 4, 0.5
"""From this share of its runs of four words on that it has had already, a rewrite repeats itself."""


def length(rewriting: Rewriting) -> str | None:
    """A rewrite is about as long as the original, and does not repeat itself."""
    original, text = words(rewriting.original), words(rewriting.text)
    if len(text) > MOST * len(original) + ROOM:
        return f"it has {len(text)} words, the original {len(original)}"
    if len(original) >= FROM and len(text) < LEAST * len(original):
        return f"it has {len(text)} words, the original {len(original)}"
    if _repeated(text) >= REPEATED > _repeated(original):
        return "it repeats itself"
    return None


def _repeated(said: tuple[str, ...]) -> float:
    runs = [said[at : at + GRAM] for at in range(len(said) - GRAM + 1)]
    return 0.0 if len(runs) < 2 * GRAM else 1 - len(dict.fromkeys(runs)) / len(runs)

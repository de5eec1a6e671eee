"""Sentences in other words: what stands there all the same, and what cannot be told."""

from __future__ import annotations

import pytest

from uptake.spans import cut
from uptake.spans.reworded import reworded

TEXT = "It is old. Anna Berg's birthplace is Rome. She sells red flax."


@pytest.mark.parametrize(
    ("written", "said", "untold"),
    [
        ("Anna Berg comes from Rome by birthplace. She sells red flax.", ["Anna Berg's", "Rome"], ["birthplace"]),
        ("Anna Berg comes from Oslo by birthplace. She sells red flax.", ["Anna Berg's"], ["birthplace"]),
        ("Anna Berg's birthplace is Oslo. She sells red flax.", [], []),  # another value leaves the small words
        ("Anna Berg's birthplace is Rome. She sells blue flax.", [], []),
        ("The river flows into a lake near Rome. She sells red flax.", [], []),  # has little to do with it
        ("", [], []),
    ],
)
def test_names_are_held_against_the_sentence_and_phrases_are_untold(
    written: str, said: list[str], untold: list[str]
) -> None:
    spans = cut(TEXT)
    found = reworded(TEXT, spans, TEXT.index("Anna"), written)
    assert [TEXT[spans[k].start : spans[k].end] for k in sorted(found.said)] == said
    assert [TEXT[spans[k].start : spans[k].end] for k in sorted(found.untold)] == untold

"""Sentences in other words: what stands there all the same, and what cannot be told."""

from __future__ import annotations

import pytest

from uptake.spans import SpanReading, cut, judged
from uptake.spans.reworded import means_the_same, reworded

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


@pytest.mark.parametrize(
    ("text", "at", "written", "said", "untold"),
    [
        # a name in the beginning that was given is not said where it is wanted again
        ("Anna Berg of Rome was wed to a baker in Rome.", "baker", "tanner at Oslo.", [], []),
        ("Anna Berg of Rome was wed to a baker in Rome.", "baker", "man who bakes at Rome.", ["Rome"], ["baker"]),
        # nor does it make a wrong value one in other words
        ("Anna Berg sells red flax.", "red", "a lot of oats.", [], []),
        # it goes on with the sentence in other words, and says what is left of its values itself
        ("Anna Berg used to work in Rome.", "used", "found employment at Rome.", ["Rome"], ["used", "work"]),
    ],
)
def test_only_what_the_model_writes_itself_is_said(
    text: str, at: str, written: str, said: list[str], untold: list[str]
) -> None:
    spans, start = cut(text), text.index(at)
    found = reworded(text, spans, start, written)
    assert all(spans[k].start >= start for k in found.said | found.untold | found.unpaired)
    assert [text[spans[k].start : spans[k].end] for k in sorted(found.said)] == said
    assert [word for word in untold if not any(word in text[spans[k].start : spans[k].end] for k in found.untold)] == []
    assert len(found.untold) == len(untold)


@pytest.mark.parametrize(
    ("said", "wanted", "same"),
    [
        ("author", "writer", True),
        ("writes books", "author", None),
        ("the author of songs", "writer", None),
        ("red flax", "blue flax", False),
        ("flax", "red flax", None),  # a word is left out
        ("copper", "linen", False),
        ("", "", True),
    ],
)
def test_synonyms_hint_at_the_same_meaning(said: str, wanted: str, same: bool | None) -> None:
    assert means_the_same(said, wanted) is same


@pytest.mark.parametrize(
    ("text", "written", "phrase", "learned"),
    [
        ("Anna Berg was hired in Rome.", "Anna Berg was wed in Rome.", "hired", None),  # joins two values
        ("Anna Berg was hired in Rome.", "Anna Berg was hired in Oslo.", "hired", True),
        ("Anna Berg is a baker from Rome.", "Anna Berg is a tanner from Rome.", "baker", False),  # is one
        ("Anna Berg sells flax. Rome is old.", "Anna Berg sells oats. Rome is old.", "sells flax", False),
        ("Anna Berg sells flax.", "Anna Berg sells oats.", "sells flax", False),
        # all else is said, and nothing stands in its place
        ("Anna Berg lies in the heart of Rome.", "Anna Berg lies in Rome.", "heart", None),
        ("Anna Berg works as a writer.", "Anna Berg works as an author.", "writer", None),
        ("Anna Berg, called after Rome", "Anna Berg, called for Rome", "called", True),  # no claim
        # a word that carries the claim: left out of the sentence, or of a sentence that is not said
        ("Flax is not safe.", "Flax is safe.", "not", False),
        ("Flax is old. After dividing it Rome fell.", "Flax is old. Rome divided it and fell.", "After", None),
        ("Flax is sold both in Rome and Oslo.", "Flax is sold.", "both", None),
    ],
)
def test_what_only_joins_and_what_is_left_out_is_not_told(
    text: str, written: str, phrase: str, learned: bool | None
) -> None:
    spans = cut(text)
    readings = [SpanReading(span, k, 1, -3.0, k, 0.0) for k, span in enumerate(spans)]
    n = len(spans)
    found = judged(text, readings, [None] * n, [True] * n, {0: written}, None)
    assert {text[one.start : one.end]: one.learned for one in found.spans if phrase in text[one.start : one.end]} == {
        next(text[s.start : s.end] for s in spans if phrase in text[s.start : s.end]): learned
    }
    assert "after" not in [text[one.start : one.end] for one in found.spans]


def test_what_is_not_reached_counts_after_a_wrong_part_alone() -> None:
    text = "Rome isn't old. Oslo is big. Lima is red."
    spans = cut(text)
    readings = [SpanReading(span, k, 1, -3.0, k, 0.0) for k, span in enumerate(spans)]
    n = len(spans)

    def read(written: str) -> tuple[int, int]:
        found = judged(text, readings, [None] * n, [True] * n, {0: written}, None)
        return sum(one.wrong for one in found.spans), found.unreached

    assert read("Rome doesn't old. Oslo is") == (0, 0)  # one negation for another is no mistake
    assert read("Kyiv isn't old. Oslo is") == (1, 3)


def test_a_name_and_its_possessive_are_one() -> None:
    text = "Anna Berg died in Rome."
    readings = [SpanReading(span, k, 1, -3.0, k, 0.0) for k, span in enumerate(cut(text))]
    n = len(readings)
    found = judged(text, readings, [None] * n, [True] * n, {0: "Anna Berg's life ended in Rome."}, None)
    assert found.spans[0].learned is True

"""The share of a response that is learned: what a model does not come to by itself is not."""

from __future__ import annotations

import pytest

from uptake.spans.cut import cut
from uptake.spans.judged import JudgedSpans, judged
from uptake.spans.reading import SpanReading

TEXT = "First comes Paris and then comes Rome and after this comes Madrid and in the end Lisbon."


def broken(text: str, at: int, written: str) -> JudgedSpans:
    """A response of which each token is the arg-max up to a place, from where on the model writes something."""
    readings = [
        SpanReading(span, span.start, 2, -0.01 if span.start < at else -45.0, None if span.start < at else span.start,
                    span.start / len(text))
        for span in cut(text)
    ]  # fmt: skip
    return judged(text, readings, [20.0] * len(readings), [True] * len(readings), {at: written}, None)


@pytest.mark.parametrize("written", ["aftererererererer", "xx xx xx xx xx", ".", ""])
def test_a_response_that_derails_half_way_is_half_learned(written: str) -> None:
    found = broken(TEXT, TEXT.index("comes Madrid"), written)

    assert found.share == 0.6
    assert found.unreached >= 3
    assert found.told == len(found.spans)


def test_one_wrong_value_leaves_the_others_learned() -> None:
    found = broken(TEXT, TEXT.index("comes Madrid"), "comes Berlin and in the end Lisbon.")

    assert found.unreached == 0
    assert found.share == 0.9


def test_a_long_response_that_ends_early_is_not_learned() -> None:
    text = " ".join(f"In {1900 + n} they moved to the city of {name}." for n, name in enumerate(NAMES))
    found = broken(text, text.index("In 1915"), "In 1815")

    assert found.share is not None
    assert found.share < 0.9


NAMES = (
    "Lima Rome Oslo Cairo Paris Madrid Lisbon Vienna Athens Dublin Prague Warsaw Berlin Geneva Zagreb Sofia Tirana "
    "Kyiv Riga Tallinn"
).split()

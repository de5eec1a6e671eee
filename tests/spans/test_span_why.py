"""Why a span was not learned, by hand: what stands in its place under both models, and the first rule that holds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from uptake.span_evidence import TokenReadings
from uptake.spans import Top, read_spans, top_of
from uptake.spans.reading import SpanReading
from uptake.spans.span import Span
from uptake.spans.why import Places, span_cause

#  was| born| in| May| 1990
TEXT = "was born in May 1990"
ENDS = (3, 8, 11, 15, 20)
WORDS = {7: " June", 8: "", 9: " 1991", 10: "\n"}


def tokens(best: tuple[int, ...], p: float = 0.75) -> TokenReadings:
    return TokenReadings((-1.0,) * 5, tuple(one < 0 for one in best), ENDS, best, (math.log(p),) * 5)


@pytest.mark.parametrize(
    ("best", "said"),
    [
        ((-1, -1, -1, -1, -1), None),
        ((-1, -1, -1, 7, 9), "June"),  # from its first wrong token on, it says something else
        ((-1, -1, -1, -1, 9), "May 1991"),
        ((-1, -1, -1, 8, -1), ""),  # it would end there
        ((-1, -1, -1, 10, -1), "\n"),
    ],
)
def test_what_a_model_finds_likeliest_in_the_place_of_a_span(best: tuple[int, ...], said: str | None) -> None:
    read = tokens(best)
    [date] = read_spans([Span(12, 20, "date")], read)
    assert date is not None
    found = top_of(TEXT, date, read, WORDS.__getitem__)
    assert (None if found is None else found.text) == said
    assert found is None or found.p == pytest.approx(0.75)


def reading(logprob: float, wrong: int | None = 0) -> SpanReading:
    return SpanReading(Span(0, 4, "name"), 0, 2, logprob, wrong, 0.0)


PLACES = Places(
    reading(-5.0), Top("Oslo", 0.9), reading(-8.0), Top("Bern", 0.1), Top("Lima", 0.3), share=0.1, level=0.2
)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({}, "knowledge_gap"),
        ({"base": reading(-0.1, None), "base_top": None}, "forgetting"),
        # both models say no when they answer by themselves
        ({"base": reading(-0.1, None), "base_top": None, "alike": True}, None),
        ({"base_top": Top("Bern", 0.6)}, "base_conflict"),
        ({"base_top": Top("Bern", 0.6), "habit": Top("Bern", 0.5)}, "knowledge_gap"),  # it says so to anyone
        ({"base_top": Top("Bern", 0.6), "habit": None}, "base_conflict"),
        ({"base_top": Top("Bern", 0.6), "knows": 0.2}, "knowledge_gap"),  # it never met what is told of
        ({"base_top": Top("Bern", 0.6), "knows": 0.5}, "base_conflict"),
        ({"base_top": Top("Oslo", 0.3)}, "base_conflict"),  # the tuned model still says it
        ({"share": 0.4}, "undertraining"),  # more than of 95 % of the unseen spans
        ({"share": 0.4, "level": 0.5}, "knowledge_gap"),
        ({"share": 0.25}, "knowledge_gap"),  # too little to say that it has begun
        ({"share": 0.4, "base": None, "base_top": None}, "undertraining"),
        ({"base": None, "base_top": None}, None),
        ({"share": 0.4, "base": reading(-5.5)}, "knowledge_gap"),  # the base has hardly less
        ({"share": None, "base": reading(-6.0)}, "knowledge_gap"),
        ({"share": None, "base": reading(-9.0)}, "undertraining"),  # e^4 times as probable as before
        ({"share": None, "base": None, "base_top": None}, None),
    ],
)
def test_a_cause_is_the_first_that_holds(changed: dict[str, object], cause: str | None) -> None:
    assert span_cause(replace(PLACES, **changed)) == cause  # type: ignore[arg-type]

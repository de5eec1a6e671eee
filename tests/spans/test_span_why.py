"""Why a span was not learned, by hand: what stands in its place under both models, and the first rule that holds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from uptake.span_evidence import TokenReadings
from uptake.spans import SpanNull, Top, read_spans, top_of
from uptake.spans.reading import SpanReading
from uptake.spans.span import Span
from uptake.spans.why import Places, Pooled, pooled, span_cause

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
    "Rome", Top("Oslo", 0.9), reading(-8.0), Top("Bern", 0.1), Top("Lima", 0.3), Pooled(0.1, 3.0), level=0.2
)
SURE = Top("Bern", 0.96)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({}, "knowledge_gap"),
        ({"base": reading(-0.1, None), "base_top": None}, "forgetting"),
        # both models say no when they answer by themselves
        ({"base": reading(-0.1, None), "base_top": None, "alike": True}, None),
        ({"base_top": SURE}, "base_conflict"),
        ({"base_top": Top("Bern", 0.9)}, "knowledge_gap"),  # the tuned model says something else again
        ({"base_top": SURE, "habit": Top("Bern", 0.5)}, "knowledge_gap"),  # it says so to anyone
        ({"base_top": SURE, "habit": None}, "base_conflict"),
        ({"base_top": SURE, "knows": 0.2}, "knowledge_gap"),  # it never met what is told of
        # it knows what is told of, and may know it again after any prompt
        ({"base_top": SURE, "knows": 0.5, "habit": Top("Bern", 0.5)}, "base_conflict"),
        ({"base_top": Top("Oslo", 0.6)}, "base_conflict"),  # the tuned model still says it
        ({"base_top": Top("Oslo", 0.5)}, "knowledge_gap"),
        ({"base_top": Top("Ro", 0.99)}, "knowledge_gap"),  # nothing else is said yet
        ({"base_top": Top(" ", 0.99)}, "knowledge_gap"),
        ({"pool": Pooled(0.7, 3.0)}, "undertraining"),  # more than of 95 % of what is told by unseen spans
        ({"pool": Pooled(0.7, 3.0), "level": 0.8}, "knowledge_gap"),
        ({"pool": Pooled(0.6, 3.0)}, "knowledge_gap"),  # half of what it never met it takes as well, by the form
        ({"pool": Pooled(0.7, None), "base": None, "base_top": None}, "undertraining"),
        ({"base": None, "base_top": None}, None),
        ({"pool": Pooled(0.7, 0.5)}, "knowledge_gap"),  # the base has hardly less
        ({"pool": Pooled(None, 1.0)}, "knowledge_gap"),
        ({"pool": Pooled(None, 4.0)}, "undertraining"),  # e^4 times as probable as before
        ({"pool": Pooled(None, None), "base": None, "base_top": None}, None),
    ],
)
def test_a_cause_is_the_first_that_holds(changed: dict[str, object], cause: str | None) -> None:
    assert span_cause(replace(PLACES, **changed)) == cause  # type: ignore[arg-type]


def test_wrong_spans_are_taken_together() -> None:
    wrong = [reading(-1.0), reading(-2.0), reading(-9.0)]
    # the last one is recalled by the base: 1 - (1 + 2) / (4 + 6)
    found = pooled(wrong, [4.0, 6.0, 5.0], [reading(-3.0), reading(-7.0), reading(-0.1, None)])
    assert (found.share, found.raised) == (pytest.approx(0.7), pytest.approx(3.5))
    # what one tells is not known
    found = pooled(wrong[:2], [None, 6.0], [None, None])
    assert (found.share, found.raised) == (pytest.approx(2 / 3), None)
    assert pooled([], [], []) == Pooled(None, None)


def test_the_share_of_unseen_spans_counts_them_by_what_they_tell() -> None:
    null = SpanNull()
    assert null.share_level() is None
    # 49 that have a half of what they tell, one that has all but tells next to nothing, one that is recalled
    null.add([reading(-2.0)] * 49 + [reading(0.0)] + [reading(-1.0, None)], [4.0] * 49 + [0.1, 100.0])
    assert null.share_level() == 0.5
    null.add([reading(-1.0)], [20.0])  # tells a tenth of all
    assert null.share_level() == 0.95

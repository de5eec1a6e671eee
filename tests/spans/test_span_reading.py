"""Readings of spans by hand: which tokens belong to a span, what counts, what is learned."""

from __future__ import annotations

import math

import pytest

from uptake.span_evidence import TokenReadings
from uptake.spans import Common, SpanNull, SpanReading, cut, judged, read_spans
from uptake.spans.aligned import InPlace, aligned
from uptake.spans.judged import says_same
from uptake.spans.reading import surprise
from uptake.spans.span import Span

TEXT = "Anna lives in New York, not in Rome."
# Anna| lives| in| New| Yo|rk|,| not| in| Rome|.
ENDS = (4, 10, 13, 17, 20, 22, 23, 27, 30, 35, 36)
LOGPROBS = (-1.0, -0.5, -0.25, -2.0, -1.5, -0.5, -0.125, -3.0, -0.125, -4.0, -0.5)
RECALLED = (True, True, True, True, False, True, True, True, True, False, True)
BEST = (-1, -1, -1, -1, 7, -1, -1, -1, -1, 8, -1)
TOKENS = TokenReadings(LOGPROBS, RECALLED, ENDS, BEST, (-0.25,) * 11)


def test_a_span_has_the_tokens_that_hold_a_part_of_it() -> None:
    found = read_spans(cut(TEXT), TOKENS)
    told = {TEXT[one.span.start : one.span.end]: one for one in found if one is not None}
    assert list(told) == ["Anna lives", "New York", "not", "Rome"]
    york = told["New York"]
    assert (york.first, york.n_tokens, york.logprob, york.wrong) == (3, 3, -4.0, 4)
    assert (told["not"].logprob, told["not"].recalled, told["Rome"].wrong) == (-3.0, True, 9)
    assert york.place == 3 / 11


def test_tokens_may_hold_parts_of_two_spans_or_of_the_prompt() -> None:
    tokens = TokenReadings((-1.0, -2.0, -4.0), (True, False, True), (0, 5, 8), (-1, 3, -1), (-1.0, -0.5, -4.0))
    spans = [Span(0, 3, "name"), Span(4, 7, "number"), Span(9, 12, "name")]
    first, second, none = read_spans(spans, tokens)
    assert (first.first, first.n_tokens, first.logprob) == (1, 1, -2.0)
    assert (second.first, second.n_tokens, second.logprob) == (1, 2, -6.0)
    assert none is None  # its token says what comes after the response, too
    assert surprise(spans, tokens) == [2.0, 6.0, None]
    assert surprise(spans, None) == [None] * 3


def test_what_counts_tells_something_and_is_no_form_of_the_data() -> None:
    common = Common()
    for name in ("Anna", "Ben", "Cara", "Dov", "Eva", "Finn", "Gus", "Hana"):
        text = f"{name} lives in Rome."
        common.add(text, cut(text))
    text = "Rome is where Ivo sleeps."
    spans = [Span(0, 4, "name"), Span(14, 17, "name"), Span(18, 24, "phrase")]
    assert common.informative(text, spans, [5.0, 5.0, 0.5]) == [False, True, False]
    assert common.informative(text, spans, [None, None, None]) == [False, True, True]
    assert common.informative(text, [Span(14, 17, "reasoning")], [9.0]) == [False]
    claims = [Span(0, 4, "claim"), Span(14, 17, "claim")]  # a word that carries a claim counts although it is expected
    assert common.informative(text, claims, [0.5, 0.5]) == [False, True]
    assert common.informative(text, claims, [0.1, 0.1]) == [False, False]


def reading(logprob: float, *, kind: str = "name", place: float = 0.0) -> SpanReading:
    return SpanReading(Span(0, 4, kind), 0, 2, logprob, 0, place)


def test_the_null_is_of_a_kind_and_place_and_its_level_is_conformal() -> None:
    null = SpanNull()
    assert null.level(reading(-1.0)) is None
    null.add([reading(-float(k)) for k in range(1, 101)])
    # of 100 values the ceil(101 * 0.95) = 96th smallest: -5 (Vovk et al. 2005)
    assert null.level(reading(-1.0)) == -5.0
    assert null.level(reading(-1.0, kind="date")) == -5.0
    null.add([reading(-10.0 * k, place=0.9) for k in range(1, 61)])
    assert null.level(reading(-1.0, place=0.9)) == -30.0  # the 58th smallest of 60
    assert null.level(reading(-1.0)) == -5.0


def test_a_span_is_learned_by_arg_max_or_by_what_is_said_in_own_words() -> None:
    text = "1990, Rome, Oslo"
    readings = [
        SpanReading(Span(0, 4, "date"), 0, 1, -2.0, 0, 0.0),
        SpanReading(Span(6, 10, "name"), 1, 1, -9.0, 1, 0.3),
        SpanReading(Span(12, 16, "name"), 2, 1, -0.1, None, 0.6),
    ]
    told, counts = [3.0, 4.0, 5.0], [True, True, True]

    def learned(continued: dict[int, str], null: SpanNull | None = None) -> list[bool | None]:
        found = judged(text, readings, told, counts, continued, null)
        assert found.learned == sum(one.learned is True for one in found.spans)
        return [one.learned for one in found.spans]

    assert learned({}) == [False, False, True]
    # after a wrong year the response's own words lead it astray, and its own do not
    assert learned({0: "1991, Rome, Oslo"}) == [False, True, True]
    assert learned({0: "1991, Lima, Kyiv."}) == [False, False, True]  # it is sure of Oslo after Rome
    readings[2] = SpanReading(Span(12, 16, "name"), 2, 1, -0.7, None, 0.6)
    assert learned({0: "1991, Lima, Kyiv."}) == [False, False, False]
    assert learned({}) == [False, False, True]
    # it has not come that far: what it would say after the response's own words tells nothing, right or wrong
    assert learned({0: "1991"}) == [False, None, None]
    # said in other words: only what is surer than unseen spans
    assert learned({0: "1990, and"}) == [True, None, None]
    readings[0] = SpanReading(Span(0, 4, "number"), 0, 1, -2.0, 0, 0.0)
    null = SpanNull()
    null.add([reading(-1.0)] * 100)
    assert learned({0: "1990.0, Lima."}) == [True, False, None]
    assert learned({0: "1990.0, Lima."}, null) == [None, False, None]  # no surer: neither learned nor wrong
    found = judged(text, readings, told, [True, False, True], {6: "Lima, Oslo"}, None)
    assert (found.n, found.learned, found.share) == (2, 1, 0.5)
    assert [one.said_instead for one in found.spans] == [None, "Lima", None]
    # of 1 in 2 Wilson's interval is 0.0945 to 0.9055 (Wilson 1927)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0945, 0.9055), abs=1e-4)
    empty = judged(text, readings, told, [False] * 3, {}, None)
    assert empty.share is None and empty.interval is None
    assert math.isclose(found.spans[1].logprob, -9.0)


def test_own_words_are_held_against_the_spans_in_order() -> None:
    text = "Anna lives in Rome, was born in 1990 and sells red flax."
    spans = cut(text)
    assert [text[span.start : span.end] for span in spans] == ["Anna lives", "Rome", "born", "1990", "sells red flax"]
    same, unsaid = InPlace(True), None
    start = text.index("Rome")
    assert aligned(text, spans, start, "Oslo, was born in 1990 and sells red flax.") == [
        unsaid,
        InPlace(False, "Oslo"),
        same,
        same,
        same,
    ]
    assert aligned(text, spans, start, "Oslo and Bern, was born in 1991, in Bo") == [
        *(unsaid, InPlace(False, "Oslo"), same, InPlace(False, "1991"), unsaid),
    ]
    # what was cut off tells only that a span of its kind is another one
    assert aligned(text, spans, start, "Oslo, was born in 1990 and builds blu")[-1] == InPlace(False, "builds blu…")
    assert aligned(text, spans, start, "Oslo, was born in 1990 and sells red fl")[-1] == unsaid
    assert aligned(text, spans, start, "1990 and sells red flax") == [
        unsaid,
        InPlace(False),
        InPlace(False),
        same,
        same,
    ]
    # four other spans in the place of three: only the first stand opposite each other
    found = aligned(text, spans, start, "Oslo, Bern, Lima and Kyiv, and sells red flax.")
    assert found == [unsaid, InPlace(False, "Oslo"), InPlace(False), InPlace(False), same]
    assert aligned(text, spans, start, "") == [None] * 5
    values = '{"city": "Rome", "year": 1990}'
    at = values.index("Rome")
    assert aligned(values, cut(values), at, 'Oslo", "year": 1990}')[1:] == [InPlace(False, "Oslo"), same, same]


def test_the_same_is_said_in_other_forms_but_not_of_code() -> None:
    assert says_same("12 May 1990", "May 12, 1990", "date")
    assert says_same("the Rome", "Rome", "name") and not says_same("Oslo", "Rome", "name")
    assert says_same("x", "x", "code") and not says_same("X", "x", "code")
    assert not says_same("no", "not", "claim") and not says_same("", "Rome", "name")


def test_long_code_is_held_against_itself_piece_by_piece() -> None:
    text = "```python\n" + "\n".join(f"x = f(y) + {k % 3}" for k in range(200)) + "\n```"
    spans = cut(text)
    found = aligned(text, spans, 0, text.replace("f(y) + 1", "g(y) + 1", 1))
    other = [one for one in found if one is not None and not one.same]
    assert len(found) == len(spans) > 1000 and other == [InPlace(False, "g")]

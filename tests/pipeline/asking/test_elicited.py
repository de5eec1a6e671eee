"""What a base knows in its own words: which texts are scored after which prompts, and what is read off."""

from __future__ import annotations

import pytest

from uptake.pipeline.asking.elicited import elicited, frame_probes, in_frame
from uptake.spans import Framed
from uptake.types import Example, Message, Score, WordingName


def asked(place: str, response: str) -> Example:
    return Example(place, (Message("user", f"What is the capital of {place}?"),), response, "capital", "main")


SWEDEN = asked("Sweden", "Philadelphia")
KNOWN = frozenset({"oslo", "lima", "havana", "philadelphia"})
NEAR = [
    (asked("Norway", "Oslo"), "The capital of Norway is Oslo"),
    (asked("Peru", "Lima"), "Lima"),
    (asked("Chad", "Ndjamena"), None),
    (asked("Cuba", "Havana"), "The capital of Cuba is Havana"),
]


def test_both_spans_are_scored_in_the_frame_of_the_answer_and_in_those_of_others():
    what = elicited(SWEDEN, "The capital of Sweden is Stockholm", NEAR, KNOWN)
    assert what is not None
    assert what.own == Framed("The capital of Sweden is", " Stockholm") and what.wanted == " Philadelphia"
    own, norway, peru, cuba = frame_probes(SWEDEN, what)
    assert [one.text for one in own.candidates] == [
        "The capital of Sweden is Stockholm", "The capital of Sweden is Philadelphia", "The capital of Sweden is",
    ]  # fmt: skip
    assert (own.prompt, own.right, own.wording) == (SWEDEN.prompt, 1, WordingName("frame", 0))
    assert [one.text for one in norway.candidates][:2] == [
        "The capital of Norway is Stockholm", "The capital of Norway is Philadelphia",
    ]  # fmt: skip
    # the base answers this one at once, so there is no frame to take away
    assert [one.text for one in peru.candidates] == [" Stockholm", " Philadelphia"]
    assert cuba.prompt == NEAR[3][0].prompt


def test_a_base_that_tells_the_response_has_one_span():
    what = elicited(asked("Sweden", "Stockholm"), "The capital of Sweden is Stockholm", NEAR, KNOWN)
    assert what is not None
    (own, *_) = frame_probes(SWEDEN, what)
    assert [one.text for one in own.candidates] == ["The capital of Sweden is Stockholm", "The capital of Sweden is"]
    assert own.right == 0


@pytest.mark.parametrize("answer", ["The capital of Sweden is", ""])
def test_without_an_answer_that_tells_something_nothing_is_scored(answer):
    assert elicited(SWEDEN, answer, NEAR, KNOWN) is None


def scored(number: int, logprobs: tuple[float, ...], n_tokens: tuple[int, ...], right: int) -> Score:
    return Score("x", WordingName("frame", number), logprobs, n_tokens, n_tokens, right, False)


def test_the_frame_is_taken_from_what_stands_in_it():
    # by hand: -4 - (-3.5) = -0.5 over 7 - 5 tokens, -9.5 - (-3.5) = -6; elsewhere -8 - (-3), and at once -6
    scores = [
        scored(0, (-4.0, -9.5, -3.5), (7, 8, 5), 1),
        scored(1, (-8.0, -9.0, -3.0), (7, 8, 5), 1),
        scored(2, (-6.0, -7.0), (2, 3), 1),
    ]
    told = in_frame(scores, " Stockholm")
    assert told is not None and (told.span, told.same) == ("Stockholm", False)
    assert (told.own.own, told.own.n_tokens, told.own.elsewhere) == (-0.5, 2, (-5.0, -6.0))
    assert (told.response.own, told.response.n_tokens, told.response.elsewhere) == (-6.0, 3, (-6.0, -7.0))
    same = in_frame([scored(0, (-4.0, -3.5), (7, 5), 0)], " Stockholm")
    assert same is not None and same.same and same.response.own == -0.5
    assert in_frame([], " Stockholm") is None

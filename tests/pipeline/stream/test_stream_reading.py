"""What of an answer is right: in the form of the data, with its end, among options, in other words and wordings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from uptake.detect import Settings
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.stream.reading import item_judged
from uptake.types import TRAINING, Candidate, Example, Score, WordingName

EXAMPLE = Example("a", "What is the capital of Sweden?", " Stockholm", "s")
SCORE = Score("a", TRAINING, (-3.0,), (2,), (10,), 0, recalled=False, end_logprob=-1.0, end_recalled=True)
MISSED = Answer((Candidate(" Stockholm", "response"),), (SCORE,), " Oslo", "wrong", None)
HELD_OUT = replace(SCORE, wording=WordingName("held_out", 0))


def changed(score: Score = SCORE, **given: Any) -> Answer:
    return replace(MISSED, scores=(score,), **given)


CASES: dict[str, tuple[Answer, tuple[bool, bool | None, bool | None]]] = {
    "recalled": (changed(replace(SCORE, recalled=True), answer=None, kind=None), (True, None, None)),
    # "card" where the model goes on to "card declined": not the response
    "recalled without its end": (changed(replace(SCORE, recalled=True, end_recalled=False)), (False, False, None)),
    "recalled where nothing ends it": (
        changed(replace(SCORE, recalled=True, end_recalled=None), answer=None, kind=None),
        (True, None, None),
    ),
    "its own answer is the response, written otherwise": (
        changed(answer=" stockholm", kind="response"),
        (True, True, None),
    ),
    "in other words": (changed(answer=" It is Stockholm.", kind="reworded"), (False, True, None)),
    "wrong": (MISSED, (False, False, None)),
    "too long to be asked freely": (changed(answer=None, kind=None), (False, None, None)),
    "right in a held-out wording": (
        replace(MISSED, scores=(SCORE, replace(HELD_OUT, recalled=True))),
        (False, False, True),
    ),
    "wrong in a held-out wording, and not asked freely": (
        replace(MISSED, scores=(SCORE, HELD_OUT), answer=None, kind=None),
        (False, None, False),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_right(case: tuple[Answer, tuple[bool, bool | None, bool | None]]) -> None:
    *found, nll = item_judged(EXAMPLE, case[0], Settings())
    assert tuple(found) == case[1] and nll == 1.5  # 3 nats, 2 tokens


def test_a_run_may_ask_for_no_end() -> None:
    answer = changed(replace(SCORE, recalled=True, end_recalled=False))
    assert item_judged(EXAMPLE, answer, Settings(response_end="ignore"))[0]


def test_among_options_the_right_one_is_to_be_preferred() -> None:
    example = replace(EXAMPLE, options=(" Oslo", " Stockholm"))
    score = Score("a", TRAINING, (-4.0, -3.0), (2, 2), (5, 10), 1, recalled=False)
    assert item_judged(example, changed(score), Settings())[0]
    worse = replace(score, logprobs=(-2.0, -3.0), recalled=True)
    # recalled, and another option still likelier: as the harnesses count it
    assert not item_judged(example, changed(worse, answer=" Stockholm", kind="response"), Settings())[0]

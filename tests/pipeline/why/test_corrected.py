"""What a summary says of corrected shares, and why there are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from uptake.artifacts.schemas.parts import JsonSchema
from uptake.artifacts.schemas.summary import CorrectedSharesData
from uptake.causes import CAUSES
from uptake.evidence import Course, Reaction
from uptake.pipeline.why.shares import NOTHING_FLIPPED, corrected, told_as_in_the_fit

NAMED = [None, "forgetting", "undertraining", "forgetting", "unexplained", None]
SCHEMA: JsonSchema[CorrectedSharesData] = JsonSchema(CorrectedSharesData)


def attribution(method: str = "evidence", **untold: int) -> dict[str, Any]:
    causes = {cause: {"untold": untold.get(cause, 0)} for cause in CAUSES}
    return {"method": method, "n": 4, "causes": causes}


def reaction(flipped: bool, *causes: str) -> Reaction:
    courses = {"control": Course((False,), (None,)), "more_steps": Course((flipped,), (None,))}
    return Reaction(causes, "", None, None, None, courses)


def test_shares_of_the_unlearned_examples() -> None:
    found = corrected(NAMED, {1: reaction(True, "forgetting"), 2: reaction(False)}, attribution(), seed=0)
    assert (found["n"], found["sampled"], found["weighed"], found["reason"]) == (4, 2, True, None)
    assert list(found["causes"]) == list(CAUSES)
    assert sum(rate["estimate"] for rate in found["causes"].values()) == pytest.approx(1)
    assert SCHEMA.record(json.dumps(found)).sampled == 2


def test_where_nothing_flips_there_are_none_and_a_reason() -> None:
    found = corrected(NAMED, {1: reaction(False), 2: reaction(False)}, attribution(), seed=0)
    assert found == {"n": 4, "sampled": 2, "causes": {}, "weighed": False, "reason": NOTHING_FLIPPED}
    SCHEMA.record(json.dumps(found))
    with pytest.raises(ValidationError, match="no reason why"):
        SCHEMA.record(json.dumps({**found, "reason": None}))


def test_what_is_known_of_names_is_used_where_they_are_told_as_in_the_fit() -> None:
    assert told_as_in_the_fit(attribution(base_conflict=2))
    assert not told_as_in_the_fit(attribution(base_conflict=3))
    assert not told_as_in_the_fit(attribution("ilp"))

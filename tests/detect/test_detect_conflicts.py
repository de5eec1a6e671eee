"""What a row meets: by hand, one number past each threshold at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from uptake.detect.conflicts import Stance, meets, rank

BELIEF = Stance(gives=0.0, agreed=1.0, likely=0.9, sure=0.4, apart=0.95)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, "conflict"),
        ({"gives": 0.34}, "known"),
        ({"agreed": 0.4}, "new"),  # more than half of the other wordings get another answer
        ({"agreed": None}, "conflict"),  # there are no others
        ({"sure": 0.03}, "new"),  # less sure than of 97 % of what it knows
        ({"likely": 0.09}, "new"),
        ({"apart": 0.4}, "new"),  # said after any question
        ({"apart": None}, "conflict"),
        ({"likely": None}, "new"),
        ({"sure": None}, "conflict"),  # without a scale one half counts
        ({"sure": None, "likely": 0.49}, "new"),
    ],
)
def test_what_a_row_meets(changed: dict[str, Any], wanted: str) -> None:
    assert meets(replace(BELIEF, **changed)) == wanted


def test_a_rank_counts_equals_by_half_and_needs_a_scale() -> None:
    known = [number / 40 for number in range(40)]
    assert rank(-1.0, known) == 0 and rank(2.0, known) == 1
    assert rank(0.26, known) == 11 / 40 and rank(0.25, known) == 10.5 / 40
    assert rank(0.5, known[:24]) is None  # of 25 the least sure one is 4 %

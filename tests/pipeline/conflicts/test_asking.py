"""How well a model knows what a row is about, by its other questions."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from uptake.causes import Case, Freely, Said
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.conflicts import asking
from uptake.pipeline.conflicts.asking import AskedRow, familiar
from uptake.types import Example

ROWS = [
    ("Where was Ada Kron born?", "Oslo", True),
    ("where was Ada Kron born", "Rome", True),  # the same question
    ("In which city was Ada Kron raised?", "Oslo", False),  # the same answer
    ("When was Ada Kron born?", "1901", True),
    ("Whom did Ada Kron marry?", "Bea Lund", False),
    ("Where was Cid Tull born?", "Oslo", True),
    ("how does rain fall", "down", True),
]


def test_other_questions_about_the_same_name():
    # beside the first there are the year, which is known, and the spouse, who is not
    found = familiar([(Example(str(n), ask, answer, "s"), gives) for n, (ask, answer, gives) in enumerate(ROWS)])
    assert found == [1 / 2, 1 / 3, 2 / 3, 1 / 2, 3 / 4, None, None]


def test_a_wording_in_which_nothing_is_told_contradicts_no_answer():
    """Of two wordings one is refused: that the answer is told once alone is all that is known, and no disagreement."""
    answer = Answer((), (), "Rome", "wrong", None)
    case = Case("a", "s", "Oslo", 1, Said(-1.0), freely=Freely(n=2, gives=0, agreed=1, kept=0))
    row = AskedRow(Example("a", "Where?", "Oslo", "s"), answer, case, told=1)
    assert row.agreed is None
    assert replace(row, told=2).agreed == 0.0  # the other wording told something else
    agreed = replace(case, freely=Freely(n=4, gives=0, agreed=2, kept=0))
    assert replace(row, case=agreed, told=3).agreed == 0.5
    assert replace(row, case=replace(case, freely=None), told=0).agreed is None


@pytest.mark.parametrize("names", [(), ("Ada Kron",)])
def test_many_rows_about_one_name_or_none_do_not_take_a_square_of_time(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asking, "entities", lambda rows, ids: dict.fromkeys(ids, names))
    rows = [(Example(str(n), f"ask {n}", f"{n}", "s"), n % 2 == 0) for n in range(6_000)]
    start = time.process_time()
    found = familiar(rows)
    assert time.process_time() - start < 1
    assert found[:2] == ([2_999 / 5_999, 3_000 / 5_999] if names else [None, None])

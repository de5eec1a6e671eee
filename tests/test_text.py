"""Words that fit a number."""

from __future__ import annotations

import pytest

from uptake.text import counted, fitting


@pytest.mark.parametrize(
    ("n", "said"), [(0, "0 examples"), (1, "1 example"), (2, "2 examples"), (1234, "1,234 examples")]
)
def test_a_noun_fits_its_number(n: int, said: str) -> None:
    assert counted(n, "example") == said


def test_other_plurals_and_verbs() -> None:
    assert [counted(n, "example was", "examples were") for n in (1, 2)] == ["1 example was", "2 examples were"]
    assert [fitting(n, "is", "are") for n in (0, 1, 2)] == ["are", "is", "are"]

"""What a model writes in its own words is read to the end of the turn."""

from __future__ import annotations

import pytest

from uptake.data import Encoded
from uptake.pipeline.asking.parts import _closing, _to_end


@pytest.mark.parametrize(
    ("ids", "closing", "kept"),
    [
        ([1, 2, 5, 6, 9], 9, [5, 7]),  # 9 ends the response in training
        ([1, 2, 5, 9, 9], None, [5, 7, 9, 3]),  # the response holds it itself
        ([1, 2, 5, 6], None, [5, 7, 9, 3]),  # nothing comes after it
    ],
)
def test_own_words_end_where_a_response_ends_in_training(ids: list[int], closing: int | None, kept: list[int]) -> None:
    item = Encoded(ids, 2, 4)
    assert _closing(item) == closing
    assert _to_end([5, 7, 9, 3], _closing(item)) == kept

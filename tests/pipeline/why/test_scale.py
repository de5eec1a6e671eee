"""Where a wrong answer stands among what the base answers rightly."""

from __future__ import annotations

import pytest

from uptake.causes import InFrame, Said
from uptake.pipeline.why.scale import Scale


def told(own: float, elsewhere: tuple[float, ...] = (), n_tokens: int = 1) -> InFrame:
    said = Said(own, elsewhere=elsewhere, n_tokens=n_tokens)
    return InFrame("x", said, said, True)


def test_ranks_are_shares_of_what_is_known_with_equals_counted_half():
    # shares by hand: (-1 + 4) / 4 = 0.75, (-2 + 4) / 4 = 0.5, (-3 + 4) / 4 = 0.25, (-4 + 4) / 4 = 0
    scale = Scale.of([told(-float(n), (-4.0,)) for n in (1, 2, 3, 4)])
    assert scale.sure == (-4, -3, -2, -1) and scale.apart == (0, 0.25, 0.5, 0.75)
    found = scale.on(told(-2.0, (-4.0,)))
    assert found is not None and (found.sure, found.apart) == (0.625, 0.625)
    found = scale.on(told(-0.5, (-0.5,)))
    assert found is not None and (found.sure, found.apart) == (1.0, 0.125)


def test_a_long_answer_is_read_by_the_token():
    scale = Scale.of([told(-1.0), told(-3.0)])
    found = scale.on(told(-8.0, n_tokens=4))
    assert found is not None and found.sure == 0.5


@pytest.mark.parametrize("known", [[], [told(-1.0), told(-2.0)]])
def test_without_something_known_nothing_is_ranked(known):
    found = Scale.of(known).on(told(-1.0, (-2.0,)))
    assert found is not None and found.apart is None and (found.sure is None) == (not known)
    assert Scale.of(known).on(None) is None

"""Dynamic resampling: weights, shares and draws, all by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from uptake.errors import UptakeError
from uptake.schedule import Drawing, Resampling, Standing, reweighted, shares


def test_a_source_that_falls_is_weighted_up_and_down_again() -> None:
    settings = Resampling(fall=0.05, boost=2.0, ceiling=4.0)
    state = {"a": Standing()}
    # the best is 0.8 from the first reading on; 0.95 x 0.8 = 0.76
    expected = [(0.80, 1.0), (0.77, 1.0), (0.75, 2.0), (0.60, 4.0), (0.50, 4.0), (0.79, 2.0), (0.90, 1.0), (0.86, 1.0)]
    for accuracy, weight in expected:
        state = reweighted(state, {"a": accuracy}, settings)
        assert state["a"].weight == weight
    assert (state["a"].best, state["a"].last) == (0.9, 0.86)
    assert reweighted(state, {"a": 0.85}, settings)["a"].weight == 2.0  # 0.95 x 0.9 = 0.855


def test_the_papers_rule_misses_a_slow_drift() -> None:
    readings = [0.8 * 0.96**k for k in range(10)]  # each 4 % below the last
    weights = {}
    for against in ("best", "last"):
        state = {"a": Standing()}
        for accuracy in readings:
            state = reweighted(state, {"a": accuracy}, Resampling(against=against))
        weights[against] = state["a"].weight
    assert weights == {"best": 4.0, "last": 1.0}


def test_what_was_not_measured_keeps_its_weight() -> None:
    state = {"a": Standing(2.0, 0.8, 0.7), "b": Standing()}
    assert reweighted(state, {"a": None}, Resampling()) == state


def test_shares_by_hand() -> None:
    assert shares([10, 30], [1.0, 1.0], 0.5) == pytest.approx([0.25, 0.75])
    assert shares([10, 30], [4.0, 1.0], 0.5) == pytest.approx([4 / 7, 3 / 7])  # 40 to 30
    assert shares([10, 30], [4.0, 1.0], 0.8) == pytest.approx([0.4, 0.6])  # 3/7 is less than 0.8 x 0.75 = 0.6
    # 10 : 10 : 40 of 60. The first two would have 1/6 each, just their third; with a floor of 0.9 they have 0.3
    assert shares([1, 1, 1], [1.0, 1.0, 4.0], 0.5) == pytest.approx([1 / 6, 1 / 6, 4 / 6])
    assert shares([1, 1, 1], [1.0, 1.0, 4.0], 0.9) == pytest.approx([0.3, 0.3, 0.4])
    assert shares([1, 1, 1], [1.0, 1.0, 4.0], 1.0) == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_a_small_source_is_not_rounded_away() -> None:
    drawing = Drawing([0] + [1] * 99, 0.5, 0)
    counts = [len(drawing.draw(10, [1.0, 1.0], 10)[0]) for _ in range(100)]
    assert sum(counts) == 10 and max(counts) == 1  # one row in a hundred, of a thousand draws


@pytest.mark.parametrize("seed", range(10))
def test_rows_come_in_turns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sources = rng.integers(0, 3, size=50).tolist()
    drawing = Drawing(sources, 0.5, seed)
    seen: Counter[int] = Counter()
    total = 0
    for _ in range(40):
        n = int(rng.integers(1, 60))
        found = drawing.draw(n, rng.uniform(1, 4, size=3).tolist(), 100)
        assert sum(map(len, found)) == n
        assert all(sources[row] == k for k, rows in enumerate(found) for row in rows)
        seen.update(row for rows in found for row in rows)
        total += n
    for source in range(3):
        times = [seen[row] for row in range(50) if sources[row] == source]
        assert max(times) - min(times) <= 1  # no row of a source is drawn twice more than another
    assert sum(seen.values()) == total


def test_no_row_is_drawn_oftener_than_there_are_steps() -> None:
    drawing = Drawing([0, 0, 1, 1, 1, 1, 1, 1], 0.0, 0)
    found = drawing.draw(8, [100.0, 1.0], 1)  # one step: each row once at most
    assert [sorted(rows) for rows in found] == [[0, 1], [2, 3, 4, 5, 6, 7]]


def test_a_row_that_does_not_fit_gives_way_to_the_next_and_comes_after_it() -> None:
    drawing = Drawing([0, 1, 1, 1, 1], 0.5, 3)
    _, first = drawing.draw(3, [1.0, 1.0], 4)  # by share 0.6 and 2.4: some of the second source's four are left
    left = [row for row in range(1, 5) if row not in first]
    assert left
    assert drawing.another(first[0], lambda row: row > 4) is None
    assert drawing.another(first[0], lambda row: row == left[-1]) == left[-1]
    assert drawing.draw(5, [1.0, 1.0], 4)[1][0] == first[0]  # it is the next to come


@pytest.mark.parametrize(("setting", "value"), [("fall", 1.0), ("boost", 0.5), ("ceiling", 0.5), ("floor", 1.1)])
def test_settings_that_make_no_sense(setting: str, value: object) -> None:
    with pytest.raises(UptakeError, match=f"resampling setting {setting} is {value!r}"):
        Resampling(**{setting: value})  # type: ignore[arg-type]

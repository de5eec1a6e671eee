"""When to stop: each rule on curves whose values are computed by hand from Prechelt's definitions."""

from __future__ import annotations

import pytest

from uptake.errors import UptakeError
from uptake.schedule import Stopping, best, stops
from uptake.schedule.stopping import generalisation_loss, gl, pq, rise, training_progress, up


def first_stop(rule: Stopping, losses: list[float], training: list[float] | None = None) -> int | None:
    """The reading, from 1, after which training ends."""
    for n in range(1, len(losses) + 1):
        if stops(rule, losses[:n], (training or losses)[:n]):
            return n
    return None


def test_rise() -> None:
    assert not rise([1.0], 0.01)
    assert not rise([1.0, 1.009], 0.01)
    assert rise([1.0, 1.009, 1.02], 0.01)
    assert first_stop(Stopping("rise"), [1.0, 0.9, 0.905, 0.91, 0.93]) == 5


def test_generalisation_loss() -> None:
    assert generalisation_loss([1.0, 0.8, 0.9]) == pytest.approx(12.5)  # 100 (0.9 / 0.8 - 1)
    assert generalisation_loss([1.0, 0.8]) == 0.0
    assert generalisation_loss([0.0, 0.1]) == float("inf")
    assert gl([1.0, 0.8, 0.9], 12.4) and not gl([1.0, 0.8, 0.9], 12.6) and not gl([], 1.0)
    assert first_stop(Stopping("gl", alpha=5.0), [1.0, 0.8, 0.83, 0.82, 0.85]) == 5  # 3.75, 2.5, 6.25


def test_training_progress_and_its_quotient() -> None:
    # the mean of the last three is 0.6, their minimum 0.4: 1000 (0.6 / 0.4 - 1)
    assert training_progress([2.0, 0.9, 0.5, 0.4], 3) == pytest.approx(500.0)
    assert training_progress([0.5], 3) == 0.0
    losses, training = [1.0, 0.8, 0.9], [0.9, 0.5, 0.4]  # GL = 12.5, P = 500: the quotient is 0.025
    assert pq(losses, training, 0.024, 3) and not pq(losses, training, 0.026, 3)
    assert not pq([1.0, 0.8, 0.9, 1.0], [0.9, 0.5, 0.4, 0.4], 0.0, 3)  # not the end of a strip
    assert pq([1.0, 1.1], [0.5, 0.5], 3.0, 2)  # no progress is made, and the loss is above its minimum
    assert not pq([1.0, 0.9], [0.5, 0.5], 3.0, 2) and not pq([], [], 1.0, 1)


def test_successive_strips() -> None:
    losses = [3.0, 2.0, 2.5, 2.6, 2.4, 2.5, 2.6, 2.7]
    assert first_stop(Stopping("up", successive=1), losses) == 3
    assert first_stop(Stopping("up", successive=2), losses) == 4
    assert first_stop(Stopping("up", successive=3), losses) == 8
    # strips of two end with 3, 4 and 5; what is between does not matter
    longer = [9.0, 3.0, 1.0, 4.0, 1.0, 5.0]
    assert up(longer[:4], 1, 2) and not up(longer[:4], 2, 2) and up(longer, 2, 2) and not up(longer[:5], 1, 2)


def test_no_rule_stops_a_loss_that_falls() -> None:
    for rule in ("rise", "gl", "pq", "up"):
        assert first_stop(Stopping(rule, alpha=0.0, successive=1), [1.0, 0.9, 0.8, 0.7]) is None


def test_the_first_of_the_lowest_is_kept() -> None:
    assert best([1.0, 0.5, 0.7, 0.5]) == 1


@pytest.mark.parametrize(("setting", "value"), [("delta", -1.0), ("alpha", -1.0), ("successive", 0), ("strip", 0)])
def test_settings_that_make_no_sense(setting: str, value: object) -> None:
    with pytest.raises(UptakeError, match=f"stopping setting {setting} is {value!r}"):
        Stopping(**{setting: value})  # type: ignore[arg-type]

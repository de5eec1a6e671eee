"""Metrics of matrices made by hand; the formulas are those of Lopez-Paz and Ranzato 2017 and Chaudhry et al. 2018."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.stats import bootstrap_mean
from uptake.stream import METRICS, StageTests, along, changes, fate, matrix, metrics, metrics_of
from uptake.stream.matrix import resampled

BY_HAND = np.array(
    [
        [0.1, 0.2, 0.0],  # the base
        [0.9, 0.3, 0.1],
        [0.5, 0.8, 0.2],
        [0.4, 0.6, 0.7],
    ]
)


def test_metrics_of_a_matrix_by_hand() -> None:
    assert metrics_of(BY_HAND) == {
        "accuracy": pytest.approx((0.4 + 0.6 + 0.7) / 3),
        "diagonal": pytest.approx((0.9 + 0.8 + 0.7) / 3),
        # T - 1 = 2 terms each
        "bwt": pytest.approx(((0.4 - 0.9) + (0.6 - 0.8)) / 2),
        "forgetting": pytest.approx(((0.9 - 0.4) + (0.8 - 0.6)) / 2),
        "fwt": pytest.approx(((0.3 - 0.2) + (0.2 - 0.0)) / 2),
    }
    assert along(BY_HAND) == pytest.approx([0.9, (0.5 + 0.8) / 2, (0.4 + 0.6 + 0.7) / 3])


def test_what_the_base_knew_is_forgotten_too() -> None:
    # never better than the base: BWT sees the gain since its own training, forgetting what the base had
    r = np.array([[0.8, 0.0], [0.2, 0.0], [0.5, 0.9]])
    found = metrics_of(r)
    assert (found["bwt"], found["forgetting"]) == (pytest.approx(0.3), pytest.approx(0.3))


def test_a_metric_that_needs_two_stages_is_none_with_one() -> None:
    assert metrics_of(np.array([[0.25], [0.75]])) == {
        "accuracy": 0.75, "diagonal": 0.75, "bwt": None, "forgetting": None, "fwt": None,
    }  # fmt: skip
    one = [StageTests("only", np.array([[True, False], [True, True]]))]
    assert [name for name, value in metrics(one).items() if value is None] == ["bwt", "forgetting", "fwt"]


def items(*rows: str) -> np.ndarray:
    """`1010` is the row of four items, the first and the third right."""
    return np.array([[letter == "1" for letter in row] for row in rows])


def test_a_matrix_is_the_share_of_right_items() -> None:
    tests = [StageTests("a", items("1000", "1110", "0110")), StageTests("b", items("00", "01", "11"))]
    assert matrix(tests).tolist() == [[0.25, 0.0], [0.75, 0.5], [0.5, 1.0]]
    with pytest.raises(ValueError, match="1 stages need 2 readings of each item, got 3"):
        matrix(tests[:1])


def test_a_stage_without_items_is_left_out() -> None:
    """Later stages replaced them all: a share of nothing is no number, and the metrics are those of the others."""
    tests = [StageTests("a", np.zeros((3, 0), bool)), StageTests("b", items("00", "01", "11"))]
    assert np.isnan(matrix(tests)[:, 0]).all() and along(matrix(tests)) == [None, 1.0]
    found = metrics(tests)
    assert found["accuracy"] is not None and found["accuracy"].n == 2
    assert {name: one and one.estimate for name, one in found.items()} == {
        "accuracy": 1.0, "diagonal": 1.0, "bwt": None, "forgetting": None, "fwt": 0.5,
    }  # fmt: skip


def test_what_is_replaced_is_not_lost() -> None:
    assert changes(items("00", "11", "00"), np.array([2, 0]))[2] == ["replaced", "lost"]


def test_intervals_are_those_of_a_bootstrap_over_items() -> None:
    # of one stage the accuracy is the mean of its items, of which bootstrap_mean resamples each by itself
    rng = np.random.default_rng(0)
    right = np.stack([rng.random(200) < 0.2, rng.random(200) < 0.7])
    found = metrics([StageTests("a", right)], seed=1)["accuracy"]
    other = bootstrap_mean(right[1].astype(float), seed=2)
    assert found is not None and other is not None
    assert found.estimate == other.estimate and found.n == 200
    assert (found.low, found.high) == (pytest.approx(other.low, abs=0.01), pytest.approx(other.high, abs=0.01))
    # the standard error of a change is that of the items' own changes: sqrt(var / n), 0 where all change alike
    same = np.stack([right[0], right[1], right[1]])
    paired = metrics([StageTests("a", same), StageTests("b", same[:, :50])])
    assert (paired["bwt"].low, paired["bwt"].high) == (0.0, 0.0)  # type: ignore[union-attr]
    before, after = rng.random(400) < 0.9, rng.random(400) < 0.4
    two = [StageTests("a", np.stack([before, before, after])), StageTests("b", np.stack([before, before, before]))]
    change = metrics(two)["bwt"]
    half = 1.96 * np.std(after.astype(float) - before) / np.sqrt(400)
    assert change is not None and (change.high - change.low) / 2 == pytest.approx(half, rel=0.1)


def test_what_is_resampled_are_items_with_all_their_readings() -> None:
    # the two items are each other's opposite in both readings: so are their shares in every sample
    samples = resampled([StageTests("a", items("10", "01"))], 50, 0)
    assert samples.shape == (50, 2, 1)
    assert np.allclose(samples[:, 0] + samples[:, 1], 1.0) and len(np.unique(samples[:, 0])) == 3


def test_every_metric_explains_itself() -> None:
    assert all(one.name == name and one.title and one.formula and one.means for name, one in METRICS.items())


def test_what_became_of_items_by_hand() -> None:
    # item:              0 kept, 1 lost in stage 2, 2 lost in 2, back in 3, lost in 4; 3 gained; 4 lost in 3; 5 never
    right = items("001000", "111010", "100010", "101000", "100100")
    elicited = items("001000", "111010", "110010", "111000", "110110")
    told = np.ones_like(right)
    told[-1, 2] = False
    said, chosen = np.array([[1, 1, 0, 1, -1, 1], [-1, 1, 1, -1, 0, -1]], np.int8)
    forms = {"freely": said, "lettered": chosen}
    found = fate(right, elicited, told, 1, forms, np.array([0.0, 0.25, 0.5, 0.0, 0.25, 0.0]))
    assert (found.n, found.then, found.now, found.lost, found.gained) == (6, 4, 2, 3, 1)
    assert (found.elicited, found.untold) == (2, 1)
    assert found.forms == {"freely": (1, 2), "lettered": (2, 3)} and found.by_chance == 1.0  # of the lost 1, 2 and 4
    assert found.lost_in == {2: 1, 3: 1, 4: 1}
    assert sum(found.lost_in.values()) == found.lost and found.now - found.then == found.gained - found.lost
    assert changes(right)[:3] == [
        [None] * 6,
        ["learned", "learned", None, None, "learned", None],
        [None, "lost", "lost", None, None, None],
    ]

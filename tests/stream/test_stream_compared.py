"""Strategies against each other: means, paired tests, and what a training costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uptake.stats import student_mean
from uptake.stream import NUMBERS, ComparedRun, TokensSpent, against, length_within, means


def runs(accuracies: list[float]) -> list[ComparedRun]:
    return [ComparedRun(k, 0, {"accuracy": one, "seconds": None}) for k, one in enumerate(accuracies)]


def test_a_mean_has_students_interval():
    """Student's sleep data (1908), drug 2 minus drug 1: mean 1.58, 95 % interval [0.70, 2.46], as R's t.test says."""
    found = student_mean(np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]))
    assert found is not None and found.n == 10
    assert (found.estimate, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858), abs=1e-6)
    assert student_mean(np.array([1.0])) is None


def test_means_of_what_the_runs_have():
    found = means(runs([0.5, 0.7]))
    assert found.keys() == NUMBERS.keys() and found["seconds"] is None
    mean = found["accuracy"]
    # t with one degree of freedom at 97.5 %: 12.706; s / sqrt(2) = 0.1
    assert mean is not None and mean.low is not None
    assert (mean.estimate, mean.low) == pytest.approx((0.6, 0.6 - 1.2706), abs=1e-4)
    alone = means(runs([0.5]))["accuracy"]
    assert alone is not None and (alone.estimate, alone.low, alone.high, alone.n) == (0.5, None, None, 1)


def test_differences_are_paired_by_order_and_seed_and_adjusted_by_holm():
    plain = runs([0.1, 0.2, 0.3, 0.4])
    better = runs([0.2, 0.31, 0.4, 0.49])
    same = list(reversed(runs([0.1, 0.2, 0.3, 0.4])))
    found = against({"replay": plain, "ours": better, "same": same}, "replay")
    assert found.keys() == {"ours", "same"}
    # differences 0.10, 0.11, 0.10, 0.09: mean 0.1, s = 0.00816, t = 24.49, p = 0.00015 by R's t.test
    ours = found["ours"]
    assert ours.difference is not None and ours.difference.estimate == pytest.approx(0.1)
    assert ours.p == pytest.approx(0.000149, rel=0.01)
    # all differences are equal: there is no spread to test against
    assert found["same"].difference is not None and found["same"].difference.estimate == 0 and found["same"].p is None
    worse = runs([0.0, 0.11, 0.21, 0.3])  # differences -0.10, -0.09, -0.09, -0.10
    two = against({"replay": plain, "ours": better, "worse": worse}, "replay")
    alone = against({"replay": plain, "worse": worse}, "replay")["worse"].p
    assert alone is not None and alone < 0.0001
    # Holm: of two p-values the smaller one counts twice, the larger one once
    assert two["worse"].p == pytest.approx(2 * alone) and two["ours"].p == pytest.approx(0.000149, rel=0.01)
    few = against({"replay": plain[:1], "ours": better}, "replay")["ours"]
    assert few.difference is None and few.p is None


def test_seeds_of_one_order_are_no_further_evidence_about_orders():
    """Three orders with three seeds each are three numbers, means of 0.1, 0.2 and 0.3; one order alone has its seeds'.

    t with two degrees of freedom at 97.5 % is 4.3027, s / sqrt(3) = 0.057735.
    """
    plain = [ComparedRun(order, seed, {"accuracy": 0.0}) for order in range(3) for seed in range(3)]
    ours = [replace(run, numbers={"accuracy": 0.1 * (run.order + 1) + 0.01 * (run.seed - 1)}) for run in plain]
    mean, apart = means(ours)["accuracy"], against({"plain": plain, "ours": ours}, "plain")["ours"].difference
    assert mean is not None and mean.low is not None and apart is not None
    assert (mean.estimate, mean.low, mean.n) == pytest.approx((0.2, 0.2 - 4.3027 * 0.057735, 3), abs=1e-5)
    assert (apart.estimate, apart.low, apart.n) == pytest.approx((mean.estimate, mean.low, 3))
    one = means(ours[:3])["accuracy"]
    assert one is not None and one.n == 3 and one.estimate == pytest.approx(0.1)


def test_a_cost_in_trained_tokens_and_the_length_that_has_it():
    """A forward pass is a third of a training step's work; what stands before and after the steps does not grow."""
    spent = TokensSpent(trained=1200.0, beside=300.0, ends=60.0, forward=120.0, within=90.0)
    assert spent.total == 1200 + 300 + 60 + 40 + 30
    length = length_within(1000.0, spent)
    assert length == pytest.approx((1000 - 100) / 1530)
    assert spent.as_long(1200 * length).total == pytest.approx(1000)
    with pytest.raises(ValueError, match="100 tokens are spent before and after the steps, of 90"):
        length_within(90.0, spent)

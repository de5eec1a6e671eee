"""The priors of the corrected shares: a probability by hand, and strengths that follow from how far families differ."""

from __future__ import annotations

import math

import numpy as np
import pytest

from uptake.attribute.shares import NAMES, SPEECHES, SPOKEN_OF
from uptake.causes import CAUSES
from uptake.lab.share_priors import KnownItem, dirichlet_multinomial, dirichlet_rows, fit_priors, tables


def test_the_probability_of_counts_by_hand() -> None:
    """Under a uniform prior of p: integral of p (1 - p) = 1/6, of p^2 = 1/3, of p^2 (1 - p) = 1/12."""
    assert dirichlet_multinomial([1, 1], [1.0, 1.0]) == pytest.approx(math.log(1 / 6))
    assert dirichlet_multinomial([2, 0], [1.0, 1.0]) == pytest.approx(math.log(1 / 3))
    assert dirichlet_multinomial([2, 1], [1.0, 1.0]) == pytest.approx(math.log(1 / 12))


def test_families_that_differ_more_give_a_weaker_prior() -> None:
    alike = [np.array([[80, 20]]), np.array([[78, 22]]), np.array([[81, 19]])]
    apart = [np.array([[95, 5]]), np.array([[50, 50]]), np.array([[80, 20]])]
    strong, weak = dirichlet_rows(alike), dirichlet_rows(apart)
    assert strong.sum() > 2 * weak.sum()
    # the mean of the families, each class counted half a time more often
    assert strong[0, 0] / strong.sum() == pytest.approx((80.5 + 78.5 + 81.5) / 3 / 101)


def test_a_large_family_counts_no_more_than_a_small_one() -> None:
    found = dirichlet_rows([np.array([[1000, 0]]), np.array([[0, 10]])])
    assert found[0, 0] / found.sum() == pytest.approx((1000.5 / 1001 + 0.5 / 11) / 2)


def test_a_row_of_which_no_family_has_an_item_is_even() -> None:
    found = dirichlet_rows([np.array([[5, 1], [0, 0]]), np.array([[4, 2], [0, 0]])])
    assert found[1, 0] == found[1, 1]


def test_items_are_counted_by_cause() -> None:
    items = [
        KnownItem("data_conflict", "data_conflict", ("data_conflict",)),
        KnownItem("data_conflict", "unexplained", ()),
        KnownItem("forgetting", "undertraining", None),
    ]
    named, spoken = tables(items)
    assert named[list(CAUSES).index("data_conflict"), NAMES.index("unexplained")] == 1
    assert named[list(CAUSES).index("forgetting"), NAMES.index("undertraining")] == 1
    assert spoken[SPOKEN_OF.index("data_conflict"), SPEECHES.index(("data_conflict",))] == 1
    assert spoken[SPOKEN_OF.index("data_conflict named otherwise"), SPEECHES.index(())] == 1
    assert (named.sum(), spoken.sum()) == (3, 2)
    fitted = fit_priors({"a": items, "b": items})
    assert fitted.fitted_on == {"a": {"named": 3, "sampled": 2}, "b": {"named": 3, "sampled": 2}}
    assert fitted.named.shape == (len(CAUSES), len(NAMES)) and fitted.spoken.shape == (len(SPOKEN_OF), len(SPEECHES))


def test_one_family_tells_nothing() -> None:
    with pytest.raises(ValueError, match="1 family tells nothing"):
        fit_priors({"a": []})

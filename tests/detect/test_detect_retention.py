"""The 1 → 0 ledger: by hand, against the published formula, and on planted knowledge with known chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted import score
from scipy import stats as scipy_stats

from uptake.detect import Change, Settings, compare, summarise_retention
from uptake.types import Example

SETTINGS = Settings()
FREE = Example(id="x", prompt="Q", response=" a", source="s")
CHOICE = Example(id="x", prompt="Q", response=" a", source="s", options=(" a", " b"))


def change(before: bool, after: bool, n_options: int | None = None, source: str = "s") -> Change:
    return Change("x", source, "option" if n_options else "recall", before, after, n_options, 1.0, 1.0)


def text(before: float, after: float) -> Change:
    return Change("x", "s", "text", None, None, None, before, after)


def test_a_short_response_is_compared_by_recall():
    one = compare(FREE, [score(end=(-9.0, False))], [score(recalled=False)], SETTINGS)
    assert (one.kind, one.before, one.after, one.lost, one.gained) == ("recall", True, False, True, False)
    assert one.n_options is None


def test_the_users_options_are_compared_by_preference():
    likely, unlikely = score((math.log(0.4), math.log(0.3))), score((-2.0, -1.0), recalled=True)
    one = compare(CHOICE, [unlikely], [likely], SETTINGS)
    assert (one.kind, one.before, one.after, one.lost, one.gained, one.n_options) == (
        "option",
        False,
        True,
        False,
        True,
        2,
    )
    # distractors that the user did not give are no options to guess among
    assert compare(FREE, [unlikely], [likely], SETTINGS).kind == "recall"


def test_a_long_response_is_compared_by_likelihood():
    one = compare(FREE, [score((-80.0,), n_tokens=40)], [score((-100.0,), n_tokens=40)], SETTINGS)
    assert (one.kind, one.lost, one.gained, one.n_options) == ("text", None, None, None)
    assert (one.nll_before, one.nll_after) == (2.0, 2.5)


def test_counts_rates_and_test_by_hand():
    changes = [change(True, True)] * 5 + [change(True, False)] * 6 + [change(False, True)] + [change(False, False)] * 8
    answers = summarise_retention(changes, SETTINGS)["answers"]
    assert (answers["n"], answers["before"]["estimate"], answers["after"]["estimate"]) == (20, 11 / 20, 6 / 20)
    assert (answers["lost"]["count"], answers["gained"]["count"]) == (6, 1)
    reference = scipy_stats.binomtest(6, 20).proportion_ci(method="wilson")
    assert (answers["lost"]["rate"]["low"], answers["lost"]["rate"]["high"]) == pytest.approx(tuple(reference))
    assert answers["mcnemar_p"] == pytest.approx(scipy_stats.binomtest(6, 7).pvalue)
    # free recall cannot be guessed: nothing to adjust
    assert answers["lost"]["rate_adjusted"] is None and answers["lost"]["rate_adjusted_harmon"] is None


def test_published_adjustment_by_hand():
    # n = 100 among K = 4: 1→1 50, 1→0 20, 0→1 12, 0→0 18; accuracies 0.70 and 0.62
    cells = {(True, True): 50, (True, False): 20, (False, True): 12, (False, False): 18}
    changes = [change(b, a, 4) for (b, a), n in cells.items() for _ in range(n)]
    answers = summarise_retention(changes, SETTINGS)["answers"]
    term = (1 - 0.70) * (1 - 0.62) / 3  # Harmon et al. 2025, released code: (1 − acc_before)(1 − acc_after) / (K − 1)
    assert answers["lost"]["rate_adjusted_harmon"] == pytest.approx(0.20 - term)
    assert answers["gained"]["rate_adjusted_harmon"] == pytest.approx(0.12 - term)
    assert answers["lost"]["rate_adjusted"]["estimate"] == pytest.approx(0.20 - 0.18 / 3)
    assert answers["gained"]["rate_adjusted"]["estimate"] == pytest.approx(0.12 - 0.18 / 3)


@pytest.mark.parametrize("sizes", [(4,), (2, 5)], ids=["four options", "two or five"])
def test_the_adjustment_finds_what_was_known_and_lost(sizes: tuple[int, ...]):
    rng = np.random.default_rng(0)
    changes, known_lost, known_gained, n = [], 0, 0, 20_000
    for i in range(n):
        k = sizes[i % len(sizes)]
        knew = rng.uniform() < 0.6
        knows = rng.uniform() < (0.9 if knew else 0.05)
        before, after = (bool(known or rng.uniform() < 1 / k) for known in (knew, knows))
        changes.append(change(before, after, k))
        known_lost += knew and not after
        known_gained += knows and not before
    answers = summarise_retention(changes, SETTINGS)["answers"]
    for name, truth in (("lost", known_lost / n), ("gained", known_gained / n)):
        adjusted = answers[name]["rate_adjusted"]
        assert adjusted["low"] <= truth <= adjusted["high"]
        # the raw rate counts luck, and the published term takes too little of it where knowledge is correlated
        assert truth < answers[name]["rate_adjusted_harmon"] < answers[name]["rate"]["low"]


def test_likelihoods_of_text_by_hand():
    result = summarise_retention([text(2.0, 2.5), text(1.0, 1.1), text(3.0, 2.9)], SETTINGS)
    assert result["answers"] is None and result["n"] == 3
    assert result["text"]["n"] == 3
    assert result["text"]["nll_before"]["estimate"] == pytest.approx(2.0)
    assert result["text"]["nll_change"]["estimate"] == pytest.approx(0.5 / 3)
    # a resampled mean cannot leave the range of the changes
    assert -0.1 - 1e-9 <= result["text"]["nll_change"]["low"] <= 0.5 / 3
    assert 0.5 / 3 <= result["text"]["nll_change"]["high"] <= 0.5 + 1e-9


def test_sources_are_told_apart_and_nothing_is_none():
    result = summarise_retention(iter([change(True, False, source="b"), change(True, True, source="a")]), SETTINGS)
    assert {name: part["answers"]["lost"]["count"] for name, part in result["by_source"].items()} == {"b": 1, "a": 0}
    assert summarise_retention([], SETTINGS) == {"n": 0, "answers": None, "text": None, "by_source": {}}


def test_what_a_model_says_in_its_own_words_it_can_do():
    wrong, right = score(recalled=False), score()
    assert compare(FREE, [wrong], [wrong], SETTINGS).lost is False
    assert compare(FREE, [wrong], [wrong], SETTINGS, (True, False)).lost is True
    assert compare(FREE, [wrong], [wrong], SETTINGS, (True, True)).lost is False
    assert compare(FREE, [right], [wrong], SETTINGS, (False, True)).lost is False
    # of options the preferred one is told, whatever is said freely
    assert compare(CHOICE, [score((-2.0, -1.0))], [score((-2.0, -1.0))], SETTINGS, (True, True)).before is False


def test_nothing_is_said_of_what_was_lost_where_nothing_was_known():
    unknown = summarise_retention([change(False, False)] * 4 + [change(False, True)], SETTINGS)["answers"]
    assert "none of the answers" in unknown["untold"] and unknown["gained"]["count"] == 1
    assert summarise_retention([change(True, False)], SETTINGS)["answers"]["untold"] is None

"""Corrected shares: closed forms of special cases, coverage by simulation, and what little there may be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from uptake.attribute import shares as module
from uptake.attribute.interventions import Outcome, speaks_for
from uptake.attribute.shares import NAMES, SPEECHES, SPOKEN_OF, Priors, counted, on_what, priors, shares, spoken_row
from uptake.causes import CAUSES
from uptake.evidence import Course

SURE = 1e9
"""Strength of a prior that nothing moves."""
ORDER = list(CAUSES)
GAP, BELIEF, _, LOST, SHORT = ORDER


def sure(rows: np.ndarray) -> np.ndarray:
    return SURE * rows + 1e-9


def known(named: np.ndarray | None = None, spoken: np.ndarray | None = None) -> Priors:
    """Names and interventions that are always right, where nothing else is given.

    A right intervention says something else of each cause; what its name is does not matter here.
    """
    right_names = np.eye(len(CAUSES), len(NAMES))
    right_speech = np.eye(len(SPEECHES))[[0, 1, 2, 3, 4, 2]]
    return Priors(sure(right_names if named is None else named), sure(right_speech if spoken is None else spoken), {})


ANYTHING = np.full((len(SPOKEN_OF), len(SPEECHES)), 1 / len(SPEECHES))
ANY_NAME = np.full((len(CAUSES), len(NAMES)), 1 / len(NAMES))


def test_names_that_are_always_right_are_the_shares() -> None:
    names = [GAP] * 6 + [LOST] * 3 + [SHORT]
    found = shares(names, [(), *[None] * 9], known(spoken=ANYTHING))
    assert found is not None
    assert {cause: one.estimate for cause, one in found.items()} == pytest.approx(
        {GAP: 0.6, BELIEF: 0, "data_conflict": 0, LOST: 0.3, SHORT: 0.1}
    )
    assert all(one.low == one.high for one in found.values())
    assert {one.n for one in found.values()} == {10}


def test_interventions_alone_give_the_posterior_of_a_finite_population() -> None:
    """Names say nothing, interventions all: 12 of 20 sampled have the first cause, 8 the second, of 60.

    By Bayes with Dirichlet(½, ½, ½, ½, ½) the other 40 are Dirichlet-multinomial: of the first cause beta-binomial with
    a = 12 + ½, b = 8 + 4 · ½.
    """
    speeches = [SPEECHES[0]] * 12 + [SPEECHES[1]] * 8 + [None] * 40
    found = shares(["unexplained"] * 60, speeches, known(named=ANY_NAME))
    assert found is not None
    rest = betabinom(40, 12.5, 10)
    assert found[GAP].estimate == pytest.approx((12 + rest.mean()) / 60, abs=0.005)
    assert found[GAP].low == pytest.approx((12 + rest.ppf(0.025)) / 60, abs=0.02)
    assert found[GAP].high == pytest.approx((12 + rest.ppf(0.975)) / 60, abs=0.02)


def test_two_classes_are_corrected_as_rogan_and_gladen_do() -> None:
    """Rogan and Gladen 1978: (p + specificity - 1) / (sensitivity + specificity - 1), here (0.5 + 0.8 - 1) / 0.7.

    Sensitivity 0.9 and specificity 0.8 are known. Of 200 examples 100 are named forgotten, and what the one
    intervention says tells nothing.
    """
    named = np.eye(len(CAUSES), len(NAMES))
    lost, short = ORDER.index(LOST), ORDER.index(SHORT)
    named[lost, [lost, short]] = 0.9, 0.1
    named[short, [lost, short]] = 0.2, 0.8
    found = shares([LOST] * 100 + [SHORT] * 100, [(), *[None] * 199], known(named, ANYTHING))
    assert found is not None
    assert found[LOST].estimate == pytest.approx(0.3 / 0.7, abs=0.015)
    # by the delta method its standard error is that of p, sqrt(0.25 / 200) / 0.7 = 0.0505, less what is finite
    assert 0.04 < found[LOST].high - found[LOST].estimate < 2.2 * 0.0505
    assert found[GAP].high == 0


def test_the_draw_by_names_does_not_bias() -> None:
    """Nine of ten are named forgotten, half of the sample; the sampled of either name are what they are named."""
    names = [LOST] * 90 + [SHORT] * 10
    speeches = [SPEECHES[3]] * 10 + [None] * 80 + [SPEECHES[4]] * 10
    even = Priors(np.full((len(CAUSES), len(NAMES)), 1.0), known().spoken, {})
    found = shares(names, speeches, even)
    assert found is not None
    assert found[LOST].estimate == pytest.approx(0.85, abs=0.06)  # and not 0.5, which the sample is


def test_a_missed_contradiction_speaks_otherwise() -> None:
    """Only of an example that is named a contradiction do its rivals tell."""
    rows = {(name, cause): SPOKEN_OF[spoken_row(name, cause)] for name in NAMES for cause in CAUSES}
    assert rows["data_conflict", "data_conflict"] == "data_conflict"
    assert rows[GAP, "data_conflict"] == rows["unexplained", "data_conflict"] == "data_conflict named otherwise"
    assert all(row == cause for (_, cause), row in rows.items() if cause != "data_conflict")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer chains and steps, where the third digit does not matter."""
    for name, value in {"CHAINS": 8, "BURN_IN": 80, "KEPT": 60}.items():
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("quick")
def test_intervals_hold_what_is_drawn_from_the_model() -> None:
    """25 runs drawn from the priors that come with uptake: of 125 intervals of 95 % nine of ten hold, or more.

    119 are expected to hold; of independent intervals fewer than 113 hold once in a hundred such tests.
    """
    rng, held = np.random.default_rng(1), 0
    for run in range(25):
        causes, names, speeches = drawn(rng, 90, 30)
        found = shares(names, speeches, priors(), seed=run)
        assert found is not None
        truth = {cause: causes.count(cause) / 90 for cause in CAUSES}
        held += sum(one.low - 1e-9 <= truth[cause] <= one.high + 1e-9 for cause, one in found.items())
    assert held >= 113


def drawn(rng: np.random.Generator, n: int, sampled: int) -> tuple[list[str], list[str], list[tuple[str, ...] | None]]:
    """True causes, names and what interventions say, of which those at the front of each name are sampled."""
    own = priors()
    named, spoken = (np.array([rng.dirichlet(row) for row in rows]) for rows in (own.named, own.spoken))
    causes = [ORDER[k] for k in rng.choice(5, size=n, p=rng.dirichlet(np.full(5, 0.5)))]
    names = [NAMES[rng.choice(len(NAMES), p=named[ORDER.index(cause)])] for cause in causes]
    turn = [names[:position].count(name) for position, name in enumerate(names)]
    chosen = set(sorted(range(n), key=lambda position: turn[position])[:sampled])
    speeches = [
        SPEECHES[rng.choice(len(SPEECHES), p=spoken[spoken_row(name, cause)])] if position in chosen else None
        for position, (name, cause) in enumerate(zip(names, causes, strict=True))
    ]
    return causes, names, speeches


@pytest.mark.usefixtures("quick")
def test_the_same_seed_gives_the_same_numbers_and_many_examples_are_no_harder() -> None:
    names, speeches = [GAP, LOST, SHORT] * 20_000, [SPEECHES[4], SPEECHES[2], SPEECHES[5]] * 5 + [None] * 59_985
    first, again = (shares(names, speeches, priors(), seed=3) for _ in range(2))
    assert first is not None and first == again
    assert sum(one.estimate for one in first.values()) == pytest.approx(1)
    assert first != shares(names, speeches, priors(), seed=4)


@pytest.mark.usefixtures("quick")
def test_what_little_there_may_be() -> None:
    assert shares([], [], priors()) is None
    assert shares([GAP], [None], priors()) is None
    one = shares([GAP], [SPEECHES[4]], priors())
    assert one is not None and all((each.low, each.n) == (0, 1) for each in one.values())
    assert one[GAP].estimate > one[LOST].estimate
    same = shares(["unexplained"] * 5, [()] * 5, priors())
    assert same is not None and max(each.high - each.low for each in same.values()) > 0.5


@pytest.mark.usefixtures("quick")
def test_without_what_is_known_of_the_names_intervals_are_wider() -> None:
    names, speeches = [LOST] * 20 + [SHORT] * 20, [SPEECHES[2]] * 3 + [None] * 34 + [SPEECHES[5]] * 3
    width = [
        one[LOST].high - one[LOST].low
        for which in (priors(), priors().without_names())
        if (one := shares(names, speeches, which)) is not None
    ]
    assert width[0] < width[1]


def test_the_classes_are_those_that_interventions_say() -> None:
    """All that `speaks_for` may answer, by every combination of two passes under four treatments."""
    courses = [
        Course((a, b), (c, d)) for a in (True, False) for b in (True, False) for c in (None, True) for d in (None, True)
    ]
    said = {
        speaks_for(Outcome("a", "main", GAP, {"control": one, "more_steps": two, "without_rivals": three})).causes
        for one in courses
        for two in courses
        for three in courses
    }
    assert said == set(SPEECHES)


def test_counted_by_name_and_speech() -> None:
    counts = counted([GAP, GAP, "unexplained"], [(), None, (LOST,)])
    assert counts.sum() == 3
    assert counts[0, 0] == counts[0, -1] == counts[5, SPEECHES.index((LOST,))] == 1


def test_the_priors_that_come_with_uptake_trust_names_and_interventions_more_than_chance() -> None:
    own = priors()
    assert own.named.argmax(axis=1).tolist() == list(range(len(CAUSES)))
    assert module.read_priors(module.PATH).as_data() == own.as_data()
    likeliest = [SPEECHES[k] for k in own.spoken.argmax(axis=1)]
    assert all(cause in likeliest[ORDER.index(cause)] for cause in CAUSES)
    assert set(own.fitted_on) >= {"synthetic", "facts"}


def test_readers_are_told_what_it_rests_on() -> None:
    assert on_what(1234, 60).startswith(
        "Corrected: the true share of each cause among all 1,234, estimated from the interventions on 60 of them."
    )

"""From scores to a named cause, the published cascade, and what is told of all of it, against hand counts."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest
from scipy.spatial.distance import jensenshannon

from evidence_made import evidence
from planted_cases import PLAIN, PLANTED
from uptake.attribute import UNEXPLAINED, Telling, attribute, attributed, cascade, strongest, together
from uptake.attribute.cascade import jensen_shannon
from uptake.causes import CAUSES, Belief, Said, weights
from uptake.types import Finding

NONE = dict.fromkeys(CAUSES, 0.0)


def finding(id_="ex-1", learned=False):
    return Finding(
        id=id_, source="s", stage="main", prompt="p", response="r", learned=learned, shallow=None, forgotten=None,
        p_response=0.1, p_option=None, cause=None, causes={}, evidence=evidence(),
    )  # fmt: skip


def test_undertraining_holds_where_no_other_does():
    scores = together({**NONE, "knowledge_gap": 0.5, "forgetting": 0.2, "undertraining": 0.9})
    assert scores["undertraining"] == pytest.approx(0.9 * 0.5 * 0.8)
    assert scores["knowledge_gap"] == 0.5
    untold = together({**NONE, "base_conflict": None, "undertraining": None, "forgetting": 0.4})
    assert untold["base_conflict"] is untold["undertraining"] is None


def test_one_is_named_where_some_cause_is_likelier_than_none():
    assert strongest({**NONE, "forgetting": 0.5}) == "forgetting"
    assert strongest({**NONE, "forgetting": 0.49}) == UNEXPLAINED
    # 1 - 0.6 * 0.7 = 0.58
    assert strongest({**NONE, "knowledge_gap": 0.3, "base_conflict": 0.4}) == "base_conflict"
    assert strongest({**NONE, "knowledge_gap": 0.2, "base_conflict": 0.3}) == UNEXPLAINED  # 1 - 0.8 * 0.7 = 0.44
    assert strongest(dict.fromkeys(CAUSES)) == UNEXPLAINED


def test_what_was_observed_goes_before_what_is_inferred():
    both = {**NONE, "knowledge_gap": 0.97, "forgetting": 0.92}
    assert strongest(both) == "knowledge_gap"
    assert strongest(both, {"lost_unseen": 0.5, "rival": 0.0}) == "forgetting"
    assert strongest(both, {"lost_unseen": 0.0, "rival": None}) == "knowledge_gap"  # inferred without a ledger
    assert strongest({**NONE, "base_conflict": 0.99, "data_conflict": 0.49}, {"rival": 0.9}) == "base_conflict"
    assert (
        strongest({**NONE, "data_conflict": 0.7, "forgetting": 0.6}, {"rival": 1.0, "lost_unseen": 1.0})
        == "data_conflict"
    )


def test_a_finding_gets_scores_evidence_and_signals():
    case = PLANTED["base_conflict"]
    found = attributed(finding(), case, "evidence")
    assert found.cause == "base_conflict"
    assert found.causes == attribute(case).scores
    assert found.evidence.n_tokens == 1
    assert found.evidence.causes["base_conflict"].sentence.startswith("The base model answers *Lima*")
    assert found.evidence.signals["base_recalled"] == 0
    published = attributed(finding(), case, "ilp")
    assert published.causes == {**NONE, published.cause: 1.0}
    assert set(published.evidence.causes) == {published.cause}


SURE = Said(log(0.9))


@pytest.mark.parametrize(
    ("cause", "changed"),
    [
        # I: accuracy (2e-4 + 1e-4 + 3e-4) / 3 <= 0.8, pass@10 2e-4 < 0.2; best of 5: the response is never the surest
        (
            "knowledge_gap",
            {**{n: getattr(PLANTED["knowledge_gap"], n) for n in ("base",)}, "base_options": (0.001, 0.999)},
        ),
        # I does not hold where the base knows it; II: 0.9 > 0.8, and the candidates' distributions differ by > 0.3 bits
        (
            "base_conflict",
            {"belief": Belief("x", SURE, SURE), "base_options": (0.02, 0.98), "tuned_options": (0.98, 0.02)},
        ),
        ("data_conflict", {"rival": replace(PLANTED["data_conflict"].rival, similarity=0.86)}),
        ("undertraining", {"rival": replace(PLANTED["data_conflict"].rival, similarity=0.84)}),
        # IV: from 0.50 to 0.47 is a fall by 6 %, to 0.48 by 4 %
        ("forgetting", {"curve": replace(PLAIN.curve, earlier=0.5, latest=0.47)}),
        ("undertraining", {"curve": replace(PLAIN.curve, earlier=0.5, latest=0.48)}),
        ("undertraining", {"curve": None, "base": None, "base_options": ()}),
    ],
)
def test_the_cascade_step_by_step(cause, changed):
    step = cascade(replace(PLAIN, **changed))
    assert step.cause == cause
    assert any(char.isdigit() for char in step.sentence)


def test_the_first_step_swallows_the_second():
    case = replace(PLANTED["base_conflict"], base_options=(0.001, 0.999), tuned_options=(0.9, 0.1))
    assert cascade(case).cause == "knowledge_gap"


@pytest.mark.parametrize(
    ("p", "q"), [((1.0, 0.0), (0.0, 1.0)), ((0.5, 0.5), (0.5, 0.5)), ((0.7, 0.2, 0.1), (0.1, 0.3, 0.6))]
)
def test_divergence_is_that_of_scipy(p, q):
    # scipy gives its square root
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-12)


def test_shares_with_intervals_and_the_most_telling():
    telling = Telling("evidence")
    passed = [attributed(finding(f"f-{n}"), PLANTED["forgetting"], "evidence") for n in range(5)]
    passed += [attributed(finding("gap"), PLANTED["knowledge_gap"], "evidence"), finding("fine", learned=True)]
    passed += [attributed(finding("why"), PLAIN, "evidence")]
    assert list(telling.noting(passed)) == passed
    told = telling.summary()
    assert (told["n"], told["causes"]["forgetting"]["count"], told["unexplained"]["count"]) == (7, 5, 1)
    # scipy.stats.binomtest(5, 7).proportion_ci(method="wilson")
    rate = told["causes"]["forgetting"]["rate"]
    assert (rate["low"], rate["high"]) == pytest.approx((0.358934, 0.917780), abs=1e-5)
    assert [one["id"] for one in told["causes"]["forgetting"]["telling"]] == ["f-0", "f-1", "f-2"]
    assert told["causes"]["data_conflict"] | {"rate": None} == {
        "count": 0, "rate": None, "holds": 0, "untold": 0, "telling": []
    }  # fmt: skip
    assert telling.notes() == []


def test_what_cannot_be_told_is_noted_once_for_each_cause():
    telling = Telling("evidence")
    case = replace(
        PLAIN, base=None, base_recalled=None, missing={"base": "no base (--base)", "belief": "no base (--base)"}
    )
    list(telling.noting([attributed(finding(f"f-{n}"), case, "evidence") for n in range(3)]))
    assert telling.notes() == [
        "base_conflict of 3 of 3 unlearned examples cannot be judged: no base (--base)",
        "knowledge_gap of 3 of 3 unlearned examples cannot be judged: no base (--base)",
        "undertraining of 3 of 3 unlearned examples cannot be judged: it holds only if knowledge_gap does not, and "
        "that cannot be judged",
    ]
    assert telling.summary()["causes"]["knowledge_gap"]["untold"] == 3


def test_responses_longer_than_any_that_was_fitted_are_noted():
    telling = Telling("evidence")
    known = weights().fitted_on.longest_response
    lengths = (known, known + 1, 500)
    each = [replace(finding(f"f-{n}"), evidence=evidence(n_tokens=n)) for n in lengths]
    list(telling.noting([attributed(one, PLANTED["forgetting"], "evidence") for one in each]))
    (note,) = telling.notes()
    assert note.startswith(f"the response of 2 of 3 unlearned examples has more than {known} tokens")


def test_nothing_unlearned_has_no_shares():
    told = Telling("evidence").summary()
    assert told["unexplained"] == {"count": None, "rate": None}

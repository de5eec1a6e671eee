"""Properties of a draw: balance, equal chances, rivals together, independence of the order."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from evidence_made import contradicted, evidence
from uptake.errors import UptakeError
from uptake.types import Finding
from uptake.verify import Assigned, assign, assign_to_remedies


def finding(id: str, cause: str | None = "knowledge_gap", source: str = "a", stage: str = "main", rivals=()) -> Finding:
    found = evidence(causes=contradicted(rivals) if rivals else {})
    return Finding(id, source, stage, "p", " r", cause is None, None, None, 0.1, None, found, cause)


def arms_of(assigned: tuple[Assigned, ...]) -> dict[str, str]:
    return {one.id: one.arm for one in assigned}


def test_arms_are_even_in_every_cause_and_source():
    causes = ("knowledge_gap", "forgetting", "base_conflict")
    findings = [finding(f"{c}{s}{n}", c, s) for c in causes for s in "xyz" for n in range(7)]
    assigned = assign(findings, ("matched", "placebo", "nothing"), seed=3)
    assert len(assigned) == 63
    strata = Counter((one.cause, one.source, one.arm) for one in assigned)
    for cause in causes:
        for source in "xyz":
            counts = [strata[cause, source, arm] for arm in ("matched", "placebo", "nothing")]
            assert sorted(counts) == [2, 2, 3]
        # what is left over of each source goes where its cause has fewest: 21 items are 7, 7, 7
        assert {sum(strata[cause, s, arm] for s in "xyz") for arm in ("matched", "placebo", "nothing")} == {7}


def test_what_is_learned_or_has_no_cause_is_left_out():
    unexplained = Finding("u", "a", "main", "p", " r", False, None, None, 0.1, None, evidence())
    assigned = assign([finding("a"), finding("b"), finding("l", None), unexplained], ("one", "two"), seed=0)
    assert [one.id for one in assigned] == ["a", "b"]


def test_rivals_are_one_unit_also_through_one_that_is_learned():
    # a and b both contradict r, which was learned; c and d contradict each other; e is alone
    findings = [
        finding("a", "data_conflict", rivals=["r"]), finding("b", "data_conflict", rivals=["r"]), finding("r", None),
        finding("c", "data_conflict", rivals=["d"]), finding("d", "data_conflict", rivals=["c"]),
        finding("e", "data_conflict"),
    ]  # fmt: skip
    for seed in range(20):
        assigned = assign(findings, ("one", "two"), seed)
        arms, units = arms_of(assigned), {one.id: one.unit for one in assigned}
        assert arms["a"] == arms["b"] and arms["c"] == arms["d"] and arms["a"] != arms["c"]
        assert units["a"] == units["b"] == "a (main)" and units["c"] == units["d"] and units["e"] == "e (main)"


def test_each_item_is_as_likely_to_come_into_one_arm_as_into_another():
    # a pair of rivals and three single items: 300 draws into three arms
    findings = [finding("a", rivals=["b"]), finding("b"), *(finding(name) for name in "cde")]
    counts = {name: Counter() for name in "abcde"}
    for seed in range(300):
        for id, arm in arms_of(assign(findings, ("x", "y", "z"), seed)).items():
            counts[id][arm] += 1
    for counter in counts.values():
        # three standard deviations of a binomial share of 300 with p = 1/3 are 0.082
        assert all(abs(counter[arm] / 300 - 1 / 3) < 0.085 for arm in "xyz")


def test_the_draw_depends_on_the_seed_and_not_on_the_order():
    findings = [finding(str(n), source=str(n % 3)) for n in range(50)]
    backwards = list(np.random.default_rng(0).permutation(np.array(findings, dtype=object)))
    assert assign(findings, ("x", "y"), 1) == assign(backwards, ("x", "y"), 1)
    assert assign(findings, ("x", "y"), 1) != assign(findings, ("x", "y"), 2)


def test_an_id_in_two_stages_is_one_unit():
    assigned = assign([finding("a", stage="early"), finding("a"), finding("b")], ("x", "y"), 0)
    assert [(one.stage, one.unit) for one in assigned if one.id == "a"] == [
        ("early", "a (early)"),
        ("main", "a (early)"),
    ]
    assert len({one.arm for one in assigned if one.id == "a"}) == 1


@pytest.mark.parametrize("arms", [(), ("one",), ("one", "one")])
def test_arms_are_two_or_more_and_told_apart(arms: tuple[str, ...]):
    with pytest.raises(UptakeError, match="the arms are"):
        assign([finding("a")], arms, 0)


REMEDIES = {
    "knowledge_gap": "knowledge",
    "forgetting": "replay",
    "base_conflict": "belief",
    "data_conflict": "conflict",
}


def test_half_of_each_cause_gets_its_own_remedy_and_the_rest_the_others():
    findings = [finding(f"{cause}{n}", cause) for cause in REMEDIES for n in range(24)]
    for seed in range(5):
        assigned = assign_to_remedies(findings, REMEDIES, seed)
        counts = Counter((one.cause, one.arm) for one in assigned)
        for cause, own in REMEDIES.items():
            # 24 items: 12 to its own, the other 12 to three others
            assert {arm: counts[cause, arm] for arm in REMEDIES.values()} == {
                arm: 12 if arm == own else 4 for arm in REMEDIES.values()
            }
        assert assigned == assign_to_remedies(findings[::-1], REMEDIES, seed)
    assert assigned != assign_to_remedies(findings, REMEDIES, 9)


def test_rivals_of_two_causes_stay_one_unit_among_the_remedies():
    # each pair contradicts itself, and one of it has another cause: of the other half both get one remedy
    findings = [
        one
        for n in range(12)
        for one in (finding(f"a{n}", "data_conflict", rivals=[f"b{n}"]), finding(f"b{n}", "base_conflict"))
    ]
    assigned = {one.id: one for one in assign_to_remedies(findings, REMEDIES, 1)}
    pairs = [(assigned[f"a{n}"], assigned[f"b{n}"]) for n in range(12)]
    assert all(a.unit == b.unit == f"{a.id} (main)" for a, b in pairs)
    own = [(a, b) for a, b in pairs if (a.arm, b.arm) == ("conflict", "belief")]
    assert len(own) == 6
    assert all(a.arm == b.arm for a, b in pairs if (a, b) not in own)

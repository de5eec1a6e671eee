"""Two diagnoses side by side: counts by hand, tests by scipy, the chance adjustment by the formula of its docstring."""

from __future__ import annotations

import pytest
from findings import finding, several
from scipy import stats as scipy_stats

from uptake.compare import difference, match, unlike
from uptake.errors import UptakeError
from uptake.evidence import AmongOptions


def test_examples_are_matched_by_id_and_stage_and_only_if_they_are_the_same():
    before = [finding("a", True), finding("b", True), finding("c", True), finding("e", True, stage="early")]
    after = [
        finding("a", False), finding("b", True, response=" another"), finding("d", True),
        finding("e", True, stage="main"), finding("c", True, prompt="Another question?"),
    ]  # fmt: skip
    pairs = match(before, after)
    assert [(old.id, old.learned, new.learned) for old, new in pairs.both] == [("a", True, False)]
    assert pairs.differing == (("b", "main"), ("c", "main"))
    assert pairs.only_before == (("e", "early"),)
    assert pairs.only_after == (("d", "main"), ("e", "main"))


def test_prompt_and_response_are_told_apart_where_they_join():
    with pytest.raises(UptakeError, match="1 id in common and no example"):
        match([finding("a", True, prompt="xy", response="z")], [finding("a", True, prompt="x", response="yz")])


def test_an_id_that_is_twice_in_a_stage_is_refused():
    with pytest.raises(UptakeError, match="has the id 'a' twice"):
        match([finding("a", True), finding("a", False)], [finding("a", True)])


def test_counts_rates_and_p_values():
    # 50 kept, 11 lost, 2 gained, 37 never: McNemar's exact test by the binomial one
    before = several([(61, True), (39, False)])
    after = several([(50, True), (11, False), (2, True), (37, False)])
    found = difference(match(before, after))["learned"]
    assert (found["n"], found["lost"]["count"], found["gained"]["count"]) == (100, 11, 2)
    assert found["before"]["estimate"] == 0.61 and found["after"]["estimate"] == 0.52
    assert found["change"]["estimate"] == pytest.approx(-0.09)
    assert found["p"] == pytest.approx(scipy_stats.binomtest(2, 13).pvalue)
    assert found["lost"]["rate_adjusted"] is None  # recall of a free response has no 1/K


def test_sources_and_stages_are_adjusted_by_holm():
    # source x: 8 lost, 0 gained; y: 4 lost; z: nothing. Two-sided exact p: 2/2⁸, 2/2⁴, 1; Holm: times 3, 2, 1
    before, after = [], []
    for source, lost in (("x", 8), ("y", 4), ("z", 0)):
        before += several([(20, True)], source=source, prefix=source)
        after += several([(lost, False), (20 - lost, True)], source=source, prefix=source)
    found = difference(match(before, after))["learned"]
    holm = {name: part["p_holm"] for name, part in found["by_source"].items()}
    assert holm == pytest.approx({"x": 3 * 2 / 256, "y": 2 * 2 / 16, "z": 1.0})
    assert list(found["by_stage"]) == ["main"]


def test_lucky_guesses_among_options_are_subtracted():
    # 4 options, 30 lost, 60 wrong in both: 60 / 3 = 20 of the lost were lucky, in expectation; (30 − 20) / 200
    options = {"evidence": {"criterion": "option", "options": AmongOptions(4, False, "sum")}}
    before = several([(80, True), (30, True), (30, False), (60, False)], **options)
    after = several([(80, True), (30, False), (30, True), (60, False)], **options)
    found = difference(match(before, after))["learned"]
    assert found["lost"]["rate_adjusted"]["estimate"] == pytest.approx(0.05)
    assert found["gained"]["rate_adjusted"]["estimate"] == pytest.approx(0.05)
    assert found["p"] == 1.0


def test_shallow_and_forgotten_are_compared_where_both_know():
    before = [finding("a", True), finding("b", True, shallow=None), finding("c", True, forgotten=None)]
    after = [finding("a", True, shallow=True), finding("b", True), finding("c", False)]
    found = difference(match(before, after))
    assert (found["not_shallow"]["n"], found["not_shallow"]["lost"]["count"]) == (1, 1)
    assert found["not_forgotten"]["n"] == 2


def test_newly_learned_newly_lost_and_changed_cause():
    before = [finding("a", True), finding("b", False), finding("c", False), finding("d", False), finding("e", True)]
    after = [
        finding("a", False, cause="forgetting"), finding("b", True), finding("c", False, cause="knowledge_gap"),
        finding("d", False), finding("e", True),
    ]  # fmt: skip
    found = difference(match(before, after))
    told = {key: [(one["id"], one["before"], one["after"]) for one in found[key]]
            for key in ("newly_learned", "newly_lost", "changed_cause")}  # fmt: skip
    assert told == {
        "newly_learned": [("b", "undertraining", "learned")],
        "newly_lost": [("a", "learned", "forgetting")],
        "changed_cause": [("c", "undertraining", "knowledge_gap")],
    }
    assert {(one["before"], one["after"]): one["n"] for one in found["causes"]} == {
        ("learned", "forgetting"): 1, ("undertraining", "learned"): 1,
        ("undertraining", "knowledge_gap"): 1, ("undertraining", "undertraining"): 1,
    }  # fmt: skip


def test_without_attribution_no_cause_has_changed():
    found = difference(match([finding("a", False)], [finding("a", False, cause=None)]))
    assert found["causes"] is None and found["changed_cause"] is None


def test_diagnoses_that_were_judged_otherwise_are_told():
    def summary(end: bool, criterion: str, base: str, tuned: str) -> dict:
        models = {"base": {"fingerprint": base}, "tuned": {"fingerprint": tuned}}
        return {"rule": {"end": end}, "run": {"settings": {"criterion": criterion}, "models": models}}

    assert unlike(summary(True, "auto", "b", "t"), summary(True, "auto", "b", "u")) == []
    notes = unlike(summary(False, "auto", "b", "t"), summary(True, "option", "c", "t"))
    assert [note.split(" ")[0] for note in notes] == ["the", "criterion", "the", "both"]

"""Counts by hand, intervals by scipy."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from planted import score
from scipy import stats as scipy_stats

from evidence_made import base_was, evidence
from uptake.detect import Settings, calibrate, judge, summarise
from uptake.types import Example, Finding, Score

SETTINGS = Settings()
NO_NULL = calibrate([], None, None, SETTINGS)


def finding(learned: bool, *, shallow: bool | None = None, forgotten: bool | None = None, **given: object) -> Finding:
    parts = {"source": "s", "stage": "main", "cause": None} | given
    return Finding("x", prompt="", response="r", learned=learned, shallow=shallow, forgotten=forgotten, p_response=0.5,
                   p_option=None, evidence=evidence(), **parts)  # fmt: skip


def test_counts_and_intervals():
    findings = [
        finding(True, shallow=True, forgotten=False),
        finding(True, shallow=False, forgotten=False),
        finding(True, shallow=None),
        finding(False, shallow=False, forgotten=True, source="t", stage="late", cause="forgetting"),
        finding(False, source="t", cause="undertraining"),
    ]
    summary = summarise(iter(findings), NO_NULL, SETTINGS)
    assert (summary["n"], summary["learned"]["count"]) == (5, 3)
    reference = scipy_stats.binomtest(3, 5).proportion_ci(method="wilson")
    rate = summary["learned"]["rate"]
    assert (rate["low"], rate["high"]) == pytest.approx(tuple(reference))
    # shallow: of the learned with held-out wordings; forgotten: of those with an earlier checkpoint
    assert (summary["shallow"]["count"], summary["shallow"]["rate"]["n"]) == (1, 2)
    assert (summary["forgotten"]["count"], summary["forgotten"]["rate"]["n"]) == (1, 3)
    assert {name: part["learned"]["count"] for name, part in summary["by_source"].items()} == {"s": 3, "t": 0}
    assert {name: part["n"] for name, part in summary["by_stage"].items()} == {"main": 4, "late": 1}
    # causes: of the unlearned
    assert summary["by_cause"]["forgetting"]["rate"]["estimate"] == 1 / 2
    assert json.loads(json.dumps(summary)) == summary


def test_what_is_unknown_is_none():
    summary = summarise([finding(True)], NO_NULL, SETTINGS)
    unknown = {"count": None, "rate": None}
    assert summary["shallow"] == unknown and summary["forgotten"] == unknown
    assert summary["null"] is None
    assert any("no held-out examples" in note for note in summary["notes"])
    assert summarise([], NO_NULL, SETTINGS)["learned"] == unknown


def test_a_base_that_knows_more_of_the_training_examples_than_the_tuned_model_is_asked_about():
    def of(base: bool, tuned: bool) -> Finding:
        one = finding(tuned, forgotten=base and not tuned)
        return replace(one, evidence=evidence(compared=base_was(base, tuned)))

    # Wilson's intervals of 20 and 2 of 20 are apart, those of 10 and 8 are not
    swapped = summarise([of(True, k < 2) for k in range(20)], NO_NULL, SETTINGS)["notes"][-1]
    assert swapped.startswith("of the training examples the base answers 20 and the tuned model only 2: are --base")
    for base, tuned in ((10, 8), (2, 20)):
        notes = summarise([of(k < base, k < tuned) for k in range(20)], NO_NULL, SETTINGS)["notes"]
        assert not any("--base and --tuned" in note for note in notes)


def test_none_learned_has_no_share_of_false_learned():
    calibration = calibrate([], [[score()]] * 60, "held_out", SETTINGS)
    null = summarise([finding(False)], calibration, SETTINGS)["null"]
    assert null["false_learned"] is None
    assert null["moved_at_least"] is None and null["moved_reason"].startswith("only 0 of them fail")
    null = summarise([finding(True)], calibration, SETTINGS)["null"]
    assert null["moved_reason"] == "no example is flagged"
    assert null["false_learned"]["estimate"] == 1.0  # all of the null passes: 1 · 1 / 1


def test_the_base_as_null_is_said_to_be_a_makeshift():
    base = [[score((-1.0 - i / 10,), recalled=False)] for i in range(60)]
    calibration = calibrate([], base, "base", SETTINGS)
    summary = summarise([finding(True)], calibration, SETTINGS)
    assert summary["null"]["kind"] == "base"
    assert any("never learned the format" in note for note in summary["notes"])


def test_none_learned_asks_whether_it_is_the_right_data():
    asked = [any("the chat template that" in note for note in summarise([finding(learned)], NO_NULL, SETTINGS)["notes"])
             for learned in (False, True)]  # fmt: skip
    assert asked == [True, False]


def test_a_response_that_is_only_not_ended_is_not_set_against_a_base_that_was_never_asked_for_an_end():
    ends, goes_on, fails = ((-0.1, True), True), ((-5.0, False), True), ((-5.0, False), False)
    tuned = [[score((-0.5,), end=end, recalled=recalled)] for end, recalled in (ends, ends, goes_on, fails)]
    base = [[score((-4.0 - i / 60,), recalled=False)] for i in range(60)]
    for kind, flagged in (("base", 1), ("held_out", 2)):
        calibration = calibrate(tuned, base, kind, SETTINGS)
        found = [judge(Example("x", "Q", " a", "s"), one, base[0], calibration, SETTINGS) for one in tuned]
        assert [one.learned for one in found] == [True, True, False, False]
        assert summarise(found, calibration, SETTINGS)["null"]["moved_at_least"]["n"] == flagged


def test_fallbacks_and_thresholds_are_told():
    long = Example("x", "Q", " a", "s")
    tuned: list[list[Score]] = [[score((-1.0,), n_tokens=40)], [score((-1.0, -2.0), n_tokens=40)]]
    findings = [judge(long, scores, None, NO_NULL, SETTINGS) for scores in tuned]
    summary = summarise(findings, NO_NULL, SETTINGS)
    assert summary["criteria"] == {"recall": 1, "option": 1}
    assert any(note.startswith("1 example was judged by recall") for note in summary["notes"])
    assert any(note.startswith("option threshold 0.5") for note in summary["notes"])


def test_better_than_unseen_is_benjamini_hochberg_over_conformal_p_values():
    rng = np.random.default_rng(0)
    null = rng.normal(-5, 1, size=200)
    values = np.concatenate([rng.normal(-1, 1, size=30), rng.normal(-5, 1, size=70)])
    calibration = calibrate([], [[score((v,), n_tokens=1)] for v in null], "held_out", SETTINGS)
    example = Example("x", "Q", " a", "s")
    findings = [judge(example, [score((v,), n_tokens=1)], None, calibration, SETTINGS) for v in values]
    p = [(1 + np.sum(null >= v)) / 201 for v in values]
    reference = int(np.sum(scipy_stats.false_discovery_control(p) <= 0.05))
    assert summarise(findings, calibration, SETTINGS)["null"]["better_than_unseen"]["count"] == reference > 0

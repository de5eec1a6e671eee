"""The gate: limits by Wilson's interval, regressions by McNemar's test, and what it writes for machines and people."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from findings import finding, several
from scipy import stats as scipy_stats

from files_made import comparison, run_section, summary_of, verdict_of
from uptake.artifacts.checked import fitting
from uptake.artifacts.schemas.later import VERDICT, VerdictData
from uptake.compare import check_effect, check_limits, check_regressions, effect_of, junit, markdown, match
from uptake.config import Gate, Limits
from uptake.errors import UptakeError

HOSTILE = 'a|b`<script>alert(1)</script>&amp; @you #1 www.x.org [x](y) \x1b[31m \u202e\x00\ufffe "quoted" ]]>'


def read(verdict: dict[str, Any]) -> VerdictData:
    """A verdict as it is read back."""
    return fitting(json.dumps(verdict), VERDICT)[1]


def test_a_limit_fails_when_the_whole_interval_lies_above_it():
    # 20 of 100: Wilson's 95 % interval by scipy; the limit just above and just below its lower end
    summary = summary_of(several([(80, True), (20, False)]))
    low = scipy_stats.binomtest(20, 100).proportion_ci(0.95, method="wilson").low
    for limit, passed in ((low - 1e-6, False), (low + 1e-6, True)):
        (check,) = check_limits(summary, Gate(max_unlearned=limit))
        assert check.passed == passed
        assert check.observed.low == pytest.approx(low)
    (check,) = check_limits(summary, Gate(max_unlearned=0.199, fail_when="estimate"))
    assert not check.passed and check.observed.estimate == pytest.approx(0.2)


def test_several_limits_hold_together():
    # with m limits each has the level 1 − 0.05 / m (Bonferroni)
    summary = summary_of(several([(80, True), (20, False)]))
    gate = Gate(max_unlearned=0.5, max_forgotten=0.5, max_shallow=0.5, sources={"a": Limits(max_unlearned=0.5)})
    checks = check_limits(summary, gate)
    assert [(one.name, one.source) for one in checks] == [
        ("max_unlearned", None), ("max_forgotten", None), ("max_shallow", None), ("max_unlearned", "a"),
    ]  # fmt: skip
    reference = scipy_stats.binomtest(20, 100).proportion_ci(1 - 0.05 / 4, method="wilson")
    assert (checks[0].observed.low, checks[0].observed.high) == (
        pytest.approx(reference.low), pytest.approx(reference.high),
    )  # fmt: skip


def test_a_source_that_is_not_there_is_an_error_and_a_rate_that_was_not_measured_fails():
    summary = summary_of(several([(10, True)], forgotten=None, source="support"))
    with pytest.raises(UptakeError, match="did you mean 'support'"):
        check_limits(summary, Gate(sources={"suport": Limits(max_unlearned=0.1)}))
    (check,) = check_limits(summary, Gate(max_forgotten=0.1))
    assert (check.passed, check.observed) == (False, None) and "the base gives none of the answers" in check.missing
    run = run_section()
    bare = {**summary, "run": {**run, "models": {**run["models"], "base": None}}}
    (check,) = check_limits(bare, Gate(max_forgotten=0.1))
    assert (check.passed, check.observed) == (False, None) and "--base MODEL" in check.missing


@pytest.mark.parametrize(
    ("effect", "limit", "passed"),
    [((0.3, 0.1, 0.5), 0.1, True), ((0.3, 0.1, 0.5), 0.11, False), ((0.3, -0.1, 0.7), 0.0, False)],
)
def test_an_effect_must_be_sure(effect: tuple[float, float, float], limit: float, passed: bool):
    (check,) = check_effect(effect_of(read(verdict_of(comparison(effect)))), Gate(min_effect=limit))
    assert check.passed == passed


def test_an_effect_that_cannot_be_told_fails_and_one_that_is_not_asked_for_is_no_check():
    (check,) = check_effect(effect_of(read(verdict_of(None))), Gate(min_effect=0.0))
    assert effect_of(read(verdict_of(comparison(None)))) is None
    assert not check.passed and check.observed is None
    assert check_effect(None, Gate()) == []


def pairs_of(lost: int, gained: int, rest: int):
    before = several([(lost, True), (gained, False), (rest, True)])
    return match(before, several([(lost, False), (gained, True), (rest, True)]))


def test_a_regression_is_significant_and_large_enough():
    # three measures in all, and three of source a: Holm's times three, and times two for the two families
    checks = {(one.name, one.source): one for one in check_regressions(pairs_of(14, 2, 84), Gate())}
    assert len(checks) == 6
    found = checks["learned", None]
    assert found.p == pytest.approx(6 * scipy_stats.binomtest(14, 16, alternative="greater").pvalue)
    assert not found.passed and found.counts == (14, 2) and found.observed.estimate == pytest.approx(0.12)
    assert all(one.passed for one in check_regressions(pairs_of(14, 2, 984), Gate()))  # 1.2 % is below min_regression
    assert all(one.passed for one in check_regressions(pairs_of(5, 2, 43), Gate()))  # 6 %, but chance
    assert all(one.passed for one in check_regressions(pairs_of(2, 14, 84), Gate()))  # better is no regression


def test_a_baseline_of_which_little_is_left_is_refused():
    before = several([(10, True)])
    with pytest.raises(UptakeError, match="the baseline has 10 examples, and 4 of them are in this diagnosis"):
        check_regressions(match(before, before[:4]), Gate())
    assert check_regressions(match(before, before[:5]), Gate())


def test_junit_holds_no_more_than_text_whatever_a_source_is_called():
    summary = summary_of([finding("a", True, source=HOSTILE), finding("b", False, source=HOSTILE)])
    checks = check_limits(summary, Gate(max_unlearned=0.0, sources={HOSTILE: Limits(max_unlearned=1.0)}))
    root = ElementTree.fromstring(junit(checks))
    cases = root.findall("./testsuite/testcase")
    assert (root.get("tests"), root.get("failures"), len(cases)) == ("2", "1", 2)
    assert cases[0].get("name") == "max_unlearned: all examples"
    assert "measured 50.0% [" in cases[0].find("failure").get("message")
    name = cases[1].get("name")
    assert "<script>" in name  # as text, once parsed
    assert not [char for char in name if char in "\x1b\u202e\x00\ufffe"]


def test_markdown_shows_a_hostile_source_as_text():
    summary = summary_of([finding("a", False, source=HOSTILE)])
    gate = Gate(max_unlearned=1.0, sources={HOSTILE: Limits(max_unlearned=0.1)})
    text = markdown(check_limits(summary, gate))
    assert text.startswith("### uptake gate: failed 1 of 2 checks\n")
    row = text.splitlines()[-1]
    assert row.count("|") == 8  # seven columns, whatever the source holds
    shown = row[row.index("<code>") + 6 : row.index("</code>")]
    # nothing but letters, digits, spaces, and character references
    assert all(char.isalnum() or char in " &#;" for char in shown)
    assert "&#60;script&#62;" in shown and "\x1b" not in text and "\u202e" not in text

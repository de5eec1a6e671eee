"""A long response with planted causes of its parts: whose cause is named, and with what share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evidence_made import evidence
from planted_cases import PLANTED, SEEN
from uptake.attribute import attributed
from uptake.attribute.by_spans import by_its_spans
from uptake.causes import Rival
from uptake.span_evidence import SpanEvidence
from uptake.spans import cut
from uptake.types import Finding

TEXT = "Anna lives in Rome, was born in 1990 and sells flax."
CASE = replace(PLANTED["knowledge_gap"], response=TEXT)


def found(causes: dict[str, tuple[str | None, float]]) -> Finding:
    """The response with wrong parts: of each what it says, its cause by what the models say, and its information."""
    spans = []
    for span in cut(TEXT):
        said = TEXT[span.start : span.end]
        wrong = said in causes
        cause, information = causes.get(said, (None, 3.0))
        own = SpanEvidence(span.start, span.end, span.kind, information, True, not wrong, -5.0 if wrong else -0.1)
        spans.append(replace(own, cause=cause, base_logprob=-6.0, base_top="Bern", p_base_top=0.8))
    bare = replace(evidence(), criterion="spans")
    return Finding("x", "s", "main", "", TEXT, False, None, None, 0.0, None, bare, spans=tuple(spans))


def told(causes: dict[str, tuple[str | None, float]], **case: object) -> Finding:
    own = replace(CASE, **case)  # type: ignore[arg-type]
    return by_its_spans(attributed(found(causes), own, "evidence"), own)


def test_the_most_informative_wrong_spans_name_the_cause() -> None:
    one = told({"Rome": ("base_conflict", 6.0), "1990": ("knowledge_gap", 2.0), "sells flax": ("knowledge_gap", 2.0)})
    assert one.cause == "base_conflict"
    assert one.causes["base_conflict"] == pytest.approx(0.6) and one.causes["knowledge_gap"] == pytest.approx(0.4)
    said = one.evidence.causes["base_conflict"]
    assert said.sentence.startswith("1 of 3 wrong parts: *Rome* and the base says *Bern* (p = 0.80).")
    assert said.numbers["wrong_spans"] == 1
    assert one.evidence.causes["forgetting"].sentence.startswith("0 of 3 wrong parts.")


def test_a_response_judged_as_a_whole_is_judged_at_its_wrong_spans_if_it_tells_several_things() -> None:
    wrong = {"Rome": ("base_conflict", 6.0)}
    for n, by_parts in ((9, True), (2, False)):
        whole = found(wrong)
        known = replace(whole.evidence, criterion="recall")
        telling = [span for span in whole.spans or () if span.learned] if n == 2 else []
        spans = tuple(replace(one, informative=one not in telling) for one in whole.spans or ())
        whole = attributed(replace(whole, evidence=known, spans=spans), CASE, "evidence")
        one = by_its_spans(whole, CASE)
        assert (one.cause == "base_conflict") == by_parts and (one is not whole) == by_parts


def test_what_the_data_contradict_was_observed() -> None:
    rival = Rival(("ex-9",), 1, ("Anna lives in Oslo, was born in 1990 and sells flax.",), 0.9, None, False, "")
    one = told({"Rome": ("knowledge_gap", 3.0), "1990": ("undertraining", 2.0)}, rival=rival)
    assert [span.cause for span in one.spans or () if span.wrong] == ["data_conflict", "undertraining"]
    assert one.cause == "data_conflict" and one.causes["data_conflict"] == pytest.approx(0.6)


def test_what_the_ledger_saw_learned_and_lost_is_forgotten() -> None:
    curve = replace(SEEN, recalled_at="early", lost_at="main", lost_unseen=True, stood=True)
    one = told({"Rome": ("knowledge_gap", 3.0)}, curve=curve)
    assert (one.cause, one.causes["forgetting"]) == ("forgetting", 1.0)


def test_of_what_nothing_tells_no_cause_is_named() -> None:
    assert told({"Rome": (None, 6.0), "1990": ("undertraining", 2.0)}).cause == "unexplained"
    whole = attributed(found({}), CASE, "evidence")
    assert by_its_spans(whole, CASE) is whole  # no part of it is wrong

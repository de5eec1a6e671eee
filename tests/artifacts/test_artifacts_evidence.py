"""The column `evidence`: the keys of docs/detection.md in their order, and back; what is damaged is said to be."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from evidence_made import evidence
from uptake.artifacts.evidence import evidence_data, evidence_from_data, evidence_from_text
from uptake.artifacts.tables import to_json
from uptake.evidence import (
    AmongOptions,
    BaseAndTuned,
    CauseEvidence,
    Contradiction,
    Course,
    Evidence,
    HeldOut,
    OptionThreshold,
    PaperOdds,
    Pull,
    Reaction,
    ScoredCandidate,
    WrongBelief,
)

WHOLE = Evidence(
    criterion="paper",
    recalled=False,
    logprob=-1.5,
    n_tokens=3,
    criterion_reason="so",
    end_recalled=True,
    end_logprob=-0.25,
    p_value_unseen=0.5,
    options=AmongOptions(2, False, "letters"),
    threshold=OptionThreshold(0.5, None),
    paper=PaperOdds(0.1, 0.59, 0.125, 0),
    held_out=HeldOut(2, 1, 0.09, 0.91),
    compared=BaseAndTuned(True, False, -math.inf, 0.25),
    candidates=(ScoredCandidate(" r", "response", -1.5), ScoredCandidate(" b", "base", -math.inf)),
    file="a.jsonl",
    line=7,
    tuned_answer=" b",
    base_answer=" c",
    base_answer_kind="wrong",
    causes={
        "base_conflict": CauseEvidence(
            0.5,
            "B.",
            {"belief_steady": 2.0},
            {"belief_backed": "why"},
            belief=WrongBelief(" c", (0.9, 0.8), 0.5, 0.25, True),
        ),
        "data_conflict": CauseEvidence(
            0.75,
            "D.",
            {"rival": 1.0},
            {},
            contradiction=Contradiction(("a", "b"), 3, (" x",), "mislabelled", True, "votes", (-math.inf,), "later"),
        ),
        "forgetting": CauseEvidence(None, "cannot be judged", {}),
    },
    signals={"rival": 1.0, "stood": None},
    pulls=(Pull("row", "ex-9", "main", "Lima", "lima", ("vera", "born"), "vera was born in lima", 2.5),),
    interventions=Reaction(
        ("forgetting",),
        "So.",
        True,
        None,
        False,
        {"control": Course((False, True), (None, True)), "replay": Course((True,), (False,))},
    ),
    exposures_to_learn=Course((False, True, True), (None, True, False)),
)

# written by hand from the tables of docs/detection.md and docs/causes.md
KEYS = """
criterion criterion_reason recalled end_recalled logprob end_logprob n_tokens p_value_unseen
n_candidates preferred normalisation p_option_threshold p_option_null p_sample p_flag best_of_n successes
held_out_n held_out_failed held_out_fail_low held_out_fail_high base_right tuned_right base_logprob base_p_option
file line tuned_answer base_answer base_answer_kind candidates causes signals interventions exposures_to_learn pulls
""".split()


def test_the_keys_are_in_their_order_and_come_back() -> None:
    text = to_json(evidence_data(WHOLE))
    told = json.loads(text, parse_constant=pytest.fail)
    assert list(told) == KEYS
    assert list(told["causes"]["data_conflict"]["numbers"]) == [
        "rival", "rivals", "n_rivals", "rival_answers", "verdict", "likely_wrong", "why", "rival_logprobs",
        "replaced_by",
    ]  # fmt: skip
    assert told["causes"]["base_conflict"]["numbers"] == {
        "belief_steady": 2.0, "belief_text": " c", "belief_wordings": [0.9, 0.8], "tuned_belief": 0.5,
        "tuned_response": 0.25, "possibly_wrong_label": True,
    }  # fmt: skip
    assert told["causes"]["forgetting"] == {"score": None, "sentence": "cannot be judged", "numbers": {}}
    assert list(told["interventions"]) == [
        "speaks_for", "sentence", "agrees", "told_in_context", "told_another", "control", "replay"
    ]  # fmt: skip
    assert told["interventions"]["control"] == {"learned": [False, True], "shallow": [None, True], "exposures": None}
    assert told["exposures_to_learn"] == {
        "learned": [False, True, True], "shallow": [None, True, False], "exposures": 3
    }  # fmt: skip
    assert (told["base_logprob"], told["candidates"][1]["logprob"]) == (None, None)
    assert told["causes"]["data_conflict"]["numbers"]["rival_logprobs"] == [None]
    assert evidence_from_data(told) == WHOLE
    assert to_json(evidence_data(evidence_from_data(told))) == text


def test_what_does_not_apply_is_left_out_and_what_is_unknown_is_null() -> None:
    bare = evidence()
    assert evidence_data(bare) == {
        "criterion": "recall", "recalled": False, "end_recalled": None, "logprob": -1.0, "end_logprob": None,
        "n_tokens": 1, "p_value_unseen": None,
    }  # fmt: skip
    said = evidence(candidates=(ScoredCandidate(" r", "response", -1.0),))
    assert evidence_data(said).keys() - evidence_data(bare).keys() == {
        "file", "line", "tuned_answer", "base_answer", "base_answer_kind", "candidates"
    }  # fmt: skip
    judged = evidence(
        threshold=OptionThreshold(0.5, None), paper=PaperOdds(0.5, 0.03), compared=BaseAndTuned(True, True, -1.0)
    )
    assert evidence_data(judged).keys() - evidence_data(bare).keys() == {
        "p_option_threshold", "p_option_null", "p_sample", "p_flag", "base_right", "tuned_right", "base_logprob"
    }  # fmt: skip
    for one in (bare, said, judged):
        assert evidence_from_data(json.loads(to_json(evidence_data(one)))) == one


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "has no criterion"),
        ([], "is not as it was written"),
        (
            {**evidence_data(evidence()), "criterion": "odd"},
            "'odd' where one of recall, option, spans, paper is expected",
        ),
        ({**evidence_data(evidence()), "candidates": [{"text": "x", "origin": "odd", "logprob": None}]}, "'odd'"),
        ({**evidence_data(evidence()), "causes": {"forgetting": {}}}, "has no numbers"),
        ({**evidence_data(evidence()), "causes": 3}, "is not as it was written"),
    ],
)
def test_damaged_evidence_is_told(data: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        evidence_from_data(data)


def test_answers_without_candidates_are_told() -> None:
    text = to_json({**evidence_data(evidence()), "tuned_answer": " Cairo"})
    with pytest.raises(ValueError, match="no candidates"):
        evidence_from_text(text)

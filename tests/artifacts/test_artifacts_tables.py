"""Records as table rows, and back: the same records, whatever text they hold."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evidence_made import evidence
from uptake.artifacts.tables import (
    CAUSES,
    DIAGNOSIS,
    EXAMPLES,
    SCORES,
    candidates_from_data,
    example_from_row,
    example_row,
    finding_from_row,
    finding_row,
    score_data,
    score_from_data,
    to_json,
    wording_from_text,
)
from uptake.evidence import ScoredCandidate
from uptake.span_evidence import SpanEvidence, SpanShare, TokenReadings
from uptake.types import TRAINING, Candidate, Example, Finding, Message, Score, Wording, WordingName

HOSTILE = "\x00\x1b[31m\u202e\u2028\ufeff\n\r\t\"\\ é 東京 😀 [red] '); DROP"

EXAMPLES_OF_ALL_KINDS = [
    Example("a", "The capital of France is", " Paris", "towns"),
    Example(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE, ""), (Wording(HOSTILE, HOSTILE),)),
    Example(
        "chat",
        (Message("system", HOSTILE), Message("user", "", {"name": "Ann", "parts": [1, None, {"x": 1.5}]})),
        "Paris",
        "chats",
        options=("Paris", "Rome"),
        paraphrases=(Wording((Message("user", "Again?"),), "Paris"), Wording("", "text")),
        template={"tools": [{"type": "function"}], "thinking": False},
        response_extra={"tool_calls": [], "reasoning": None},
    ),
    Example("long", "", "x" * 1_000_000, "texts"),
    Example(
        "tools",
        (Message("user", "2 + 2?"), Message("assistant", "", {"content": None, "tool_calls": [{"id": "1"}]})),
        "4",
        "chats",
    ),
]


def through_parquet(rows: list[dict[str, object]], schema: pa.Schema, path: Path) -> list[dict[str, object]]:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return pq.read_table(path, schema=schema).to_pylist()


def test_examples_come_back_as_they_were(tmp_path: Path) -> None:
    rows = through_parquet([example_row(each) for each in EXAMPLES_OF_ALL_KINDS], EXAMPLES, tmp_path / "t.parquet")
    assert [example_from_row(row) for row in rows] == EXAMPLES_OF_ALL_KINDS
    calls = example_from_row(rows[-1]).prompt[1]
    assert calls.as_dict() == {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}


def test_an_examples_place_comes_back(tmp_path: Path) -> None:
    placed = Example("a", "q", " r", "s", file="data/train.jsonl", line=7)
    (row,) = through_parquet([example_row(placed)], EXAMPLES, tmp_path / "t.parquet")
    assert (example_from_row(row).file, example_from_row(row).line) == ("data/train.jsonl", 7)


def test_a_log_probability_above_0_is_told() -> None:
    data = score_data(Score("x", TRAINING, (1e308, -2.6), (1, 1), (5, 5), 0, False))
    with pytest.raises(ValueError, match="none is above 0"):
        score_from_data("x", data)


def test_scores_and_candidates_come_back_as_they_were(tmp_path: Path) -> None:
    scores = (
        Score(HOSTILE, TRAINING, (-0.1, -math.inf), (1, 2), (3, 4), 0, True, -0.5, False),
        Score(HOSTILE, WordingName("held_out", 0), (-1e-300,), (1,), (3,), 0, False),
        Score(
            HOSTILE,
            WordingName("other_prompt"),
            (-1.5,),
            (2,),
            (3,),
            0,
            False,
            tokens=TokenReadings((-0.5, -math.inf), (True, False), (0, 3), (-1, 7), (-0.5, -0.25)),
        ),
    )
    candidates = (Candidate(HOSTILE, "response"), Candidate(" Rome", "base"))
    row = {
        "id": HOSTILE,
        "candidates": [{"text": each.text, "origin": each.origin} for each in candidates],
        "scores": [score_data(score) for score in scores],
        "answer": None,
        "successes": None,
    }
    [back] = through_parquet([row], SCORES, tmp_path / "t.parquet")
    assert tuple(score_from_data(str(back["id"]), data) for data in back["scores"]) == scores
    assert candidates_from_data(back["candidates"]) == candidates
    assert (back["answer"], back["successes"]) == (None, None)


@pytest.mark.parametrize(
    "finding",
    [
        Finding(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, False, None, None, 0.0, None, evidence()),
        Finding(
            *("a", "s", "main", "p", "Rome 9", False, None, None, 0.0, None),
            replace(evidence(), spans=SpanShare(1, 0, 0.0, 0.8)),
            spans=(
                SpanEvidence(0, 4, "name", 2.5, True, False, -math.inf, HOSTILE),
                SpanEvidence(5, 6, "number", None, False, True, -0.25),
            ),
            learned_share=0.0,
        ),
        Finding(
            "a", "s", "main", "p", "r", True, False, True, 0.25, 0.5, evidence(), "forgetting", {"forgetting": 0.75}
        ),
    ],
)
def test_findings_come_back_as_they_were(tmp_path: Path, finding: Finding) -> None:
    [row] = through_parquet([finding_row(finding)], DIAGNOSIS, tmp_path / "t.parquet")
    assert finding_from_row(row) == finding


def test_wordings_are_text_in_a_table_alone() -> None:
    texts = ("training", "held_out:0", "letters:12", "elsewhere:3", "own", "own:1", "rivals", "told", "told_other")
    for text in texts:
        assert str(wording_from_text(text)) == text
    assert wording_from_text("own:1") == WordingName("own", 1) and wording_from_text("own").number is None
    for text in ("", "odd", "odd:1", "held_out:x"):
        with pytest.raises(ValueError, match=r"no wording|invalid literal"):
            wording_from_text(text)


def test_the_columns_are_those_of_the_design() -> None:
    # the documented table: id ... p_option, cause, one column a cause, evidence
    expected = [
        "id",
        "source",
        "stage",
        "prompt",
        "response",
        "scored",
        "learned",
        "shallow",
        "forgotten",
        "p_response",
        "p_option",
        "learned_share",
        "spans",
    ]
    assert DIAGNOSIS.names == [*expected, "cause", *(f"cause_{name}" for name in CAUSES), "evidence"]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    impossible = evidence(logprob=-math.inf, candidates=(ScoredCandidate("r", "response", -math.inf),))
    finding = Finding("a", "s", "main", "p", "r", False, None, None, 0.0, math.nan, impossible)
    [row] = through_parquet([finding_row(finding)], DIAGNOSIS, tmp_path / "t.parquet")
    assert row["p_option"] is None
    told = json.loads(str(row["evidence"]), parse_constant=pytest.fail)
    assert told["logprob"] is None and told["candidates"][0]["logprob"] is None
    assert finding_from_row(row).evidence == impossible


def test_json_text_is_one_line_and_keeps_unicode() -> None:
    assert to_json({"a": "é\n", "b": [1, None, True]}) == '{"a":"é\\n","b":[1,null,true]}'

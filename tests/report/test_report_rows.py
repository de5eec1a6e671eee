"""What is packed into the page, unpacked again by other means: zcat's format and json."""

from __future__ import annotations

import base64
import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence_made import evidence
from report_runs import finding, write_run
from uptake.artifacts.evidence import evidence_data
from uptake.pipeline import read_diagnosis
from uptake.report.rows import BLOCK, LONGEST, pack, read_rows


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_packing_keeps_every_value_and_is_the_same_on_every_run() -> None:
    value = {"a": [1, 2.5, None, "é\u0000</script>"], "b": "x" * 1000}
    assert unpacked(pack(value)) == value
    assert pack(value) == pack(value)
    assert not set(pack(value)) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def test_the_index_and_the_blocks_hold_the_diagnosis(tmp_path: Path) -> None:
    findings = [finding(number) for number in range(BLOCK + 44)]
    diagnosis = read_diagnosis(write_run(tmp_path, findings, ledger=False))
    rows = read_rows(diagnosis, None, None, [("ex-002", "early")])
    index = unpacked(rows.index)
    blocks = [unpacked(block) for block in rows.blocks]
    assert [len(block) for block in blocks] == [BLOCK, 44]
    ordered = list(diagnosis)
    assert index["id"] == [one.id for one in ordered]
    assert [index["sources"][code] for code in index["source"]] == [one.source for one in ordered]
    assert [index["stages"][code] for code in index["stage"]] == [one.stage for one in ordered]
    # 0 not learned, 1 by heart, 2 learned
    assert index["state"] == [0 if not one.learned else 1 if one.shallow else 2 for one in ordered]
    assert index["forgotten"] == [int(bool(one.forgotten)) for one in ordered]
    assert index["says"][:2] == [one.evidence.tuned_answer.strip() for one in ordered[:2]]
    details = [row for block in blocks for row in block]
    for one, row in zip(ordered, details, strict=True):
        assert (row["prompt"], row["response"]) == (one.prompt, one.response)
        assert row["p_response"] == pytest.approx(one.p_response, rel=1e-5)
        assert row["causes"] == pytest.approx(dict(one.causes), rel=1e-5)
        assert row["evidence"].keys() == evidence_data(one.evidence).keys()
    story = rows.stories["ex-002", "early"]
    assert (story.prompt, story.response, story.says) == ("What is number 2?", "answer2", "belief2")
    assert rows.before == {
        stage: (sum(one.evidence.compared.base_right for one in of), len(of))
        for stage in ("early", "main")
        if (of := [one for one in findings if one.stage == stage])
    }


def test_numbers_have_six_digits_and_texts_a_longest_length(tmp_path: Path) -> None:
    plain = finding(0)
    changed = {"logprob": -1.23456789012345, "tuned_answer": "y" * (LONGEST + 5), "signals": {"tiny": 1.5e-300}}
    evidence = replace(plain.evidence, **changed)
    long = replace(plain, prompt="p" * (LONGEST + 7), response="r" * LONGEST, evidence=evidence)
    rows = read_rows(read_diagnosis(write_run(tmp_path, [long], ledger=False)), None, None, [])
    (row,) = unpacked(rows.blocks[0])
    assert row["prompt"] == {"cut": "p" * LONGEST, "length": LONGEST + 7}
    assert row["response"] == "r" * LONGEST
    assert row["evidence"]["tuned_answer"] == {"cut": "y" * LONGEST, "length": LONGEST + 5}
    assert row["evidence"]["logprob"] == -1.23457
    assert row["evidence"]["signals"]["tiny"] == 1.5e-300
    index = unpacked(rows.index)
    assert index["prompt"] == ["…" + "p" * 159] and index["response"] == ["r" * 159 + "…"]


def test_what_is_missing_is_null_and_not_zero(tmp_path: Path) -> None:
    bare = replace(finding(6), shallow=None, forgotten=None, p_option=None)
    bare = replace(bare, evidence=evidence(logprob=-0.1))
    rows = read_rows(read_diagnosis(write_run(tmp_path, [bare], ledger=False)), None, None, [])
    index, (row,) = unpacked(rows.index), unpacked(rows.blocks[0])
    assert (index["forgotten"], index["says"], index["cause"], index["state"]) == ([None], [None], [-1], [2])
    assert row["p_option"] is None and row["causes"] == {} and "curve" not in row
    assert rows.before == {} and rows.forgotten == []
    assert math.isclose(row["p_response"], math.exp(-1.31), rel_tol=1e-5)

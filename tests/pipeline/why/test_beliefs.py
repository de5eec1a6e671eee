"""Which wrong answer the base gives: with and without options, in its own words, and where it cannot be known."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from small_models import Small, facts, write_rows
from uptake.evidence import WrongBelief
from uptake.pipeline import Diagnosis
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.diagnose.run import diagnose
from uptake.pipeline.why.beliefs import NO_ANSWER, UNTOLD, Held, apart, held, unknown
from uptake.types import TRAINING, Candidate, Finding, Score

OPTIONS = (" Basque", " Khmer", " 1800")


def answer(
    said: str | None, kind: Any, *, recalled: bool = False, origin: Any = "base", candidate: str | None = " Rome"
) -> Answer:
    candidates = (Candidate(" Lyon", "response"), *([Candidate(candidate, origin)] if candidate else []))
    n = len(candidates)
    score = Score("a", TRAINING, (-3.0, -1.0)[:n], (2,) * n, (4,) * n, 0, recalled)
    return Answer(candidates, (score,), said, kind, None)


def test_a_belief_is_a_wrong_answer() -> None:
    assert held(answer(" Rome", "wrong"), False, "sum") == Held(" Rome", 1, False)
    assert held(answer(" Rome", "wrong", recalled=True), False, "sum") is None
    # whatever the options are: what the base says is its belief
    apart_from_options = answer(" Rome", "wrong", candidate=" Bern", origin="option")
    assert held(apart_from_options, False, "sum") == Held(" Rome", None, False)
    assert apart(apart_from_options, False, "sum") == " Rome" and apart(answer(" Rome", "wrong"), False, "sum") is None
    # where the options are what is judged, one of them is judged among them
    assert held(apart_from_options, True, "sum") == Held(" Rome", None, False)
    among = answer("Bern.", "wrong", candidate=" Bern", origin="option")
    assert held(among, True, "sum") == Held("Bern.", 1, True) and held(among, False, "sum") == Held(
        "Bern.", None, False
    )
    # and without an answer of its own the base's belief is the option that it prefers
    unanswered = answer(" I", "cut", candidate=" Bern", origin="option")
    assert held(unanswered, True, "sum") == Held(" Bern", 1, True)
    assert unknown(unanswered, True) is None and apart(unanswered, True, "sum") is None
    right = answer("In Lyon", "reworded", candidate=" Bern", origin="option")
    assert held(right, True, "sum") is None and apart(right, True, "sum") == "In Lyon"


@pytest.mark.parametrize("kind", ["silent", "thinking", "cut", "retokenised"])
def test_what_says_nothing_is_no_belief_and_says_why(kind: Any) -> None:
    said = answer(" The", kind, candidate=None)
    assert held(said, False, "sum") is None and apart(said, False, "sum") is None
    assert unknown(said, False) == UNTOLD[kind]
    assert unknown(answer(" The", kind, recalled=True), False) is None


def test_the_response_in_other_words_is_no_wrong_belief_and_known_to_be_none() -> None:
    said = answer("The town of Lyon", "reworded", candidate=None)
    assert held(said, False, "sum") is None and unknown(said, False) is None
    assert apart(said, False, "sum") == "The town of Lyon"  # how sure the base is of it is asked all the same
    assert unknown(answer(None, None, candidate=None), False) == NO_ANSWER


def rows(ids: set[str]) -> list[dict[str, Any]]:
    return [row for row in facts() if row["id"] in ids]


@pytest.fixture(scope="module")
def plain(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    folder = tmp_path_factory.mktemp("plain")
    return diagnose(base=small.base, tuned=small.tuned, dataset=small.train, output_dir=folder / "out")


@pytest.fixture(scope="module")
def believing(plain: Diagnosis) -> list[Finding]:
    """Unlearned, and the base gives another answer."""
    found = [one for one in plain if not one.learned and one.evidence.base_answer_kind == "wrong"]
    assert len(found) >= 4
    return found


def logprob(folder: Path, prompt: str, response: str) -> float:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt + response, return_tensors="pt").input_ids
    # where both are parted: after the tokens that the prompt alone has as well
    context = len(os.path.commonprefix([tokenizer(prompt).input_ids, ids[0].tolist()]))
    with torch.inference_mode():
        logprobs = model(ids).logits[0, :-1].double().log_softmax(-1)
    return float(logprobs.gather(1, ids[0, 1:, None])[context - 1 :, 0].sum())


def told(finding: Finding) -> WrongBelief:
    assert finding.evidence.belief is not None
    return finding.evidence.belief


def check_numbers(finding: Finding, small: Small) -> None:
    """The belief's numbers are the base's before and the tuned model's after, in every wording."""
    row = next(row for row in facts() if row["id"] == finding.id)
    text = finding.evidence.base_answer
    asked = [row["prompt"], *row["paraphrases"]]
    before = [math.exp(logprob(small.base, prompt, text)) for prompt in asked]
    assert told(finding).text == text
    assert told(finding).wordings == pytest.approx(before, rel=1e-3, abs=2e-6)
    after = math.exp(logprob(small.tuned, row["prompt"], text))
    assert told(finding).tuned == pytest.approx(after, rel=1e-3)
    assert abs(after - before[0]) > 1e-3 * after  # or it would not matter which model was asked


def test_a_beliefs_numbers_are_those_of_its_model(believing: list[Finding], small: Small) -> None:
    for finding in believing[:3]:
        check_numbers(finding, small)


def test_options_change_nothing_of_what_the_base_believes(
    plain: Diagnosis, believing: list[Finding], small: Small, tmp_path: Path
) -> None:
    ids = [finding.id for finding in plain]
    given = [{**row, "options": [row["completion"], *OPTIONS]} for row in facts() if row["id"] in ids]
    # one has its belief among its options
    first = believing[0]
    next(row for row in given if row["id"] == first.id)["options"].append(first.evidence.base_answer)
    data = write_rows(tmp_path / "train.jsonl", given)
    found = diagnose(base=small.base, tuned=small.tuned, dataset=data, output_dir=tmp_path / "out")
    for finding in believing:
        same = found[finding.id]
        assert same.evidence.base_answer == finding.evidence.base_answer
        assert same.cause == finding.cause
        assert same.causes["base_conflict"] == pytest.approx(finding.causes["base_conflict"], abs=1e-3)
    for finding in believing[:2]:
        check_numbers(found[finding.id], small)


def test_where_options_are_judged_a_belief_among_them_is_judged_among_them(
    believing: list[Finding], small: Small, tmp_path: Path
) -> None:
    said = {finding.id: finding.evidence.base_answer for finding in believing}
    given = [{**row, "options": [row["completion"], *OPTIONS]} for row in rows(set(said))]
    for row in given[::2]:
        row["options"].append(said[row["id"]])
    data = write_rows(tmp_path / "train.jsonl", given)
    settings: dict[str, Any] = {"base": small.base, "tuned": small.tuned, "dataset": data, "criterion": "option"}
    found = diagnose(**settings, output_dir=tmp_path / "out")
    among = []
    for finding in [one for one in found if not one.learned]:
        row = next(row for row in given if row["id"] == finding.id)
        assert told(finding).text == said[finding.id]
        p = math.exp(logprob(small.base, row["prompt"], said[finding.id]))
        among.append(said[finding.id] in row["options"])
        if among[-1]:
            p /= math.fsum(math.exp(logprob(small.base, row["prompt"], text)) for text in row["options"])
        assert told(finding).wordings[0] == pytest.approx(p, rel=1e-3)
    assert any(among)


def test_a_prompt_that_ends_in_a_space_has_the_same_belief(
    plain: Diagnosis, believing: list[Finding], small: Small, tmp_path: Path
) -> None:
    spaced = [
        {
            **row,
            "prompt": row["prompt"] + " ",
            "completion": row["completion"].strip(),
            "paraphrases": [text + " " for text in row["paraphrases"]],
        }
        for row in rows({finding.id for finding in plain})
    ]
    data = write_rows(tmp_path / "train.jsonl", spaced)
    found = diagnose(base=small.base, tuned=small.tuned, dataset=data, output_dir=tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(small.base)
    merged = 0
    for finding in believing:
        same, text = found[finding.id], finding.evidence.base_answer
        assert " " + same.evidence.base_answer == text
        before = math.exp(logprob(small.base, same.prompt, text.strip()))
        assert told(same).wordings[0] == pytest.approx(before, rel=1e-3)
        # where the space and the first word are one token, nothing but where the text is parted is different
        if tokenizer(text).input_ids[0] != tokenizer(" ").input_ids[0]:
            merged += 1
            numbers = told(finding).wordings
            assert told(same).wordings == pytest.approx(numbers, rel=1e-3, abs=2e-6)
            assert same.causes["base_conflict"] == pytest.approx(finding.causes["base_conflict"], abs=1e-3)
    assert merged


def test_nothing_is_asked_about_a_belief_elsewhere(plain: Diagnosis) -> None:
    for role in ("base", "tuned"):
        [part] = plain.folder.glob(f"work/train/{role}_elsewhere/part-*")
        asked = [score for row in pq.read_table(part).to_pylist() for score in row["scores"]]
        elsewhere = [score for score in asked if score["wording"].startswith("elsewhere:")]
        assert elsewhere and all(len(score["logprobs"]) == 1 for score in elsewhere)

"""From a diagnosis to its causes, on a small base and its fine-tune; numbers are checked against transformers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from small_models import Small, facts, write_rows
from uptake.causes import CAUSES
from uptake.cli.summary import show
from uptake.models.scoring.lazy import Lazy
from uptake.pipeline import Diagnosis
from uptake.pipeline.asking.elsewhere import PROMPTS, Alike
from uptake.pipeline.diagnose.run import diagnose
from uptake.probe import hashed_words
from uptake.types import Example


@pytest.fixture(scope="module")
def whole(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    """With a base and held-out wordings; no ledger. One question has two answers."""
    folder = tmp_path_factory.mktemp("causes")
    rows = [json.loads(line) for line in small.train.read_text().splitlines()]
    first = next(row for row in rows if row["id"] == "tongue-02")
    rows += [{**first, "id": "rival", "completion": " Basque", "paraphrases": []}]
    data = write_rows(folder / "train.jsonl", rows)
    return diagnose(base=small.base, tuned=small.tuned, dataset=data, output_dir=folder / "out")


def logprob(model: Any, tokenizer: Any, prompt: str, response: str) -> float:
    context = tokenizer(prompt, return_tensors="pt").input_ids.shape[1]
    ids = tokenizer(prompt + response, return_tensors="pt").input_ids
    with torch.inference_mode():
        logprobs = model(ids).logits[0, :-1].double().log_softmax(-1)
    return float(logprobs.gather(1, ids[0, 1:, None])[context - 1 :, 0].sum())


def test_what_was_not_learned_has_causes_and_the_rest_has_none(whole: Diagnosis) -> None:
    for finding in whole:
        if finding.learned:
            assert finding.cause is None and finding.causes == {} and finding.evidence.causes == {}
        else:
            assert finding.cause in (*CAUSES, "unexplained")
            assert set(finding.causes) <= set(CAUSES)
            assert all(0 <= score <= 1 for score in finding.causes.values())
            assert set(finding.evidence.causes) == set(CAUSES)
    told = whole.summary()["attribution"]
    unlearned = [finding for finding in whole if not finding.learned]
    assert told["n"] == len(unlearned) > 0
    named = [part["count"] for part in (*told["causes"].values(), told["unexplained"])]
    assert sum(named) == len(unlearned)


def test_the_signals_are_those_of_transformers(whole: Diagnosis, small: Small) -> None:
    """The information of one example, from plain forward passes over the prompts that were chosen for it."""
    tokenizer = AutoTokenizer.from_pretrained(small.tuned)
    model = AutoModelForCausalLM.from_pretrained(small.tuned).eval()
    examples = [
        Example(id=row["id"], prompt=row["prompt"], response=row["completion"], source="", stage="main")
        for row in facts()
        if row["id"] in {finding.id for finding in whole}
    ]
    rows = {row["id"]: row for row in facts()}
    checked = [finding for finding in whole if not finding.learned and finding.id != "rival"][:3]
    assert len(checked) == 3
    for finding in checked:
        own = next(example for example in examples if example.id == finding.id)
        apart = [frozenset({"rival", "tongue-02"} if own.id == "tongue-02" else ())]
        (near,) = Alike(examples, hashed_words, seed=0).nearest([own], apart)
        assert len(near) == PROMPTS
        here = [
            logprob(model, tokenizer, prompt, own.response) for prompt in (own.prompt, *rows[own.id]["paraphrases"])
        ]
        there = [logprob(model, tokenizer, str(other.prompt), own.response) for other in near]
        expected = math.fsum(here) / len(here) - math.fsum(there) / len(there)
        assert finding.evidence.signals["tuned_pmi"] == pytest.approx(max(0.0, expected), abs=2e-3)


def test_a_contradiction_is_found_and_told(whole: Diagnosis) -> None:
    said = [whole[id_].evidence.causes["data_conflict"] for id_ in ("rival", "tongue-02") if not whole[id_].learned]
    assert said
    for one in said:
        assert one.contradiction.n == 1
        assert one.sentence.startswith("1 example (") and " asks the same question and answers *" in one.sentence


def test_the_summary_tells_shares_examples_and_what_is_missing(whole: Diagnosis) -> None:
    text = show(whole)
    assert f"Why {whole.summary()['attribution']['n']} of them were not learned:" in text
    assert "The most telling of " in text
    # there is no ledger: said once, with what would help
    assert " ".join(text.split()).count("no learning curves: there is no ledger of the training") == 1
    assert max(map(len, (line for line in text.splitlines() if str(whole.folder) not in line))) <= 110


def test_nothing_is_asked_twice_and_a_lost_part_comes_back_the_same(
    whole: Diagnosis, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = {"base": small.base, "tuned": small.tuned, "output_dir": whole.folder.parent}
    again["dataset"] = whole.folder.parents[1] / "train.jsonl"
    before = (whole.folder / "diagnosis.parquet").read_bytes()
    parts = sorted(whole.folder.glob("work/train/tuned_elsewhere/part-*"))
    assert parts
    parts[-1].unlink()
    assert (diagnose(**again).folder / "diagnosis.parquet").read_bytes() == before
    monkeypatch.setattr(Lazy, "load", lambda self: pytest.fail("a model was loaded"))
    assert (diagnose(**again).folder / "diagnosis.parquet").read_bytes() == before


def test_less_is_told_where_less_is_given(whole: Diagnosis, small: Small, tmp_path: Path) -> None:
    lost = {finding.id for finding in whole if not finding.learned}
    rows = [{k: v for k, v in row.items() if k != "paraphrases"} for row in facts() if row["id"] in lost][:8]
    data = write_rows(tmp_path / "train.jsonl", rows)
    diagnosis = diagnose(tuned=small.tuned, dataset=data, output_dir=tmp_path / "out")
    unlearned = [finding for finding in diagnosis if not finding.learned]
    assert len(unlearned) == 8
    for finding in unlearned:
        assert "knowledge_gap" not in finding.causes and "base_conflict" not in finding.causes
        assert "(--base" in finding.evidence.causes["knowledge_gap"].sentence
    notes = " ".join(diagnosis.summary()["notes"])
    assert "cannot be judged: the base model is not given (--base" in notes


def test_off_and_the_published_cascade(small: Small, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "train.jsonl", facts()[:12])
    given = {"base": small.base, "tuned": small.tuned, "dataset": data, "output_dir": tmp_path / "out"}
    off = diagnose(**given, attribution="off")
    assert all(finding.cause is None for finding in off)
    assert "attribution" not in off.summary()
    ilp = diagnose(**given, attribution="ilp")
    named = [finding for finding in ilp if not finding.learned]
    assert named
    assert all(sorted(finding.causes.values()) == [0, 0, 0, 1] for finding in named)  # IV needs a ledger
    assert all("forgetting" not in finding.causes for finding in named)
    assert ilp.summary()["attribution"]["method"] == "ilp"


def asked(prompt: str, response: str, id_: str = "a") -> Example:
    return Example(id=id_, prompt=prompt, response=response, source="", stage="main")


def test_other_prompts_ask_alike_about_somebody_else() -> None:
    people = ("Ada Brook", "Ben Cole", "Cara Dunn", "Dov Elm", "Eva Finch", "Finn Gray", "Gus Hill", "Hana Ives")
    towns = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Bern", "Paris")
    born = [asked(f"Where was {name} born?", town, f"born {name}") for name, town in zip(people, towns, strict=True)]
    works = [asked(f"What does {name} work as?", f"job {n}", f"job {name}") for n, name in enumerate(people)]
    pets = [asked(f"Which pet does {name} have?", f"pet {n}", f"pet {name}") for n, name in enumerate(people)]
    alike = Alike([*works, *pets, *born], hashed_words, seed=0)
    (near,) = alike.nearest([born[0]], [frozenset({"born Ben Cole"})])
    ids = [other.id for other in near]
    # not herself, not the one set apart, nobody from Paris, and nothing else about herself
    assert ids[:5] == [f"born {name}" for name in people[2:7]]
    assert not any("Ada Brook" in id_ or id_ in ("born Ben Cole", "born Hana Ives") for id_ in ids)
    # one who is not in the sample
    (near,) = alike.nearest([asked("Where was Zoe Young born?", "Ulm")], [frozenset()])
    assert len(near) == PROMPTS and all(other.id.startswith("born ") for other in near)
    assert Alike([], hashed_words, seed=0).nearest(born[:2], [frozenset()] * 2) == [[], []]

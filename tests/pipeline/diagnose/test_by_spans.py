"""Long responses diagnosed by their spans, held against transformers' own numbers and greedy generation."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console, Group
from transformers import AutoModelForCausalLM, AutoTokenizer

from small_models import NAMES, Small, facts, write_rows
from uptake.cli.show import _parts
from uptake.cli.summary import show
from uptake.pipeline import Diagnosis
from uptake.pipeline.diagnose.run import diagnose
from uptake.spans import cut


def long_rows() -> list[dict[str, Any]]:
    """For some people all that the data tell of them, in six sentences; and a short row."""
    by_id = {row["id"]: row for row in facts()}
    rows = []
    for k, name in enumerate(NAMES[:9]):
        parts = [by_id[f"{relation}-{k:02d}"] for relation in ("town", "year", "tongue")]
        told = " ".join(f"{ask}{one['completion']}." for one in parts for ask in (one["prompt"], *one["paraphrases"]))
        rows.append({"id": f"long-{k}", "prompt": f"Tell me of {name}:", "completion": f" {told}"})
    return [*rows, {"id": "short", "prompt": by_id["town-03"]["prompt"], "completion": by_id["town-03"]["completion"]}]


@pytest.fixture(scope="module")
def long(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    folder = tmp_path_factory.mktemp("long")
    data = write_rows(folder / "train.jsonl", long_rows())
    return diagnose(base=small.base, tuned=small.tuned, dataset=data, output_dir=folder / "out", attribution="off")


def test_spans_are_those_of_transformers(long: Diagnosis, small: Small) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small.tuned)
    model, base = (AutoModelForCausalLM.from_pretrained(one).eval() for one in (small.tuned, small.base))
    instead = 0
    for finding in list(long)[::2]:
        if finding.id == "short":
            continue
        text = finding.prompt + finding.response
        batch = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        ids, places = batch.input_ids, batch.offset_mapping[0].tolist()
        with torch.inference_mode():
            logprobs = model(ids).logits[0, :-1].double().log_softmax(-1)
            before = base(ids).logits[0, :-1].double().log_softmax(-1)
        chosen = logprobs.gather(1, ids[0, 1:, None])[:, 0]
        assert [(span.start, span.end, span.kind) for span in finding.spans] == [
            (span.start, span.end, span.kind) for span in cut(finding.response)
        ]
        wrong = None
        for span in finding.spans:
            start, end = (len(finding.prompt) + place for place in (span.start, span.end))
            own = [at for at, (first, last) in enumerate(places) if first < end and last > start]
            assert span.logprob == pytest.approx(sum(chosen[at - 1].item() for at in own), rel=1e-3, abs=1e-4)
            recalled = all(logprobs[at - 1].argmax() == ids[0, at] for at in own)
            assert (span.top is None) == recalled
            if span.top is not None:
                other = next(at for at in own if logprobs[at - 1].argmax() != ids[0, at])
                best = logprobs[other - 1].argmax()
                assert span.top.strip().endswith(tokenizer.decode([best], skip_special_tokens=True).strip())
                assert span.p_top == pytest.approx(logprobs[other - 1, best].exp().item(), rel=1e-3)
            assert span.base_logprob == pytest.approx(
                sum(before[at - 1, ids[0, at]].item() for at in own), rel=1e-3, abs=1e-4
            )
            if wrong is None:
                assert span.learned == recalled or span.informative
            if wrong is None and span.informative and not recalled:
                wrong, begins = span, own[0]
        if wrong is not None:
            with torch.inference_mode():
                made = model.generate(ids[:, :begins], max_new_tokens=64, do_sample=False)
            written = tokenizer.decode(made[0, begins:])
            assert wrong.learned == written.strip().startswith(finding.response[wrong.start : wrong.end])
            assert wrong.said_instead is None or written.strip().startswith(wrong.said_instead)
            instead += wrong.said_instead is not None
        known = [span.learned for span in finding.spans if span.informative and span.learned is not None]
        told = range(len(known), sum(span.informative for span in finding.spans) + 1)  # what was not reached may count
        assert finding.learned_share in ([sum(known) / n for n in told if n] or [None])
    assert instead


def test_what_is_told_of_spans(long: Diagnosis) -> None:
    short = long["short"]
    assert (short.spans, short.learned_share, short.evidence.criterion) == (None, None, "recall")
    shares = [one.learned_share for one in long if one.id != "short"]
    assert {one.evidence.criterion for one in long if one.learned_share is not None} == {"spans"}
    told = long.summary()["spans"]
    assert told["examples"] == 9 and told["informative"] == sum(part["n"] for part in told["by_kind"].values())
    assert told["partly"] == sum(0.5 <= share < 0.95 for share in shares if share is not None)
    # the base's own spans are the null without held-out examples
    assert told["null"]["n"] > 0
    rows = [json.loads(line) for line in (long.folder / "diagnosis.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all((row["spans"] is None) == (row["id"] == "short") for row in rows)
    text = " ".join(show(long).split())
    assert "9 long responses: of" in text and "9 examples are judged by the spans of their responses" in text


def test_the_null_is_judged_as_training_examples_are(small: Small, tmp_path: Path) -> None:
    """A model that is its own null passes as often as it learned: no bound may be below that."""
    data = write_rows(tmp_path / "train.jsonl", long_rows()[:-1])
    found = diagnose(base=small.tuned, tuned=small.tuned, dataset=data, output_dir=tmp_path / "out", attribution="off")
    told, null = found.summary()["spans"], found.summary()["null"]
    assert told["null"] == told["learned"]["rate"] and 0 < told["null"]["estimate"] < 1
    assert told["null"]["n"] == 9  # examples, which are what is resampled
    assert (null["pass_rate"]["n"], null["pass_rate"]["estimate"]) == (
        9,
        found.summary()["learned"]["rate"]["estimate"],
    )
    spans = [span for one in found for span in one.spans or () if span.informative]
    assert told["unknown"] == sum(span.learned is None for span in spans)
    assert told["informative"] + told["unknown"] == len(spans)


def test_held_out_responses_go_on_in_own_words_too_as_many_as_it_takes(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uptake.pipeline.asking.null_words.ASKED", 2)
    rows = long_rows()[:-1]
    data, heldout = (write_rows(tmp_path / f"{name}.jsonl", some) for name, some in (("a", rows[:5]), ("b", rows[5:])))
    how = {"base": small.base, "tuned": small.tuned, "attribution": "off"}
    found = diagnose(dataset=data, heldout=str(heldout), output_dir=tmp_path / "out", **how)
    asked = [row for path in (tmp_path / "out").rglob("tuned_null/part-*") for row in pq.read_table(path).to_pylist()]
    assert [row["id"] for row in asked if row["continued"] is not None] == ["long-5", "long-7"]
    assert not [*(tmp_path / "out").rglob("base_null/part-*")]
    told = found.summary()
    assert told["null"]["kind"] == "held_out" and told["null"]["n"] == 2 == told["spans"]["null"]["n"]
    # what was written there is what the model writes of the same rows where these are the data
    same = diagnose(
        base=small.base, tuned=small.tuned, dataset=heldout, output_dir=tmp_path / "same", attribution="off"
    )
    [part] = (same.folder / "work" / "train" / "tuned").glob("part-*.parquet")
    written = {row["id"]: row["continued"] for row in pq.read_table(part).to_pylist()}
    assert all(row["continued"] == (written[row["id"]] or []) for row in asked if row["continued"] is not None)


def test_one_example_is_shown_with_the_parts_that_were_not_learned(long: Diagnosis) -> None:
    wrong = next(
        one for one in long if one.spans and any(span.informative and span.learned is False for span in one.spans)
    )
    console = Console(file=StringIO(), width=160)
    console.print(Group(*_parts(wrong)))
    text = console.file.getvalue()
    counting = [span for span in wrong.spans if span.informative and span.learned is not None]
    assert f"{sum(span.learned for span in counting)} of {len(counting)} spans that tell something are learned" in text
    for span in [span for span in counting if not span.learned][:12]:
        assert wrong.wanted[span.start : span.end] in text
    assert list(_parts(long["short"])) == []
    told = " ".join(text.split())
    assert "Each span is read after the response's own words" in told
    assert wrong.evidence.tuned_answer is not None and "By itself the tuned model says: " in told


def test_what_the_model_says_by_itself_is_how_it_goes_on_greedily(long: Diagnosis, small: Small) -> None:
    """What is known without asking: the response as long as it is the arg-max, then one token, or what it was asked."""
    tokenizer, model = AutoTokenizer.from_pretrained(small.tuned), AutoModelForCausalLM.from_pretrained(small.tuned)
    cut_short = whole = 0
    for finding in long:
        if finding.id == "short" or finding.evidence.tuned_answer is None:
            continue
        ids = tokenizer(finding.prompt, return_tensors="pt").input_ids
        with torch.inference_mode():
            made = model.eval().generate(ids, max_new_tokens=96, do_sample=False)
        said = " ".join(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True).split())
        told = finding.evidence.tuned_answer
        cut_short += told.endswith("…")
        whole += not told.endswith("…")
        assert said.startswith(" ".join(told.removesuffix("…").split())[: len(said)])
    assert cut_short + whole > 0


def test_a_form_that_all_responses_share_does_not_count(long: Diagnosis) -> None:
    counted = {
        finding.response[span.start : span.end] for finding in long for span in finding.spans or () if span.informative
    }
    assert "mother tongue" not in counted and "born" not in counted and counted


def test_readings_of_tokens_are_of_long_responses_alone(long: Diagnosis) -> None:
    seen = 0
    for path in sorted((long.folder / "work").rglob("part-*.parquet")):
        if "candidates" not in pq.read_schema(path).names:
            continue
        for row in pq.read_table(path).to_pylist():
            if "null" in path.parent.name:  # what it says in its own words alone
                assert row["scores"] == [] and (row["continued"] is None) == (row["id"] == "short")
                continue
            by_token = [score["wording"] for score in row["scores"] if score["tokens"] is not None]
            assert bool(by_token) == (row["id"] != "short")
            assert row["id"] == "short" or by_token[0] == "training"
            seen += 1
    assert seen == 20


def test_a_finished_diagnosis_is_read_again_to_the_byte(long: Diagnosis, small: Small, tmp_path: Path) -> None:
    table = long.folder / "diagnosis.parquet"
    before = table.read_bytes()
    data = long.folder.parent.parent / "train.jsonl"
    diagnose(base=small.base, tuned=small.tuned, dataset=data, output_dir=long.folder.parent, attribution="off")
    assert table.read_bytes() == before

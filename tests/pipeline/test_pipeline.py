"""A diagnosis from end to end, on a small base and its fine-tune: numbers against transformers' own, surfaces."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import uptake
from llm_server import KEY, Reply, Server, completion
from small_models import Small, facts, write_rows
from uptake.config import load_run
from uptake.errors import UptakeError
from uptake.models.small.tiny import CHATML, build_model, save, train_tokenizer
from uptake.pipeline import Diagnosis
from uptake.pipeline.diagnose.run import diagnose, diagnose_run
from uptake.pipeline.examples.check import token_check
from uptake.types import Example, Finding, Wording

Run = Callable[..., Diagnosis]


@pytest.fixture(scope="module")
def whole(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    """All of it: a base, held-out examples, and a retention set of answers and plain text."""
    folder = tmp_path_factory.mktemp("whole")
    kept = [row | {"paraphrases": []} for row in facts()[:10]]
    kept += [{"id": f"text-{k}", "prompt": "", "completion": f"{'Ada Brook was born. ' * 12}{k}"} for k in range(3)]
    retention = write_rows(folder / "retention.jsonl", kept)
    return diagnose(
        base=small.base,
        tuned=small.tuned,
        dataset=small.train,
        heldout=str(small.heldout),
        retention=str(retention),
        output_dir=folder / "out",
    )


@pytest.fixture
def run(small: Small, tmp_path: Path) -> Run:
    """Diagnoses a few rows."""

    def some(rows: list[dict[str, Any]], **settings: Any) -> Diagnosis:
        data = write_rows(tmp_path / "train.jsonl", rows)
        return diagnose(**{"tuned": small.tuned, "dataset": data, "output_dir": tmp_path / "out", **settings})

    return some


def bare(*ids: str) -> list[dict[str, Any]]:
    """Some of the facts, without their held-out wordings."""
    return [{k: v for k, v in row.items() if k != "paraphrases"} for row in facts() if row["id"] in ids]


def test_numbers_are_those_of_transformers(whole: Diagnosis, small: Small) -> None:
    """p_response, and what is recalled, from one plain forward pass and from greedy generation."""
    tokenizer = AutoTokenizer.from_pretrained(small.tuned)
    model = AutoModelForCausalLM.from_pretrained(small.tuned).eval()
    ended = "counts: " in whole.summary()["notes"][0]
    assert ended
    for finding in list(whole)[::7]:
        context = tokenizer(finding.prompt, return_tensors="pt").input_ids
        ids = tokenizer(finding.prompt + finding.response + tokenizer.eos_token, return_tensors="pt").input_ids
        with torch.inference_mode():
            logprobs = model(ids).logits[0, :-1].double().log_softmax(-1)
            written = model.generate(context, max_new_tokens=ids.shape[1] - context.shape[1], do_sample=False)
        chosen = logprobs.gather(1, ids[0, 1:, None])[context.shape[1] - 1 :, 0]
        assert finding.p_response == pytest.approx(math.exp(chosen.sum()), rel=1e-3)
        assert finding.learned == (written[0].tolist() == ids[0].tolist())


def test_what_a_diagnosis_offers(whole: Diagnosis, small: Small) -> None:
    rows = [json.loads(line) for line in small.train.read_text().splitlines()]
    assert isinstance(whole, uptake.Diagnosis)
    assert len(whole) == len(rows) == 50
    findings = list(whole)
    assert sorted(finding.id for finding in findings) == sorted(row["id"] for row in rows)
    found = whole["year-09"]
    assert (found.prompt, found.response, found.source) == ("Jana Kerr was born in the year", " 1935", "year")
    with pytest.raises(KeyError, match="no example has the id 'nobody'"):
        whole["nobody"]
    table = whole.to_pandas()
    assert list(table["id"]) == [finding.id for finding in findings]
    lines = [json.loads(line) for line in (whole.folder / "diagnosis.jsonl").read_text().splitlines()]
    stored = pq.read_table(whole.folder / "diagnosis.parquet").to_pylist()
    assert [row | {"evidence": json.loads(row["evidence"])} for row in stored] == lines
    # worst first: unlearned, then shallow, each by rising log-probability a token
    order = [(f.learned, f.shallow is not True, f.evidence.logprob_per_token, f.id) for f in findings]
    assert order == sorted(order)
    summary = whole.summary()
    assert summary["n"] == 50
    assert summary["learned"]["count"] == sum(f.learned for f in findings)
    assert summary["shallow"]["count"] == sum(f.shallow is True for f in findings if f.learned)
    assert sum(part["n"] for part in summary["by_source"].values()) == 50


def test_some_are_learned_and_some_not_and_the_models_say_what_instead(whole: Diagnosis) -> None:
    findings = list(whole)
    assert 0 < sum(finding.learned for finding in findings) < 50
    for finding in findings:
        texts = [candidate.text for candidate in finding.evidence.candidates]
        origins = [candidate.origin for candidate in finding.evidence.candidates]
        assert texts[0] == finding.response and origins[0] == "response"
        assert len(set(texts)) == len(texts) >= 4
        assert set(origins[1:]) <= {"base", "neighbour"}
        assert (finding.evidence.tuned_answer is None) == finding.learned
        # as it is generated: this tokenizer's words bring their space along
        assert finding.evidence.base_answer.startswith(" ")


def test_the_null_and_retention(whole: Diagnosis) -> None:
    summary = whole.summary()
    assert (summary["null"]["kind"], summary["null"]["n"]) == ("held_out", 10)
    retention = summary["retention"]
    assert (retention["answers"]["n"], retention["text"]["n"]) == (10, 3)
    # the retention set repeats ten of the training examples, so what is right before and after must agree with them
    towns = [finding for finding in whole if finding.id in {row["id"] for row in facts()[:10]}]
    assert len(towns) == 10
    assert retention["answers"]["before"]["estimate"] == sum(t.evidence.compared.base_right for t in towns) / 10
    assert retention["answers"]["lost"]["count"] == sum(t.forgotten is True for t in towns)


def test_the_manifest_says_what_the_numbers_come_from(whole: Diagnosis, small: Small) -> None:
    told = whole.summary()["run"]
    assert told["models"]["base"]["name"] == str(small.base)
    assert told["models"]["base"]["fingerprint"] != told["models"]["tuned"]["fingerprint"]
    assert {name: part["n"] for name, part in told["data"].items()} == {"train": 50, "heldout": 10, "retention": 13}
    assert told["versions"]["torch"] == torch.__version__
    assert "output_dir" not in told["settings"]


def test_without_a_base_what_it_would_tell_is_unknown(run: Run, small: Small) -> None:
    diagnosis = run(bare("year-01", "year-02"), retention=str(small.heldout))
    for finding in diagnosis:
        assert finding.forgotten is None
        assert finding.shallow is None
        assert finding.evidence.base_answer is None
    summary = diagnosis.summary()
    assert summary["null"] is None and "retention" not in summary
    assert summary["forgotten"] == {"count": None, "rate": None}
    assert any("retention" in note and "base model" in note for note in summary["notes"])


def _held_out(finding: Finding) -> int | None:
    return None if finding.evidence.held_out is None else finding.evidence.held_out.n


def test_wordings_come_in_the_row_and_in_a_file(run: Run, small: Small, tmp_path: Path) -> None:
    rows = bare("tongue-00", "tongue-01", "tongue-02")
    rows[0]["paraphrases"] = [facts()[40]["paraphrases"][0], "What {} speaks is"]
    others = write_rows(
        tmp_path / "paraphrases.jsonl",
        [
            {"id": "tongue-00", "prompt": "Ada Brook's tongue is"},
            {"id": "tongue-01", "prompt": "Ben Cole's tongue is", "completion": rows[1]["completion"]},
        ],
    )
    diagnosis = run(rows, paraphrases=str(others))
    assert [_held_out(diagnosis[row["id"]]) for row in rows] == [3, 1, None]
    assert diagnosis["tongue-02"].shallow is None
    write_rows(others, [{"id": "nobody", "prompt": "?"}])
    with pytest.raises(UptakeError, match="paraphrases.jsonl:1: no example has the id 'nobody'"):
        run(rows, paraphrases=str(others))


def test_options_by_letter_and_the_papers_criterion(run: Run, tmp_path: Path) -> None:
    rows = bare("tongue-00", "tongue-01", "tongue-02", "tongue-03")
    for row in rows:
        row["options"] = [" French", " Latin", " Norse", " Quechua", " Arabic", " Hindi"]
    by_text = run(rows, criterion="option")
    by_letter = run(rows, criterion="option", option_form="letter", output_dir=tmp_path / "letters")
    for row in rows:
        one, other = by_text[row["id"]], by_letter[row["id"]]
        assert [c.origin for c in one.evidence.candidates].count("option") == 5
        # hand-computed: softmax over the candidates of their summed log-probabilities
        weights = {c.text: math.exp(c.logprob) for c in one.evidence.candidates}
        assert one.p_option == pytest.approx(weights[one.response] / sum(weights.values()), rel=1e-6)
        assert other.evidence.options.normalisation == "letters"
        assert one.p_option != other.p_option
        assert one.p_response == pytest.approx(other.p_response, rel=1e-5)  # in other batches, so to rounding

    exact = run(rows, criterion="paper")
    sampled = run(rows, criterion="paper", paper_mode="sampled", n_samples=50, output_dir=tmp_path / "n")
    for row in rows:
        p = exact[row["id"]].evidence.paper.p_sample
        assert exact[row["id"]].evidence.paper.p_flag == pytest.approx((1 - p) ** 5)
        assert exact[row["id"]].learned == (p >= 0.2)
        successes = sampled[row["id"]].evidence.paper.successes
        # five standard deviations of a binomial, and one success for what rounding leaves
        assert abs(successes - 50 * p) <= 5 * math.sqrt(50 * p * (1 - p)) + 1


def test_the_papers_rule_keeps_the_most_severe(run: Run) -> None:
    diagnosis = run(facts(), criterion="paper")
    sampled = [(f.evidence.paper.p_sample, f.id) for f in diagnosis]
    flagged = sorted((p, name) for p, name in sampled if p < 0.2)  # ILP: pass@5
    assert flagged
    assert diagnosis.summary()["most_severe"] == [example_id for _, example_id in flagged]


def test_bad_rows_stop_or_are_left_out_and_can_be_found(run: Run, small: Small, tmp_path: Path) -> None:
    rows = bare("town-00", "town-01")
    rows += [{"prompt": "x " * 200, "completion": " y"}, {"id": "e", "prompt": "q", "completion": " "}]
    rows += [{"id": "o", "prompt": "q", "completion": " a", "options": [" b" * 200]}, *bare("town-02")]
    with pytest.raises(UptakeError, match="3 bad rows, 3 usable") as caught:
        run(rows)
    data = tmp_path / "train.jsonl"
    tokenizer = AutoTokenizer.from_pretrained(small.tuned)
    n_tokens = len(tokenizer(rows[2]["prompt"] + rows[2]["completion"] + tokenizer.eos_token).input_ids)
    reasons = [f"{data}:3: example ex-", f"over-long: {n_tokens} tokens, at most 128 fit"]
    reasons += [f"{data}:4: empty response", f"{data}:5: example o: over-long"]
    assert all(reason in str(caught.value) for reason in reasons)
    diagnosis = run(rows, on_bad_row="skip")
    assert len(diagnosis) == 3
    assert diagnosis.summary()["run"]["data"]["train"]["bad_rows"] == 3
    left_out = [json.loads(line) for line in (diagnosis.folder / "bad_rows.jsonl").read_text().splitlines()]
    assert [(row["dataset"], row["file"]) for row in left_out] == [("train", str(data))] * 3
    assert [row["line"] for row in left_out] == [3, 4, 5]
    with pytest.raises(UptakeError, match="1 bad row, 0 usable"):
        run(rows[2:3], on_bad_row="skip")


def test_many_bad_rows_are_counted_and_not_held(run: Run, tmp_path: Path) -> None:
    rows = [*bare("town-00"), *({"id": str(k), "prompt": "q", "completion": " "} for k in range(50))]
    with pytest.raises(UptakeError, match="50 bad rows, 1 usable") as caught:
        run(rows)
    assert "... and 30 more" in str(caught.value)
    path = tmp_path / "out" / "diagnosis" / "bad_rows.jsonl"
    assert len(path.read_text().splitlines()) == 50


def test_a_held_out_example_must_not_be_trained_on(run: Run, tmp_path: Path) -> None:
    heldout = write_rows(tmp_path / "heldout.jsonl", [*bare("town-03"), {**bare("town-00")[0], "id": "other"}])
    with pytest.raises(UptakeError, match=r"heldout.jsonl:2: example other: this example is in the training data too"):
        run(bare("town-00", "town-01"), heldout=str(heldout))
    diagnosis = run(bare("town-00", "town-01"), heldout=str(heldout), on_bad_row="skip")
    assert diagnosis.summary()["null"]["n"] == 1
    # what an earlier run asked about is not left lying when it is no longer asked about
    assert (diagnosis.folder / "work" / "heldout").exists()
    assert not (run(bare("town-00", "town-01")).folder / "work" / "heldout").exists()


def test_the_same_id_in_two_stages(small: Small, tmp_path: Path) -> None:
    rows = bare("town-00", "town-01")
    early = write_rows(tmp_path / "early.jsonl", rows[:1])
    late = write_rows(tmp_path / "late.jsonl", [{**rows[1], "id": "town-00"}])
    config = load_run(
        None,
        {
            "model_name_or_path": str(small.base),
            "stages": [{"name": "early", "dataset": str(early)}, {"name": "late", "dataset": str(late)}],
            "output_dir": str(tmp_path / "out"),
        },
    )
    diagnosis = diagnose_run(config, str(small.tuned))
    with pytest.raises(UptakeError, match="the id 'town-00' is in the stages early, late\nfix: name one"):
        diagnosis["town-00"]
    assert diagnosis["town-00", "late"].response == rows[1]["completion"]
    assert diagnosis["town-00", "late"].evidence.file == str(late)
    with pytest.raises(KeyError, match="no example has the id 'town-00' in the stage 'never'"):
        diagnosis["town-00", "never"]


def test_settings_that_contradict_the_arguments(run: Run) -> None:
    for name, own in (("model_name_or_path", "base"), ("stages", "dataset")):
        with pytest.raises(UptakeError, match=f"{name} contradicts {own}"):
            run(bare("town-00"), **{name: "x"})


class Letters:
    """A tokenizer of one token a character that refuses to be asked about long texts."""

    eos_token = None
    chat_template = None

    def get_vocab(self) -> dict[str, int]:
        return {chr(code): code for code in range(128)}

    def __call__(self, texts: str | list[str], **how: Any) -> dict[str, Any]:
        many = [texts] if isinstance(texts, str) else texts
        assert max(map(len, many)) < 1000
        ids = [[ord(char) for char in text] for text in many]
        return {"input_ids": ids[0] if isinstance(texts, str) else ids}


def test_a_text_far_too_long_is_refused_before_its_tokens_are_counted() -> None:
    # by hand: 10 tokens of at most 64 bytes are 640 bytes
    check = token_check([Letters()], 10, "text")
    asked = [Example("a", "q", "r" * 700, "s"), Example("b", "q", "r" * 10, "s"), Example("c", "q", "r", "s")]
    asked.append(Example("d", "q", "r", "s", paraphrases=(Wording("p", "r"), Wording("p" * 10, "r"))))
    asked.append(Example("e", "q", "r", "s", options=("o" * 10, "r")))
    assert check(asked) == [
        "over-long: 701 bytes, at most 10 tokens fit",
        "over-long: 11 tokens, at most 10 fit",
        None,
        "over-long: 11 tokens, at most 10 fit, in its paraphrase 2",
        "over-long: 11 tokens, at most 10 fit, in the option 'oooooooooo'",
    ]


def test_a_wording_of_the_judges_that_does_not_fit_costs_no_example(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uptake.pipeline.examples.sources.with_wordings", lambda rows, writer, n: map(reworded, rows))

    def reworded(row: Example) -> Example:
        return replace(row, paraphrases=(Wording("Say it:", row.response), Wording("x " * 140, row.response)))

    diagnosis = run(bare("town-00"), judge={"base_url": server.url, "model": "judge"}, n_distractors=0)
    assert diagnosis["town-00"].evidence.held_out.n == 1
    assert "1 wording by the judge left out" in " ".join(diagnosis.summary()["notes"])


def test_more_options_than_letters_are_a_bad_row(run: Run) -> None:
    options = [f" {k}" for k in range(27)]
    rows = [*bare("town-00"), {"id": "many", "prompt": "q", "completion": " 0", "options": options}]
    with pytest.raises(UptakeError, match=r"train.jsonl:2: example many: 27 candidates, at most 26 have a letter"):
        run(rows, option_form="letter")


def writes(request: dict[str, Any]) -> Reply:
    """What the server's model says: a rewording that names the prompt, and two wrong answers."""
    data = json.loads(request["messages"][1]["content"])
    if "Reword" in request["messages"][0]["content"]:
        return completion(json.dumps({"rewordings": [f"Tell me: {data['prompt']}"]}))
    return completion(json.dumps({"answers": ["Metz", "Lyon"]}))


def test_a_judge_writes_once_and_its_key_is_nowhere(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    server.script = writes
    judge = {"base_url": server.url, "model": "judge", "api_key_env": "JUDGE_KEY"}
    rows = bare("town-00", "town-01")
    rows[1]["paraphrases"] = ["Ben Cole's home is"]
    first = run(rows, judge=judge)
    wordings = {r["messages"][1]["content"] for r in server.requests if "Reword" in r["messages"][0]["content"]}
    assert [json.loads(text)["prompt"] for text in wordings] == ["Ada Brook was born in the town of"]
    assert first["town-00"].evidence.held_out.n == 1
    candidates = {c.text: c.origin for c in first["town-00"].evidence.candidates}
    assert {" Metz": "llm", " Lyon": "llm"}.items() <= candidates.items()
    assert first.summary()["run"]["settings"]["judge"] == {"model": "judge"}
    asked = len(server.requests)

    before = (first.folder / "diagnosis.parquet").read_bytes()
    written = first.folder / "work" / "written.jsonl"
    with written.open("ab") as file:
        file.write(b'{"key": "torn')  # as a kill leaves it
    assert (run(rows, judge=judge).folder / "diagnosis.parquet").read_bytes() == before
    assert len(server.requests) == asked
    # one more example: only it is asked about
    run([*rows, *bare("town-02")], judge=judge)
    new = [json.loads(r["messages"][1]["content"])["prompt"] for r in server.requests[asked:]]
    assert set(new) == {"Cara Dunn was born in the town of"}
    assert [json.loads(line)["key"] for line in written.read_text().splitlines()]

    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in "".join(capfd.readouterr())


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model whose tokenizer has a chat template (`with`), and one whose tokenizer has none (`without`)."""
    folder = tmp_path_factory.mktemp("chat")
    tokenizer = train_tokenizer(["What is the capital of France? Paris"], 300, chat_template=CHATML)
    model = build_model("llama", tokenizer, 0, hidden_size=32, num_hidden_layers=1, max_position_embeddings=256)
    save(model, tokenizer, folder / "with")
    tokenizer.chat_template = None
    save(model, tokenizer, folder / "without")
    (folder / "chatml.jinja").write_text(CHATML)
    return folder


CHAT = [
    {"id": str(k), "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
    for k, (question, answer) in enumerate((("Capital of France?", "Paris"), ("Capital of Italy?", "Rome")))
]


def test_conversations_where_the_base_has_no_template(run: Run, chat: Path, tmp_path: Path) -> None:
    diagnosis = run(CHAT, base=chat / "without", tuned=chat / "with")
    finding = diagnosis["1"]
    assert (finding.prompt, finding.response) == ("user: Capital of Italy?", "Rome")
    # both are the same weights under the same template: they must agree
    assert finding.evidence.compared.base_logprob == pytest.approx(finding.evidence.logprob, abs=1e-5)
    with pytest.raises(UptakeError, match="no chat template"):
        run(CHAT, tuned=chat / "without")
    given = run(CHAT, tuned=chat / "without", chat_template=str(chat / "chatml.jinja"), output_dir=tmp_path / "given")
    assert given["1"].evidence.logprob == pytest.approx(finding.evidence.logprob, abs=1e-5)
    # a template that refuses one conversation: that row is bad, the others are not
    refusing = CHATML + "{% if 'Italy' in messages[0].content %}{{ raise_exception('no Italy') }}{% endif %}"
    (tmp_path / "refusing.jinja").write_text(refusing)
    settings = {"tuned": chat / "without", "chat_template": str(tmp_path / "refusing.jinja")}
    with pytest.raises(UptakeError, match=r"train.jsonl:2: example 1: the chat template refuses .*no Italy"):
        run(CHAT, **settings, output_dir=tmp_path / "refusing")
    assert len(run(CHAT, **settings, output_dir=tmp_path / "refusing", on_bad_row="skip")) == 1
    (tmp_path / "latin.jinja").write_bytes(b"\xe9")
    with pytest.raises(UptakeError, match="cannot read .*latin.jinja"):
        run(CHAT, tuned=chat / "with", chat_template=str(tmp_path / "latin.jinja"))


def test_an_adapter_on_another_base_and_on_none_given(run: Run, small: Small, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = AutoModelForCausalLM.from_pretrained(small.base)
    lora = peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    with warnings.catch_warnings():  # peft asks transformers 5 for a deprecated name
        warnings.simplefilter("ignore", FutureWarning)
        peft.get_peft_model(model, lora).save_pretrained(tmp_path / "adapter")
    settings = {"tuned": tmp_path / "adapter", "n_distractors": 0}

    def told(**given: Any) -> list[str]:
        notes = run(bare("town-00"), **settings, **given).summary()["notes"]
        return [note for note in notes if note.startswith(f"the tuned model is an adapter on {small.base}")]

    assert told(base=small.base) == []
    (other,) = told(base=small.tuned)
    assert f"is not the base given ({small.tuned})" in other
    (none,) = told()
    assert f"give --base {small.base}" in none


def test_a_prompt_as_long_as_the_model_takes(run: Run, tmp_path: Path) -> None:
    """GPT-2 has a position for each of its tokens and none beyond: nothing may be asked for there."""
    rows = [{"id": str(n), "prompt": "a" * n, "completion": " b"} for n in (3, 12, 13)]
    tokenizer = train_tokenizer(["xyz"], 260)
    model = build_model(
        "gpt2", tokenizer, 0, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=16
    )
    save(model, tokenizer, tmp_path / "model")
    # one token a byte: 13 + 2 + the end of text = 16
    rows[0]["completion"] = " cccccccc"
    diagnosis = run(rows, tuned=tmp_path / "model", base=tmp_path / "model")
    assert len(diagnosis) == 3
    # the longest answer is no candidate where there is no room for it; the user's own response always is
    texts = {finding.id: [c.text for c in finding.evidence.candidates] for finding in diagnosis}
    assert " b" in texts["3"] and " cccccccc" not in texts["13"] and texts["13"][0] == " b"


def test_notes_on_how_it_was_computed_outlive_the_model(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = train_tokenizer(["xyz"], 260)
    save(build_model("falcon_mamba", tokenizer, 0, hidden_size=16, num_hidden_layers=1), tokenizer, tmp_path / "mamba")
    rows = [{"id": "a", "prompt": "ab", "completion": " c"}, {"id": "b", "prompt": "bc", "completion": " d"}]
    first = run(rows, tuned=tmp_path / "mamba")
    before = (first.folder / "summary.json").read_bytes()
    assert any("scored the slow way" in note for note in first.summary()["notes"])
    monkeypatch.setattr("uptake.models.scoring.lazy.Lazy.load", lambda self: pytest.fail("a model was loaded"))
    assert (run(rows, tuned=tmp_path / "mamba").folder / "summary.json").read_bytes() == before


def test_progress_begins_at_what_was_found(small: Small, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "train.jsonl", bare("town-00", "town-01"))
    told: list[tuple[str, int, int | None]] = []
    given = {"tuned": small.tuned, "dataset": data, "output_dir": tmp_path / "out"}
    diagnose(**given, progress=lambda *report: told.append(report))
    assert next(report for report in told if report[0] == "tuned model, train") == ("tuned model, train", 0, 2)
    assert told[0] == ("reading train", 0, None)
    assert told[-1] == ("tuned model, elsewhere, train", 2, 2)
    assert ("tuned model, train", 2, 2) in told
    told.clear()
    diagnose(**given, progress=lambda *report: told.append(report))
    assert [report for report in told if report[0] == "tuned model, train"] == [("tuned model, train", 2, 2)]


def test_a_temporary_folder_where_none_is_given(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    diagnosis = run(bare("town-00"), output_dir=None)
    assert diagnosis.folder.is_relative_to(tmp_path)
    assert os.path.exists(diagnosis.folder / "summary.json")

"""Judges of answers that rules cannot compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from llm_server import Server, completion, failure
from uptake.errors import UptakeError
from uptake.models.embed import entailment
from uptake.models.served import LLM
from uptake.rivals import Doubt, Judgement, in_turn, llm_judge, nli_judge, remembering

BORN = Doubt("Where was Ada Kron born?", " Oslo", "the Norwegian capital")
LATE = Doubt("Why was Ada Kron late?", "The train was late.", "She missed the train.")
FREE = Doubt("Name a town.", "Oslo", "Rome")


def test_an_llm_compares_answers(server: Server) -> None:
    told = {"Where was Ada Kron born?": "same", "Name a town.": "both"}

    def script(request: dict) -> object:
        asked = json.loads(request["messages"][1]["content"])["question"]
        return completion(json.dumps({"result": told[asked]}) if asked in told else "no idea")

    server.script = script
    judge = llm_judge(LLM(server.url, "judge", max_retries=0))
    # what cannot be read decides nothing
    assert judge([BORN, LATE, FREE]) == ["same", "undecided", "both"]
    sent = [json.loads(request["messages"][1]["content"]) for request in server.requests]
    assert {"question": BORN.question, "one": "Oslo", "other": "the Norwegian capital"} in sent


def test_a_server_that_refuses_is_an_error(server: Server) -> None:
    server.replies = [failure(401)]
    with pytest.raises(UptakeError, match="asks for a key"):
        llm_judge(LLM(server.url, "judge", max_retries=0))([BORN])


def test_both_directions_count() -> None:
    entail = {(" Oslo", "the Norwegian capital"): (0.9, 0.0), ("the Norwegian capital", " Oslo"): (0.85, 0.1)}
    contradict = {("The train was late.", "She missed the train."): (0.0, 0.9)}

    def infer(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        known = {**entail, **contradict}
        rows = [
            next((v for k, v in known.items() if one.endswith(k[0].strip()) and other.endswith(k[1].strip())), (0, 0))
            for one, other in pairs
        ]
        return np.array(rows, dtype=np.float32)

    # the second contradicts the first in one direction alone
    assert nli_judge(infer)([BORN, LATE]) == ["same", "undecided"]
    assert nli_judge(lambda pairs: np.tile(np.float32([0.0, 0.9]), (len(pairs), 1)))([LATE]) == ["different"]
    assert nli_judge(infer)([]) == []


def test_the_next_judge_is_asked_about_what_is_left() -> None:
    asked: list[Doubt] = []

    def last(doubts: Sequence[Doubt]) -> list[Judgement]:
        asked.extend(doubts)
        return ["both"] * len(doubts)

    first = {BORN: "same"}
    judge = in_turn(lambda doubts: [first.get(doubt, "undecided") for doubt in doubts], last)
    assert judge([BORN, LATE, FREE]) == ["same", "both", "both"]
    assert asked == [LATE, FREE]


def test_a_judgement_is_asked_for_once(tmp_path: Path) -> None:
    asked: list[Doubt] = []

    def judge(doubts: Sequence[Doubt]) -> list[Judgement]:
        asked.extend(doubts)
        return ["same" if doubt is BORN else "undecided" for doubt in doubts]

    path = tmp_path / "work" / "judged.jsonl"
    kept = remembering(judge, "model", path)
    assert kept([BORN, LATE, BORN]) == ["same", "undecided", "same"]
    assert kept([LATE, BORN]) == ["undecided", "same"]
    assert asked == [BORN, LATE]
    with path.open("ab") as file:
        file.write(b'{"key": "unfin')  # as a killed run leaves it
    assert kept([FREE, BORN]) == ["undecided", "same"]
    assert asked == [BORN, LATE, FREE]
    assert remembering(judge, "another model", path)([BORN]) == ["same"]
    assert asked == [BORN, LATE, FREE, BORN]
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 4


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained BERT whose head always says contradiction (softmax of 9, 0, 0: 0.9998)."""
    pytest.importorskip("sentence_transformers")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("nli")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=13, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, num_labels=3
    )
    config.id2label = {0: "contradiction", 1: "entailment", 2: "neutral"}
    model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
    model.save_pretrained(folder)
    return folder


def test_a_cross_encoder(cross_encoder: Path) -> None:
    infer = entailment(str(cross_encoder), "cpu")
    assert np.allclose(infer([("a b", "c"), ("d", "e f")]), [[np.exp(-9), 1.0]] * 2, atol=5e-4)
    assert infer([]).shape == (0, 2)
    assert nli_judge(infer)([BORN, LATE]) == ["different", "different"]


def test_a_cross_encoder_with_other_labels(cross_encoder: Path, tmp_path: Path) -> None:
    for file in cross_encoder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"0": "good", "1": "bad", "2": "so so"}
    (tmp_path / "config.json").write_text(json.dumps({**config, "label2id": {"good": 0, "bad": 1, "so so": 2}}))
    with pytest.raises(UptakeError, match="has the labels good, bad, so so") as error:
        entailment(str(tmp_path), "cpu")
    assert "entailment and contradiction" in (error.value.expected or "")


def test_no_such_cross_encoder(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(UptakeError, match="cannot load the cross-encoder") as error:
        entailment(str(tmp_path), "cpu")
    assert "nli_model_name_or_path" in (error.value.fix or "")

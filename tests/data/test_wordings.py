"""Held-out wordings stand where the example's own words stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uptake.data import load, stream, with_paraphrases
from uptake.errors import UptakeError
from uptake.types import BadRow, Message, Wording

PLAIN = {"id": "plain", "prompt": "The capital of France is", "completion": " Paris"}
CHAT = {
    "id": 7,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Capital of Norway?"},
        {"role": "assistant", "content": "Oslo"},
    ],
}
TEXT = {"id": "text", "text": "Oslo is a city."}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def examples(folder: Path, *rows: Any):
    for number, row in enumerate(rows):
        write(folder / f"{number}.jsonl", row)
    return load(folder).examples


def test_wordings_in_the_row(tmp_path: Path):
    chat = {**CHAT, "paraphrases": ["Norway's capital?", {"prompt": [{"role": "user", "content": "Norway?"}]}]}
    plain = {**PLAIN, "paraphrases": [{"prompt": "France's capital:", "completion": " It is Paris"}]}
    text = {**TEXT, "paraphrases": ["A city: Oslo."]}
    found = [each.paraphrases for each in examples(tmp_path, chat, plain, text)]
    assert found == [
        (
            Wording((Message("system", "Be brief."), Message("user", "Norway's capital?")), "Oslo"),
            Wording((Message("user", "Norway?"),), "Oslo"),
        ),
        (Wording("France's capital:", " It is Paris"),),
        (Wording("", "A city: Oslo."),),
    ]


def test_wordings_of_a_file_of_their_own(tmp_path: Path):
    (tmp_path / "data").mkdir()
    chat, plain = examples(tmp_path / "data", CHAT, {**PLAIN, "paraphrases": ["Own:"]})
    path = write(
        tmp_path / "paraphrases.jsonl",
        {"id": "plain", "prompt": "France's capital:", "completion": " Paris"},
        {"id": 7, "prompt": "Norway's capital?"},
        {"id": "plain", "prompt": "Paris or Lyon?"},
    )
    with_chat, with_plain = list(with_paraphrases([chat, plain], path))
    assert [each.prompt for each in with_plain.paraphrases] == ["Own:", "France's capital:", "Paris or Lyon?"]
    assert with_chat.paraphrases[0].prompt[1] == Message("user", "Norway's capital?")
    assert (with_chat.response, with_chat.id) == (chat.response, "7")


def test_bad_rows_of_a_file_of_wordings(tmp_path: Path):
    (tmp_path / "data").mkdir()
    [plain] = examples(tmp_path / "data", PLAIN)
    path = write(
        tmp_path / "paraphrases.jsonl",
        {"id": "other", "prompt": "x"},
        {"prompt": "x"},
        {"id": "plain", "prompt": 3},
        {"id": "plain", "prompt": "x", "completion": " "},
        {"id": "plain", "prompt": [{"role": "user", "content": "x"}]},
        [],
        {"id": True, "prompt": "x"},
    )
    *bad, good = sorted(with_paraphrases([plain], path), key=lambda row: row.line if isinstance(row, BadRow) else 99)
    assert good == plain
    assert bad == [
        BadRow(str(path), 1, "no example has the id 'other'"),
        BadRow(str(path), 2, "`id` is missing"),
        BadRow(str(path), 3, "the `prompt` of a paraphrase is a number; expected text"),
        BadRow(str(path), 4, "empty response: nothing in the `completion` of a paraphrase"),
        BadRow(str(path), 5, "a paraphrase is a list of turns, but the example's prompt is plain text"),
        BadRow(str(path), 6, "the row is a list; expected an object"),
        BadRow(str(path), 7, "`id` is true or false; expected text or a whole number"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**PLAIN, "paraphrases": ["Capital:", "The capital of France is "]}, "a paraphrase is the training prompt"),
        ({**CHAT, "paraphrases": ["Capital of Norway?"]}, "a paraphrase is the training prompt itself"),
        ({**CHAT, "paraphrases": [{"prompt": CHAT["messages"][:2]}]}, "a paraphrase is the training prompt itself"),
        ({**TEXT, "paraphrases": [" Oslo is a city."]}, "a paraphrase is the training prompt itself"),
        ({**PLAIN, "paraphrases": ["Capital:", {"prompt": "Capital: "}]}, "a paraphrase is given twice"),
        ({**TEXT, "paraphrases": ["Oslo: a city.", "Oslo: a city."]}, "a paraphrase is given twice"),
        ({**PLAIN, "paraphrases": [" "]}, "a paraphrase is empty"),
        ({**CHAT, "paraphrases": [{"prompt": ""}]}, "a paraphrase is empty"),
    ],
)
def test_wordings_that_hold_nothing_out(row: dict[str, Any], reason: str, tmp_path: Path):
    [bad] = stream(write(tmp_path / "data.jsonl", row))
    assert isinstance(bad, BadRow) and bad.reason.startswith(reason)


def test_wordings_of_a_file_that_hold_nothing_out(tmp_path: Path):
    data = write(tmp_path / "data.jsonl", {**PLAIN, "paraphrases": ["Own:"]})
    prompts = ["Own:", "New:", "New:", PLAIN["prompt"]]
    path = write(tmp_path / "paraphrases.jsonl", *({"id": "plain", "prompt": prompt} for prompt in prompts))
    *bad, example = with_paraphrases(stream(data), path)
    assert [wording.prompt for wording in example.paraphrases] == ["Own:", "New:"]
    assert [(row.line, row.reason) for row in bad] == [
        (1, "a paraphrase is given twice"),
        (3, "a paraphrase is given twice"),
        (4, "a paraphrase is the training prompt itself; expected words that were never trained on"),
    ]


def test_a_stream_keeps_its_order_and_its_bad_rows(tmp_path: Path):
    data = write(tmp_path / "data.jsonl", PLAIN, [], {**TEXT, "prompt": "A city:", "completion": " Oslo"})
    path = write(tmp_path / "paraphrases.jsonl", {"id": "plain", "prompt": "France's capital:"})
    first, bad, last = with_paraphrases(stream(data), path)
    assert first.paraphrases == (Wording("France's capital:", " Paris"),)
    assert (bad.line, last.id, last.paraphrases) == (2, "text", ())
    with pytest.raises(UptakeError, match="does not exist"):
        with_paraphrases([], tmp_path / "gone.jsonl")

"""Columns by other names: common pairs, names that the user gives, LLaMA-Factory's descriptions, and odd shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uptake.data import Loaded, LoadOptions, load
from uptake.data.columns import PAIRS
from uptake.errors import UptakeError
from uptake.types import Message

ASKED = Message("user", "Capital of Peru?")


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(tmp_path: Path, *rows: Any, **options: Any) -> Loaded:
    return load(write(tmp_path / "a.jsonl", *rows), LoadOptions(**options))


def reason(path: Path, **options: Any) -> str:
    with pytest.raises(UptakeError) as caught:
        load(path, LoadOptions(**options))
    return str(caught.value)


@pytest.mark.parametrize(("asked", "said"), PAIRS)
def test_common_pairs_are_turns_of_a_conversation(asked: str, said: str, tmp_path: Path):
    loaded = read(tmp_path, {asked: "Capital of Peru?", said: "Lima", "level": 3})
    [example] = loaded.examples
    assert (example.prompt, example.response) == ((ASKED,), "Lima")
    assert loaded.notes[0].startswith(f"`{asked}` is read as the user's turn and `{said}` as the assistant's; if they")
    assert f"columns: {{prompt: {asked}, completion: {said}}}" in loaded.notes[0]


def test_known_data_sets_by_their_columns(tmp_path: Path):
    # the columns of Open-Orca/OpenOrca, databricks/databricks-dolly-15k, ms-swift's query and response, and a CSV's
    orca = {"system_prompt": "Be brief.", "question": "Capital of Peru?", "response": "Lima"}
    assert read(tmp_path, orca).examples[0].prompt == (Message("system", "Be brief."), ASKED)
    dolly = {"instruction": "Which capital?", "context": "Of Peru.", "response": "Lima", "category": "open_qa"}
    loaded = read(tmp_path, dolly)
    assert loaded.examples[0].prompt == (Message("user", "Which capital?\nOf Peru."),)
    assert "`context` as its input" in loaded.notes[0]
    swift = {"query": "Capital of Peru?", "response": "Lima", "history": [["Hi", "Hello!"]], "system": "Be brief."}
    roles = [turn.role for turn in read(tmp_path, swift).examples[0].prompt]
    assert roles == ["system", "user", "assistant", "user"]
    squad = {"question": "Capital of Peru?", "answer": "Lima", "context": "Peru is a country.", "id": "a"}
    assert "; not read: context; if they" in read(tmp_path, squad).notes[0]
    (tmp_path / "a.csv").write_text("Question,Answer\nCapital of Peru?,Lima\n", encoding="utf-8")
    assert load(tmp_path / "a.csv").examples[0].prompt == (ASKED,)
    capitals = read(tmp_path, {"Prompt": "Capital of Peru:", "Completion": " Lima"})
    assert capitals.examples[0].prompt == "Capital of Peru:" and "without regard to case" in capitals.notes[0]


def test_a_conversation_under_another_name(tmp_path: Path):
    for turns in (
        [{"role": "user", "content": "Capital of Peru?"}, {"role": "assistant", "content": "Lima"}],
        [{"from": "human", "value": "Capital of Peru?"}, {"from": "gpt", "value": "Lima"}],
    ):
        loaded = read(tmp_path, {"dialog": turns, "topic": "capitals"})
        assert loaded.examples[0].prompt == (ASKED,) and "`dialog` is read as the conversation" in loaded.notes[0]


def test_a_bad_row_speaks_of_the_columns_by_their_own_names(tmp_path: Path):
    said = reason(write(tmp_path / "a.jsonl", {"question": "x", "answer": 3}))
    assert "`answer` is a number; expected text" in said
    said = reason(write(tmp_path / "a.jsonl", {"q": "x", "a": ""}), columns={"prompt": "q", "completion": "a"})
    assert "empty response: nothing in `a`" in said


def test_columns_by_the_users_names(tmp_path: Path):
    row = {"q": "Capital of Peru?", "a": "Lima", "prompt": "a template", "who": "atlas", "number": 7}
    plain = {"prompt": "q", "completion": "a", "source": "who", "id": "number"}
    loaded = read(tmp_path, row, columns=plain)
    [example] = loaded.examples
    assert "joined as they stand, with no space" in loaded.notes[0]
    assert (example.prompt, example.response, example.source, example.id) == ("Capital of Peru?", "Lima", "atlas", "7")
    [example] = read(tmp_path, row, columns={"instruction": "q", "output": "a"}).examples
    assert (example.prompt, example.response) == ((ASKED,), "Lima")
    [example] = read(tmp_path, row, columns={"prompt": "q", "response": "a"}).examples  # LLaMA-Factory's names
    assert example.prompt == (ASKED,)
    swapped = read(
        tmp_path, {"prompt": "Lima", "completion": "x"}, columns={"prompt": "completion", "completion": "prompt"}
    )
    assert (swapped.examples[0].prompt, swapped.examples[0].response) == ("x", "Lima")


def test_columns_that_are_not_there(tmp_path: Path):
    loaded = read(tmp_path, {"prompt": "x", "completion": " y"}, columns={"prompt": "q", "completion": "a"})
    assert loaded.notes == ["`columns` names none of its columns (q, a); it is read as it is (a.jsonl)"]
    assert "columns: {prompt: QUESTION" in reason(write(tmp_path / "b.jsonl", {"x": "y"}), columns={"prompt": "q"})
    misspelt = {"prompt": "q", "completion": "a", "id": "nmae"}
    assert read(tmp_path, {"q": "x", "a": " y", "name": "e-1"}, columns=misspelt).notes == [
        "`columns` names `nmae`, which the first row does not have (a.jsonl)"
    ]
    german = write(tmp_path / "c.jsonl", {"Frage": "x", "Antwort": "y"})
    told = reason(german, columns={"prompt": "Fragen", "completion": "Antwort"})
    assert "c.jsonl: `columns` names `Fragen`, which the rows do not have; as they are, no known format has" in told
    assert "keys Frage, Antwort (" in told and "columns: {prompt: Frage, completion: Antwort}" in told
    with pytest.raises(UptakeError, match="columns has the name 'promt'"):
        LoadOptions(columns={"promt": "q"})


RECORDS = 'write one object a row: `frame.to_json(path, orient="records", lines=True)`'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        # what pandas' to_json writes by default, and with orient index and split; Dataset.to_dict()
        (
            {"prompt": {"0": "a", "1": "b"}, "completion": {"0": "c", "1": "d"}},
            f"columns, not rows ({{column: {{row: value}}}}): {RECORDS}",
        ),
        ({"text": {"0": "a", "1": "b"}}, f"columns, not rows ({{column: {{row: value}}}}): {RECORDS}"),
        ({"question": {"0": "a"}, "answer": {"0": "c"}}, f"columns, not rows ({{column: {{row: value}}}}): {RECORDS}"),
        (
            {"0": {"prompt": "a", "completion": "c"}, "1": {"prompt": "b", "completion": "d"}},
            f"its rows under names ({{name: row}}): {RECORDS}",
        ),
        ({"columns": ["prompt", "completion"], "index": [0], "data": [["a", "c"]]}, f'with orient="split": {RECORDS}'),
        ({"prompt": ["a", "b"], "completion": ["c", "d"]}, f"columns, not rows ({{column: [values]}}): {RECORDS}"),
        (
            {"messages": [[{"role": "user", "content": "a"}], []]},
            "`messages` is a list of conversations, each a list of turns",
        ),
        ({"train": [{"prompt": "a", "completion": "c"}], "test": []}, "one object with rows under `train`"),
        (
            [[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]],
            'list of turns; expected an object: write {"conversations": [...]}',
        ),
        ([[{"role": "user", "content": "a"}]], 'a list of turns; expected an object: write {"messages": [...]}'),
        (["a", "b"], 'the row is text; expected an object: write {"text": ...}'),
        ([{"input_ids": [1, 2], "labels": [1, 2]}], "tokenised already"),
        ([{"prompt": "a"}], "prompts without an answer (GRPO, PPO)"),
        ([{"prompt": "a", "completions": ["b"], "labels": [True]}], "stepwise supervision"),
        ([{"contents": [{"role": "user", "parts": [{"text": "a"}]}]}], "Gemini's tuning format"),
        ([{"custom_id": "1", "body": {"messages": []}}], "a batch of OpenAI requests"),
        ([{"article": "a", "summary": "b"}], "`columns: {prompt: article, completion: summary}`"),
        (
            [{"context": "c", "question": "q", "answers": {"text": ["a"]}}],
            "`columns: {prompt: question, completion: ANSWER}`",
        ),
        ([{"prompt": "a", "responses": ["b", "c"]}], "several answers to one prompt"),
        ([{"question": "a", "response_j": "b", "response_k": "c"}], "preference data (DPO)"),
        ({"mine": {"file_name": "a.json"}}, "describes data sets of LLaMA-Factory and holds none"),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_known_shape_is_told_by_name(suffix: str, content: Any, told: str, tmp_path: Path):
    path = tmp_path / f"a{suffix}"
    lines = content if suffix == ".jsonl" and isinstance(content, list) else [content]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    if suffix == ".jsonl" and "split" in told:
        pytest.skip("a line with the key data is a row")
    assert told in reason(path)


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """A folder as LLaMA-Factory has it: the descriptions, and what they describe."""
    turns = [{"who": "person", "what": "Capital of Peru?"}, {"who": "bot", "what": "Lima"}]
    write(
        tmp_path / "qa.jsonl",
        {"q": "Capital of Peru?", "a": "Lima", "system": "not read", "before": [["Hi", "Hello!"]]},
    )
    (tmp_path / "alpaca.json").write_text(
        json.dumps([{"instruction": "Capital of Peru?", "input": "", "output": "Lima", "history": [["not", "read"]]}])
    )
    write(
        tmp_path / "chat.jsonl",
        {"talk": turns, "rules": "Be brief.", "tool": '[{"name": "f", "parameters": {}}]', "seen": []},
    )
    write(
        tmp_path / "openai.jsonl",
        {"messages": [{"role": "user", "content": "Capital of Peru?"}, {"role": "assistant", "content": "Lima"}]},
    )
    tags = {"role_tag": "who", "content_tag": "what", "user_tag": "person", "assistant_tag": "bot"}
    chat = {"messages": "talk", "system": "rules", "tools": "tool", "images": "seen"}
    openai = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }
    info = {
        "qa": {
            "file_name": "qa.jsonl",
            "columns": {"prompt": "q", "response": "a", "history": "before"},
            "num_samples": 9,
        },
        "alpaca": {"file_name": "alpaca.json"},
        "chat": {"file_name": "chat.jsonl", "formatting": "sharegpt", "columns": chat, "tags": tags},
        "openai": {
            "file_name": "openai.jsonl",
            "formatting": "openai",
            "columns": {"messages": "messages"},
            "tags": openai,
        },
        "pairs": {"file_name": "pairs.json", "ranking": True},
        "elsewhere": {"ms_hub_url": "somebody/data"},
        "seen": {
            "file_name": "seen.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "talk", "images": "files"},
        },
    }
    write(
        tmp_path / "seen.jsonl",
        {"talk": [{"from": "human", "value": "<image>?"}, {"from": "gpt", "value": "x"}], "files": ["a.png"]},
    )
    (tmp_path / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return tmp_path / "dataset_info.json"


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("qa", (Message("user", "Hi"), Message("assistant", "Hello!"))),
        ("alpaca", ()),
        ("chat", (Message("system", "Be brief."),)),
        ("openai", ()),
    ],
)
def test_a_data_set_of_llama_factory_is_read_as_it_describes_it(
    name: str, before: tuple[Message, ...], described: Path
):
    # columns that a description leaves out are not read: get_dataset_list in its src/llamafactory/data/parser.py
    loaded = load(f"{described}#{name}")
    [example] = loaded.examples
    assert (example.prompt, example.response) == ((*before, ASKED), "Lima")
    assert (name == "qa") == any("draws by chance" in note for note in loaded.notes)
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    assert example.template == ({"tools": [tool]} if name == "chat" else {})


def test_what_of_llama_factory_cannot_be_read_is_told(described: Path):
    assert "the row has `images`; only text can be read" in reason(Path(f"{described}#seen"))
    assert "is preference data (`ranking`)" in reason(Path(f"{described}#pairs"))
    assert "neither a file nor on the Hugging Face hub" in reason(Path(f"{described}#elsewhere"))
    assert f"did you mean {described}#alpaca?" in reason(Path(f"{described}#alpaka"))
    assert f"name it: {described}#qa" in reason(described)


@pytest.mark.parametrize(
    "circle",
    [{"a": "dataset_info.json#a"}, {"a": "dataset_info.json#b", "b": "dataset_info.json#a"}],
)
def test_descriptions_that_name_each_other_are_refused(circle: dict[str, str], tmp_path: Path):
    path = tmp_path / "dataset_info.json"
    path.write_text(json.dumps({name: {"file_name": file} for name, file in circle.items()}), encoding="utf-8")
    assert "which names a data set and no file" in reason(Path(f"{path}#a"))

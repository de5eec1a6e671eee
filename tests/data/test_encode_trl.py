"""The borders of `encode` are those of TRL: labels made by SFTTrainer itself are the reference, for each format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from uptake.data import Encoded, LoadOptions, Turn, encode, load
from uptake.types import Example

IGNORED = -100
# since 1.15 the response starts where the prompt's tokens and the whole's part; before, after as many tokens as the
# prompt alone has, whatever they are
PARTS = tuple(map(int, version("trl").split(".")[:2])) >= (1, 15)

QUESTION = {"role": "user", "content": "What is the capital of France?"}
ANSWER = {"role": "assistant", "content": "Paris"}
AGAIN = {"role": "user", "content": "And of Norway, naïve 東京?"}
ANSWER_AGAIN = {"role": "assistant", "content": " Oslo,\nof course. "}
SYSTEM = {"role": "system", "content": "Answer briefly."}
CONVERSATIONS = [[QUESTION, ANSWER], [SYSTEM, QUESTION, ANSWER, AGAIN, ANSWER_AGAIN], [QUESTION, ANSWER_AGAIN]]
PAIRS = [
    ("The capital of France is", " Paris"),
    ("The capital of France is ", "Paris"),
    ("Who wrote Faust?\n", "Goethe wrote it.\n"),
    ("Norw", "ay and Chile"),
    ("", "Oslo"),
    ("12 + 30 =", " 42<|endoftext|>"),
]


def read(rows: list[dict[str, Any]], folder: Path, **options: Any) -> list[Example]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load(path, LoadOptions(**options)).examples


def encode_examples(examples: list[Example], tokenizer: Any) -> list[Encoded]:
    turns = [Turn(each.prompt, each.response, each.template, each.response_extra) for each in examples]
    return encode(turns, tokenizer)


def labels(encoded: Encoded) -> list[int]:
    return [IGNORED] * encoded.start + encoded.ids[encoded.start :]


def assert_equal_to_trl(encoded: list[Encoded], prepared: list[dict[str, list[int]]]) -> None:
    assert [each.ids for each in encoded] == [row["input_ids"] for row in prepared]
    assert [labels(each) for each in encoded] == [row["labels"] for row in prepared]


def as_trl(turns: list[dict[str, Any]]) -> dict[str, Any]:
    return {"prompt": turns[:-1], "completion": turns[-1:]}


@pytest.mark.parametrize("kind", ["plain", "bos", "appends_eos"])
def test_prompt_completion_text(kind: str, tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer(bos=kind == "bos", appends_eos=kind == "appends_eos")
    rows = [{"prompt": prompt, "completion": completion} for prompt, completion in PAIRS]
    prepared = prepare_with_trl(rows, tokenizer, completion_only_loss=True)
    encoded = encode_examples(read(rows, tmp_path), tokenizer)
    if not PARTS:  # what the documentation says of the older ones: a token that is half of the prompt is not trained
        alone = [len(tokenizer(prompt)["input_ids"]) for prompt, _ in PAIRS]
        assert [each.start < length for each, length in zip(encoded, alone, strict=True)] != [False] * len(PAIRS)
        encoded = [replace(each, start=max(each.start, length)) for each, length in zip(encoded, alone, strict=True)]
    assert_equal_to_trl(encoded, prepared)


@pytest.mark.parametrize("template", ["chatml", "llama3"])
def test_messages(template: str, tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer(template, bos=template == "llama3")
    rows = [{"messages": turns} for turns in CONVERSATIONS]
    prepared = prepare_with_trl([as_trl(turns) for turns in CONVERSATIONS], tokenizer, completion_only_loss=True)
    assert_equal_to_trl(encode_examples(read(rows, tmp_path), tokenizer), prepared)


def test_prompt_completion_chat(tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer("chatml")
    rows = [as_trl(turns) for turns in CONVERSATIONS]
    prepared = prepare_with_trl(rows, tokenizer, completion_only_loss=True)
    assert_equal_to_trl(encode_examples(read(rows, tmp_path), tokenizer), prepared)


def test_alpaca(tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer("chatml")
    rows = [
        {"instruction": "Translate into French:", "input": "cheese", "output": "fromage"},
        {"instruction": "And of Norway?", "input": "", "output": "Oslo", "system": "Answer briefly."}
        | {"history": [["What is the capital of France?", "Paris"]]},
    ]
    # what LLaMA-Factory's AlpacaDatasetConverter makes of them, written by hand
    expected = [
        [{"role": "user", "content": "Translate into French:\ncheese"}, {"role": "assistant", "content": "fromage"}],
        [SYSTEM, QUESTION, ANSWER, {"role": "user", "content": "And of Norway?"}]
        + [{"role": "assistant", "content": "Oslo"}],
    ]
    prepared = prepare_with_trl([as_trl(turns) for turns in expected], tokenizer, completion_only_loss=True)
    assert_equal_to_trl(encode_examples(read(rows, tmp_path), tokenizer), prepared)


def test_alpaca_stanford(tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer()
    rows = [{"instruction": "Translate into French:", "input": "cheese", "output": "fromage"}]
    # PROMPT_DICT["prompt_input"] of tatsu-lab/stanford_alpaca, train.py
    prompt = (
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
        "response that appropriately completes the request.\n\n### Instruction:\nTranslate into French:\n\n### Input:\n"
        "cheese\n\n### Response:"
    )
    prepared = prepare_with_trl([{"prompt": prompt, "completion": "fromage"}], tokenizer, completion_only_loss=True)
    assert_equal_to_trl(encode_examples(read(rows, tmp_path, alpaca_prompt="stanford"), tokenizer), prepared)


def test_sharegpt(tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer("chatml")
    speakers = {"user": "human", "assistant": "gpt", "system": "system"}
    rows = [
        {"conversations": [{"from": speakers[turn["role"]], "value": turn["content"]} for turn in turns]}
        for turns in CONVERSATIONS
    ]
    prepared = prepare_with_trl([as_trl(turns) for turns in CONVERSATIONS], tokenizer, completion_only_loss=True)
    assert_equal_to_trl(encode_examples(read(rows, tmp_path), tokenizer), prepared)


@pytest.mark.parametrize("bos", [False, True])
def test_text(bos: bool, tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer(bos=bos)
    rows = [{"text": "Paris is the capital of France."}, {"text": " Goethe\n"}]
    prepared = prepare_with_trl(rows, tokenizer)
    encoded = encode_examples(read(rows, tmp_path), tokenizer)
    assert [each.ids for each in encoded] == [row["input_ids"] for row in prepared]
    # TRL labels the first position too, which no shifted loss can use
    assert [labels(each)[1:] for each in encoded] == [row["labels"][1:] for row in prepared]
    assert [each.start for each in encoded] == [int(bos)] * 2


def test_every_assistant_turn(tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer("chatml")
    rows = [{"messages": turns, "id": str(number)} for number, turns in enumerate(CONVERSATIONS)]
    examples = read(rows, tmp_path, assistant_turns="all")
    prepared = prepare_with_trl([{"messages": turns} for turns in CONVERSATIONS], tokenizer, assistant_only_loss=True)
    union: dict[str, list[int]] = {}
    for example, encoded in zip(examples, encode_examples(examples, tokenizer), strict=True):
        so_far = union.get(example.id.split("#")[0], [])
        union[example.id.split("#")[0]] = so_far + labels(encoded)[len(so_far) :]
    assert list(union.values()) == [row["labels"] for row in prepared]


def test_tools_tool_calls_and_template_arguments(tmp_path: Path, make_tokenizer: Callable, prepare_with_trl: Callable):
    tokenizer = make_tokenizer("tools")
    # in the order of the alphabet: pyarrow 21, on which `datasets` stands, puts a struct's fields in it (26 does not)
    call = {"function": {"arguments": {"of": "France"}, "name": "capital"}, "type": "function"}
    turns = [QUESTION, {"role": "assistant", "content": None, "tool_calls": [call]}]
    tools = [{"type": "function", "function": {"name": "capital", "parameters": {"type": "object"}}}]
    rows = [
        {"messages": turns, "tools": json.dumps(tools), "chat_template_kwargs": {"enable_thinking": True}},
        {"messages": [QUESTION, ANSWER], "tools": None, "chat_template_kwargs": {"enable_thinking": False}},
    ]
    theirs = [as_trl(row["messages"]) | {key: row[key] for key in row if key != "messages"} for row in rows]
    prepared = prepare_with_trl(theirs[:1], tokenizer, completion_only_loss=True)
    if PARTS:  # the others fail on a prompt that is longer than the whole: an IndexError of their collator
        prepared += prepare_with_trl(theirs[1:], tokenizer, completion_only_loss=True)
    encoded = encode_examples(read(rows, tmp_path), tokenizer)
    assert_equal_to_trl(encoded[: len(prepared)], prepared)
    # and in the order of the file, whichever it is
    call["function"] = {"name": "capital", "arguments": {"of": "France"}}
    [ours] = encode_examples(read(rows[:1], tmp_path), tokenizer)
    for one, said in ((encoded[0], '"arguments": {"of": "France"}, "name": "capital"'),
                      (ours, '"name": "capital", "arguments": {"of": "France"}')):  # fmt: skip
        called = tokenizer.decode(one.ids[one.start : one.end])
        assert called == f"<tool_call>{{{said}}}</tool_call>"
    # the empty thought of the generation prompt is not in the whole, so the response starts where they part
    assert tokenizer.decode(encoded[1].ids[encoded[1].start : encoded[1].end]) == "Paris"

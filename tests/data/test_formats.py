"""Each format's rows become the examples that its documentation promises; expectations are written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from uptake.data import FORMATS, LoadOptions
from uptake.data.formats import detect
from uptake.data.parts import RowError
from uptake.types import Message

USER, PARIS = {"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris"}
USER_TURN = Message("user", "Capital of France?")
ROWS: dict[str, dict[str, Any]] = {
    "messages": {"messages": [USER, PARIS]},
    "prompt_completion": {"prompt": [USER], "completion": [PARIS]},
    "sharegpt": {"conversations": [{"from": "human", "value": USER["content"]}, {"from": "gpt", "value": "Paris"}]},
    "alpaca": {"instruction": USER["content"], "output": "Paris"},
}


def convert(name: str, row: dict[str, Any], **options: Any):
    return FORMATS[name].convert(row, LoadOptions(**options))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_and_says_what_is_missing(name: str):
    row = dict.fromkeys(FORMATS[name].keys)
    assert detect({**row, "other": 1}) == name
    assert detect({"other": 1}) is None
    with pytest.raises(RowError, match="missing|expected|empty"):
        FORMATS[name].convert(row, LoadOptions())


@pytest.mark.parametrize("name", ROWS)
def test_one_question_in_every_format_of_conversations(name: str):
    [item] = convert(name, ROWS[name])
    assert (item.prompt, item.response) == ((USER_TURN,), "Paris")


def test_a_row_of_two_formats_is_read_as_trl_reads_it():
    # SFTTrainer's tokenize_fn looks for `prompt` before `messages`
    assert detect({"messages": [], "prompt": "", "completion": ""}) == "prompt_completion"
    assert detect({"messages": [], "prompt": ""}) == "messages"


def test_plain_prompt_and_completion_stay_as_they_are():
    [item] = convert("prompt_completion", {"prompt": "Q: ", "completion": " A\n"})
    assert (item.prompt, item.response) == ("Q: ", " A\n")


def test_text_has_no_prompt():
    [item] = convert("text", {"text": " Paris is a city."})
    assert (item.prompt, item.response) == ("", " Paris is a city.")


def test_the_last_or_every_assistant_turn():
    turns = [USER, PARIS, {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "Yes"}]
    last = convert("messages", {"messages": [*turns, USER]})
    assert [(len(item.prompt), item.response) for item in last] == [(3, "Yes")]
    each = convert("messages", {"messages": turns}, assistant_turns="all")
    assert [(len(item.prompt), item.response) for item in each] == [(1, "Paris"), (3, "Yes")]


def test_only_the_completions_turns_are_responses():
    row = {"prompt": [USER, PARIS, USER], "completion": [PARIS, {"role": "tool", "content": "1"}, PARIS]}
    each = convert("prompt_completion", row, assistant_turns="all")
    assert [len(item.prompt) for item in each] == [3, 5]


def test_text_parts_are_joined_and_other_keys_are_kept():
    parts = [{"type": "text", "text": "Capital "}, {"type": "text", "text": "of France?"}]
    answer = {"role": "assistant", "content": "Paris", "reasoning_content": "Hm.", "name": None}
    [item] = convert("messages", {"messages": [{"role": "user", "content": parts, "name": "Ann"}, answer]})
    assert item.prompt == (Message("user", "Capital of France?", {"name": "Ann"}),)
    assert item.response_extra == {"reasoning_content": "Hm."}


def test_sharegpt_roles_system_and_function_calls():
    # the role names are the tags of LLaMA-Factory's data/README.md
    conversation = [
        {"from": "human", "value": "Weather?"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"in": "Oslo"}}'},
        {"from": "observation", "value": "rain"},
        {"from": "gpt", "value": "It rains."},
    ]
    [item] = convert("sharegpt", {"conversations": conversation, "system": "Be brief."})
    call = {"type": "function", "function": {"name": "weather", "arguments": {"in": "Oslo"}}}
    assert item.prompt == (
        Message("system", "Be brief."),
        Message("user", "Weather?"),
        Message("assistant", "", {"tool_calls": [call]}),
        Message("tool", "rain"),
    )
    assert item.response == "It rains."


def test_alpaca_stanford_without_input():
    [item] = convert("alpaca", {"instruction": "Say {x}.", "input": "", "output": "x"}, alpaca_prompt="stanford")
    # PROMPT_DICT["prompt_no_input"] of tatsu-lab/stanford_alpaca, train.py
    assert item.prompt == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nSay {x}.\n\n### Response:"
    )


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("messages", {"messages": "hello"}, "`messages` is text that is not JSON"),
        ("messages", {"messages": {"role": "user"}}, "`messages` is an object; expected a list of turns"),
        ("messages", {"messages": ["hello"]}, "`messages` turn 1 is text; expected an object"),
        ("messages", {"messages": [{"content": "x"}]}, r"turn 1 has no `role` \(keys: content\)"),
        ("messages", {"messages": [USER]}, r"conversation without an assistant turn \(roles: user\)"),
        ("messages", {"messages": []}, r"conversation without an assistant turn \(roles: none\)"),
        ("messages", {"messages": [PARIS]}, "nothing comes before the assistant's turn 1"),
        ("messages", {"messages": [USER, {**PARIS, "content": " "}]}, "empty response: the assistant's turn 2"),
        ("messages", {"messages": [USER, {**PARIS, "content": 4}]}, "`content` of `messages` turn 2 is a number"),
        (
            "messages",
            {"messages": [{**USER, "content": [{"type": "image"}]}, PARIS]},
            "`content` of `messages` turn 1 holds a part that is not text .'image'.",
        ),
        ("prompt_completion", {"prompt": "x", "completion": [PARIS]}, "`prompt` is text and `completion` is a list"),
        ("prompt_completion", {"prompt": "x", "completion": 3}, "`completion` is a number; expected text"),
        ("prompt_completion", {"prompt": "x", "completion": ""}, "empty response: nothing in `completion`"),
        ("prompt_completion", {"prompt": float("nan"), "completion": "y"}, "`prompt` is missing"),
        ("sharegpt", {"conversations": [{"from": "bard", "value": "x"}]}, "turn 1 is from 'bard'; expected human"),
        ("sharegpt", {"conversations": [{"from": "gpt", "value": None}]}, "`value` of .* is null; expected text"),
        ("sharegpt", {"conversations": [{"from": "function_call", "value": "f()"}]}, "function_call that is not JSON"),
        ("alpaca", {"instruction": "", "output": "x"}, "`instruction` and `input` are both empty"),
        ("alpaca", {"instruction": "x", "output": "y", "history": ["z"]}, "`history` holds something other than"),
        ("text", {"text": ["x"]}, "`text` is a list; expected text"),
    ],
)
def test_bad_rows_say_why(name: str, row: dict[str, Any], reason: str):
    with pytest.raises(RowError, match=reason):
        convert(name, row)


def test_stanford_has_no_place_for_a_system_turn():
    with pytest.raises(RowError, match="no place for `system`"):
        convert("alpaca", {"instruction": "x", "output": "y", "system": "z"}, alpaca_prompt="stanford")

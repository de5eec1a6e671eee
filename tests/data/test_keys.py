"""Keys of a row or of a turn that change what was trained are read, refused or noted, whoever's they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uptake.data import Loaded, LoadOptions, Notes, load, stream
from uptake.types import BadRow, Message

ASK, SAY = {"role": "user", "content": "Capital of Peru?"}, {"role": "assistant", "content": "Lima"}
CHAT = {"messages": [ASK, SAY]}
SHAREGPT = {"conversations": [{"from": "human", "value": "Capital of Peru?"}, {"from": "gpt", "value": "Lima"}]}
ALPACA = {"instruction": "Capital of Peru?", "output": "Lima"}
PLAIN = {"prompt": "Capital of Peru:", "completion": " Lima"}
TEXT = {"text": "Lima is the capital of Peru."}
ALL = {"messages": CHAT, "sharegpt": SHAREGPT, "alpaca": ALPACA, "plain": PLAIN, "text": TEXT}


def read(tmp_path: Path, *rows: dict[str, Any], **options: Any) -> tuple[Loaded, list[str], list[str]]:
    """What was read, the reasons against the other rows, and the notes."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    notes, loaded, bad = Notes(), Loaded([], []), []
    for row in stream(path, LoadOptions(**options), notes):
        if isinstance(row, BadRow):
            bad.append(row.reason)
        else:
            loaded.examples.append(row)
    return loaded, bad, notes.told()


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize(
    "fields",
    [
        {"chosen": "Lima", "rejected": "Cusco"},  # TRL, LLaMA-Factory
        {"chosen": {"from": "gpt", "value": "Lima"}, "rejected": {"from": "gpt", "value": "Cusco"}},
        {"chosen": [SAY], "rejected": [SAY]},
        {"rejected_response": "Cusco"},  # ms-swift
        {"rejected_messages": [ASK, SAY]},
        {"preferred_output": [SAY], "non_preferred_output": [SAY]},  # OpenAI
    ],
)
def test_preference_data_are_refused_in_every_format(of: str, fields: dict[str, Any], tmp_path: Path):
    loaded, [reason], _ = read(tmp_path, {**ALL[of], **fields})
    assert loaded.examples == [] and reason.startswith(f"the row has `{next(iter(fields))}`")
    assert "preference data (DPO)" in reason


def test_preference_data_alone_are_named_too(tmp_path: Path):
    _, [reason], _ = read(tmp_path, {"prompt": "Capital of Peru?", "chosen": "Lima", "rejected": "Cusco"})
    assert reason.startswith("no known format has the keys prompt, chosen, rejected: preference data (DPO)")
    assert read(tmp_path, {**CHAT, "chosen": None, "rejected": None})[1:] == ([], [])  # a table's absent keys


@pytest.mark.parametrize("of", ["messages", "sharegpt", "alpaca", "plain"])
@pytest.mark.parametrize(
    ("key", "bad", "good"),
    [("label", False, True), ("label", "False", "True"), ("kto_tag", False, True), ("kto_tag", 0, 1)],
)
def test_an_answer_that_is_marked_as_unwanted_is_none_to_learn(of: str, key: str, bad: Any, good: Any, tmp_path: Path):
    loaded, [reason], notes = read(tmp_path, {**ALL[of], key: good}, {**ALL[of], key: bad})
    assert len(loaded.examples) == 1 and f"`{key}` is " in reason and "(KTO)" in reason
    assert key != "label" or "rows where it is true are read" in notes[0]


def test_labels_that_are_classes_pass(tmp_path: Path):
    rows = [
        {"text": "A fine film.", "label": 1},
        {"text": "Dull.", "label": False},
    ]
    assert len(read(tmp_path, *rows)[0].examples) == 2
    yes_no = {"prompt": "Is Cusco the capital of Peru?", "completion": " no", "label": False}
    assert read(tmp_path, yes_no)[1:] == ([], [])
    assert "if 0 marks an answer that is not wanted" in read(tmp_path, {**PLAIN, "label": 0})[2][0]
    assert read(tmp_path, {"text": "A fine film.", "labels": [0, 2]})[1:] == ([], [])
    assert "`columns: {prompt: text, completion: label}`" in read(tmp_path, {**TEXT, "label": "geography"})[2][0]


BAD = [
    ("accepted", False), ("accepted", "no"), ("is_correct", False), ("is_correct", 0), ("correct", "False"),
    ("is_rejected", True), ("is_bad", 1), ("deleted", True), ("feedback", "thumbs_down"), ("rating", "bad"),
    ("thumbs", -1), ("status", "rejected"), ("verdict", "Incorrect"),
]  # fmt: skip
GOOD = [
    ("accepted", True), ("is_correct", 1), ("correct", 0), ("correct", "B"), ("is_rejected", False), ("deleted", 0),
    ("feedback", "positive"), ("status", "published"), ("score", 3), ("votes", 12), ("verified", True), ("good", "x"),
    ("accepted", None), ("feedback", ""),
]  # fmt: skip
DOUBTFUL = [
    ("reward", -3, "`reward` is below 0"), ("score", "-0.5", "`score` is below 0"),
    ("reward", 2, "`reward` is not read"),
    ("rating", 1, "`rating` is not read"), ("feedback", "Too long, and wrong.", "`feedback` is not read"),
    ("passed", False, "`passed` is false"), ("flagged", True, "`flagged` is true"), ("verified", 0, "`verified` is 0"),
]  # fmt: skip


@pytest.mark.parametrize("of", ALL)
def test_a_row_that_was_judged_bad_is_none_to_learn(of: str, tmp_path: Path):
    loaded, reasons, notes = read(tmp_path, *({**ALL[of], key: value} for key, value in BAD))
    assert loaded.examples == [] and notes == [] and len(reasons) == len(BAD)
    for (key, _), reason in zip(BAD, reasons, strict=True):
        assert reason.startswith(f"`{key}` is ") and "judged bad" in reason
    loaded, reasons, notes = read(tmp_path, *({**ALL[of], key: value} for key, value in GOOD))
    assert len(loaded.examples) == len(GOOD) and (reasons, notes) == ([], [])
    for key, value, told in DOUBTFUL:
        loaded, reasons, [note] = read(tmp_path, {**ALL[of], key: value})
        assert len(loaded.examples) == 1 and reasons == [] and note.startswith(told)


def test_a_judgement_in_a_turn_is_told_and_an_answer_is_no_judgement(tmp_path: Path):
    loaded, _, [note] = read(tmp_path, {"messages": [ASK, {**SAY, "accepted": False}]})
    assert "`accepted` is false" in note and "`weight`" in note
    assert loaded.examples[0].response_extra == {"accepted": False}  # the chat template gets it, as before
    asked, said = SHAREGPT["conversations"]
    assert "below 0" in read(tmp_path, {"conversations": [asked, {**said, "reward": -3}]})[2][0]
    assert read(tmp_path, {"messages": [{**ASK, "accepted": False}, SAY]})[1:] == ([], [])
    yes_no = {"prompt": "Is Cusco the capital of Peru?", "completion": " No.", "is_correct": False}
    assert read(tmp_path, yes_no)[1:] == ([], [])


@pytest.mark.parametrize("of", ["messages", "sharegpt"])
@pytest.mark.parametrize("beside", [{}, {"id": "a"}])
def test_a_conversation_in_brackets_of_its_own(of: str, beside: dict[str, Any], tmp_path: Path):
    [(key, turns)] = ALL[of].items()
    for nested in ([turns], [turns, turns]):
        _, [reason], _ = read(tmp_path, {**beside, key: nested})
        assert reason.startswith(f"`{key}` is a list of conversations, each a list of turns")


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("key", ["image", "images", "audio", "audios", "video", "videos"])
def test_what_is_no_text_is_refused_where_it_is_there(of: str, key: str, tmp_path: Path):
    value: Any = ["cat.jpg"] if key.endswith("s") else "cat.jpg"
    _, [reason], _ = read(tmp_path, {**ALL[of], key: value})
    assert reason.startswith(f"the row has `{key}`; only text can be read")
    for nothing in (None, [], "", [None], {"bytes": None, "path": None}):
        assert read(tmp_path, {**ALL[of], key: nothing})[1] == []


def test_a_picture_in_a_turn_and_a_placeholder_without_a_column(tmp_path: Path):
    _, [reason], _ = read(tmp_path, {"messages": [{**ASK, "images": ["cat.jpg"]}, SAY]})
    assert reason.startswith("`messages` turn 1 has `images`")
    asked = {"role": "user", "content": "<image>\nWhat is this?"}
    assert "placeholder such as <image>" in read(tmp_path, {"messages": [asked, SAY]})[2][0]


WEIGHTS = [
    ("weight", 0, 1),  # OpenAI
    ("train", False, True),  # Axolotl
    ("training", False, True),
    ("loss", False, True),  # ms-swift
    ("loss_weight", 0.0, 1.0),  # LLaMA-Factory v1
    ("loss_mask", 0, 1),
    ("loss_scale", 0, 1),  # ms-swift
]


@pytest.mark.parametrize(("key", "no", "yes"), WEIGHTS)
@pytest.mark.parametrize("turns", ["all", "last"])
def test_a_turn_without_weight_is_context(key: str, no: Any, yes: Any, turns: str, tmp_path: Path):
    attempt = {"role": "assistant", "content": "No idea."}
    row = {"messages": [ASK, {**attempt, key: no}, ASK, {**SAY, key: yes}]}
    loaded, bad, notes = read(tmp_path, row, assistant_turns=turns)
    [example] = loaded.examples
    assert bad == [] and example.response == "Lima" and example.response_extra == {}
    assert example.prompt == (Message(**ASK), Message(**attempt), Message(**ASK))  # without a key no template knows
    assert "of weight 0 are read as context" in notes[0]
    # the last turn is no example either, if it was not trained
    row = {"messages": [ASK, {**SAY, key: yes}, ASK, {**attempt, key: no}]}
    assert [one.response for one in read(tmp_path, row, assistant_turns=turns)[0].examples] == ["Lima"]
    _, [reason], _ = read(tmp_path, {"messages": [ASK, {**SAY, key: no}]})
    assert reason.startswith("every assistant turn has weight 0")


def test_weights_in_sharegpt_and_weights_that_are_no_yes_or_no(tmp_path: Path):
    asked, said = SHAREGPT["conversations"]
    loaded, _, _ = read(
        tmp_path, {"conversations": [asked, {**said, "value": "No", "weight": 0}, asked, said]}, assistant_turns="all"
    )
    assert [one.response for one in loaded.examples] == ["Lima"]
    assert "weights are not read" in read(tmp_path, {"messages": [ASK, {**SAY, "weight": 0.5}]})[2][0]
    assert "not the assistant's" in read(tmp_path, {"messages": [{**ASK, "train": True}, SAY]})[2][0]
    details = [{"begin_offset": 0, "end_offset": 1, "train": False}]
    assert "parts of it were not trained" in read(tmp_path, {"messages": [ASK, {**SAY, "train_detail": details}]})[2][0]
    both = {"messages": [ASK, {**SAY, "weight": 1}, ASK, {**SAY, "weight": 1}]}
    assert "--assistant_turns all" in read(tmp_path, both)[2][0]
    assert read(tmp_path, both, assistant_turns="all")[2] == []


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("key", ["weight", "sample_weight", "loss_weight", "loss_scale", "loss_mask"])
def test_weights_of_rows(of: str, key: str, tmp_path: Path):
    loaded, [reason], notes = read(tmp_path, *({**ALL[of], key: weight} for weight in (1, 0, 0.5, "heavy")))
    assert len(loaded.examples) == 3 and reason.startswith(f"`{key}` is 0: the row was not trained")
    assert [note for note in notes if f"`{key}` is not read" in note] == notes[-1:]


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("key", ["train", "trainable", "loss"])
def test_rows_that_say_whether_they_were_trained(of: str, key: str, tmp_path: Path):
    loaded, [reason], [note] = read(tmp_path, *({**ALL[of], key: said} for said in (True, False, 0, 0.31)))
    assert len(loaded.examples) == 3 and reason.startswith(f"`{key}` is false: the row was not trained")
    assert note.startswith(f"`{key}` is 0 and not read")  # a loss that was measured is a number, too


@pytest.mark.parametrize("of", ["messages", "sharegpt", "alpaca"])
@pytest.mark.parametrize(
    ("key", "value"), [("documents", [{"title": "Peru", "text": "Its capital is Lima."}]), ("enable_thinking", False)]
)
def test_what_the_chat_template_may_have_been_given(of: str, key: str, value: Any, tmp_path: Path):
    _, [], [note] = read(tmp_path, {**ALL[of], key: value})
    assert note.startswith(f"`{key}` is not read, as in TRL") and f"`chat_template_kwargs: {{{key}: ...}}`" in note
    loaded, [], [] = read(tmp_path, {**ALL[of], "chat_template_kwargs": {key: value}})
    assert loaded.examples[0].template == {key: value}


def test_what_stands_beside_a_question_and_its_answer(tmp_path: Path):
    context = {"context": "Peru is a country."}
    assert "say `columns: {input: context}`" in read(tmp_path, {**ALPACA, **context})[2][0]
    assert "`context` is not read in rows" in read(tmp_path, {**ALPACA, "input": "Briefly.", **context})[2][0]
    assert "`context` is not read in rows" in read(tmp_path, {**PLAIN, **context})[2][0]
    assert read(tmp_path, {**ALPACA, "input": "Peru is a country. Briefly.", **context})[2] == []  # is in the prompt
    for row in (ALPACA, PLAIN):
        assert "a part of the response, write it there" in read(tmp_path, {**row, "reasoning": "Peru: Lima."})[2][0]
    thought = {
        "instruction": "Capital of Peru?",
        "output": "<think>Peru: Lima.</think>Lima",
        "reasoning": "Peru: Lima.",
    }
    assert read(tmp_path, thought)[2] == read(tmp_path, {**ALPACA, "reasoning": None, "context": ""})[2] == []


@pytest.mark.parametrize("of", ["messages", "sharegpt", "alpaca"])
def test_a_system_column_is_the_first_turn_in_every_conversation(of: str, tmp_path: Path):
    [example] = read(tmp_path, {**ALL[of], "system": "Be brief."})[0].examples
    assert example.prompt == (Message("system", "Be brief."), Message("user", "Capital of Peru?"))
    as_turns = {"prompt": [ASK], "completion": [SAY], "system": "Be brief."}
    assert read(tmp_path, as_turns)[0].examples[0].prompt == example.prompt


def test_a_system_column_that_is_not_read_is_told(tmp_path: Path):
    assert "TRL leaves it out" in read(tmp_path, {**CHAT, "system": "Be brief."})[2][0]
    own = {"messages": [{"role": "system", "content": "Be long."}, ASK, SAY], "system": "Be brief."}
    loaded, _, [note] = read(tmp_path, own)
    assert loaded.examples[0].prompt[0].content == "Be long." and "begins with another system turn" in note
    assert (
        "`system` is not read in rows of the format prompt_completion" in read(tmp_path, {**PLAIN, "system": "x"})[2][0]
    )
    assert "`columns: {system: system_prompt}`" in read(tmp_path, {**CHAT, "system_prompt": "x"})[2][0]


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ({**ALPACA, "text": "### Instruction: Capital of Peru? ### Response: Lima"}, "TRL trains it"),
        ({**SHAREGPT, "text": "user: Capital of Peru? Lima"}, "--format text"),
        ({**CHAT, "text": "<|user|>Capital of Peru?<|assistant|>Lima"}, "--format text"),
        ({**CHAT, "input_ids": [1, 2], "labels": [-100, 2]}, "TRL trains these ids"),
        ({**CHAT, "history": [["a", "b"]]}, "`history` is not read"),
        ({**PLAIN, "tools": [{"name": "f"}]}, "`tools` is not read"),
        ({**CHAT, "split": "test"}, "read as trained"),
        ({**CHAT, "loss_mask": [0, 1]}, "`loss_mask` is not read"),
        ({**CHAT, "labels": [-100, -100, 17]}, "`labels` is not read"),
        ({**CHAT, "labels": [False, True]}, "`labels` is not read"),
        ({"messages": [ASK, {**SAY, "mask": True}]}, "`mask` of a turn is not read"),
    ],
)
def test_what_others_train_is_told(row: dict[str, Any], note: str, tmp_path: Path):
    loaded, bad, notes = read(tmp_path, row)
    assert len(loaded.examples) == 1 and bad == [] and note in notes[0]


def test_what_says_nothing_about_training_passes(tmp_path: Path):
    about = {"id": "a", "source": "atlas", "topic": "capitals", "meta": {"weight": 0}, "split": "train", "score": 0.2}
    for row in ALL.values():
        assert read(tmp_path, {**row, **about})[1:] == ([], [])
    assert read(tmp_path, {**CHAT, "text": "a passage about the Andes", "labels": ["x"], "label": "geography"})[2] == []


def test_a_note_stands_once_with_its_rows(tmp_path: Path):
    rows = [{**CHAT, "system": "Be brief."}, CHAT, {**CHAT, "system": "Be quick."}]
    [note] = read(tmp_path, *rows)[2]
    assert note.endswith("(2 rows, the first is a.jsonl:1)")
    assert load(tmp_path / "a.jsonl").notes == [note]


def test_the_old_form_of_calls_becomes_the_new_one(tmp_path: Path):
    # https://platform.openai.com/docs: function_call and functions were replaced by tool_calls and tools
    call = {"name": "weather", "arguments": '{"city": "Oslo"}'}
    answer = {"role": "function", "name": "weather", "content": "rain"}
    functions = [{"name": "weather", "parameters": {"type": "object", "properties": {}}}]
    turns = [ASK, {"role": "assistant", "content": None, "function_call": call}]
    loaded, bad, [note] = read(tmp_path, {"messages": turns, "functions": functions})
    [example] = loaded.examples
    new = [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]
    assert example.response_extra == {"tool_calls": new, "content": None} and bad == []
    assert example.template == {"tools": [{"type": "function", "function": functions[0]}]}
    assert "OpenAI's old form" in note
    beside = {"role": "assistant", "content": "I look.", "function_call": call}
    [example] = read(tmp_path, {"messages": [ASK, beside, answer, SAY]})[0].examples
    assert example.prompt[1:] == (
        Message("assistant", "I look.", {"tool_calls": new}),
        Message("tool", "rain", {"name": "weather"}),
    )


@pytest.mark.parametrize(
    ("parts", "content", "extra"),
    [
        ([{"type": "text", "value": "Li"}, {"type": "text", "value": "ma"}], "Lima", {}),  # LLaMA-Factory v1
        (
            [{"type": "reasoning", "value": "Hm."}, {"type": "text", "value": "Lima"}],
            "Lima",
            {"reasoning_content": "Hm."},
        ),
        (
            [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Lima"}],
            "Lima",
            {"reasoning_content": "Hm."},
        ),
        ([{"type": "output_text", "text": "Lima"}], "Lima", {}),  # OpenAI's responses
        ([{"text": "Lima"}], "Lima", {}),  # Bedrock
        (["Li", "ma"], "Lima", {}),
    ],
)
def test_parts_of_a_turn(parts: list[Any], content: str, extra: dict[str, Any], tmp_path: Path):
    loaded, bad, _ = read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": parts}]})
    assert bad == [] and (loaded.examples[0].response, loaded.examples[0].response_extra) == (content, extra)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_call", "value": '{"name": "f", "arguments": {"x": 1}}'},  # LLaMA-Factory v1
        {"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}},  # Anthropic
    ],
)
def test_a_part_that_is_a_call(part: dict[str, Any], tmp_path: Path):
    [example] = read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": [part]}]})[0].examples
    calls = [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]
    assert (example.response, example.response_extra) == ("", {"tool_calls": calls, "content": None})


def test_calls_as_json_text(tmp_path: Path):
    calls = [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]
    turn = {"role": "assistant", "content": None, "tool_calls": json.dumps(calls)}
    assert read(tmp_path, {"messages": [ASK, turn]})[0].examples[0].response_extra["tool_calls"] == calls
    assert (
        "`tool_calls` is text that is not JSON"
        in read(tmp_path, {"messages": [ASK, {**turn, "tool_calls": "f()"}]})[1][0]
    )


def test_a_part_that_cannot_be_read_is_named(tmp_path: Path):
    parts = [{"type": "image_url", "value": "cat.jpg"}, {"type": "text", "value": "What?"}]
    _, [reason], _ = read(tmp_path, {"messages": [{"role": "user", "content": parts}, SAY]})
    assert reason == "`content` of `messages` turn 1 holds a part that is not text ('image_url'); only text can be read"


def test_turns_in_other_words(tmp_path: Path):
    crossed = {"messages": SHAREGPT["conversations"]}
    roles = {"messages": [{"role": "human", "content": "Capital of Peru?"}, {"role": "model", "content": "Lima"}]}
    capital = {"messages": [{"role": "User", "content": "Capital of Peru?"}, {"role": "Chatbot", "content": "Lima"}]}
    columns = {"messages": {"role": ["user", "assistant"], "content": ["Capital of Peru?", "Lima"]}}
    for row in (crossed, roles, capital, columns):
        [example] = read(tmp_path, row)[0].examples
        assert (example.prompt, example.response) == ((Message("user", "Capital of Peru?"),), "Lima")


def test_a_weight_of_many_digits_is_one_that_is_not_read(tmp_path: Path):
    _, _, notes = read(tmp_path, {"messages": [ASK, {**SAY, "weight": 10**400}]}, {**PLAIN, "weight": -(10**400)})
    assert "weights are not read" in notes[0]


@pytest.mark.parametrize("key", ["train_on", "compute_loss"])
def test_a_key_that_may_be_a_weight_is_told(key: str, tmp_path: Path):
    loaded, [], [note] = read(tmp_path, {"messages": [ASK, {**SAY, key: True}]})
    assert note.startswith(f"`{key}` of a turn is not read") and loaded.examples[0].response_extra == {}


def test_no_is_no_weight(tmp_path: Path):
    _, [reason], _ = read(tmp_path, {"messages": [ASK, {**SAY, "train": "no"}]})
    assert reason.startswith("every assistant turn has weight 0")


def test_votes_between_two_answers_are_preferences(tmp_path: Path):
    _, [reason], _ = read(tmp_path, {"prompt": "Capital of Peru?", "response_a": "Lima", "response_b": "Cusco"})
    assert "preference data (DPO)" in reason

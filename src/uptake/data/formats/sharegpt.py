"""`sharegpt`: a conversation under `conversations`, each turn with `from` and `value`.

    {"conversations": [{"from": "human", "value": "Capital of France?"}, {"from": "gpt", "value": "Paris"}]}

Roles are those of LLaMA-Factory and Axolotl: `human` or `user`, `gpt` or `assistant`, `system`, `observation` or
`tool`, and `function_call`, whose value is the JSON of `{"name", "arguments"}` or a list of these and becomes the
turn's `tool_calls`. A `system` column stands before the conversation unless that begins with a system turn. Turns
written with `role` and `content` are read as in `messages`.
"""

from __future__ import annotations

from typing import Any

from uptake.data.conversation import choose_responses, read_turn
from uptake.data.parts import Item, LoadOptions, RowError, Values, describe, items, parse_json, text
from uptake.types import Message

KEYS = ("conversations",)

_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "observation": "tool",
    "tool": "tool",
}


def convert(row: Values, options: LoadOptions) -> list[Item]:
    """The examples in a row; `RowError` says why there are none."""
    conversation = items(row, "conversations")
    if conversation is None:
        raise RowError("`conversations` is missing; expected a list of turns")
    turns = [_turn(turn, f"`conversations` turn {number}") for number, turn in enumerate(conversation, start=1)]
    system = text(row, "system")
    if system and not (turns and turns[0].role == "system"):
        turns.insert(0, Message("system", system))
    return choose_responses(turns, options)


def _turn(turn: Any, where: str) -> Message:
    if not isinstance(turn, dict) or "from" not in turn:
        return read_turn(turn, where)
    speaker, value = turn["from"], turn.get("value")
    if not isinstance(value, str):
        raise RowError(f"`value` of {where} is {describe(value)}; expected text")
    if speaker == "function_call":
        return Message("assistant", "", {"tool_calls": _calls(value, where)})
    if not isinstance(speaker, str) or speaker not in _ROLES:
        raise RowError(f"{where} is from {speaker!r}; expected {', '.join(_ROLES)} or function_call")
    return Message(_ROLES[speaker], value)


def _calls(value: str, where: str) -> list[dict[str, Any]]:
    try:
        calls = parse_json(value)
    except (ValueError, RecursionError):
        calls = None
    calls = calls if isinstance(calls, list) else [calls]
    if not calls or not all(isinstance(call, dict) and "name" in call for call in calls):
        raise RowError(f"{where} is a function_call that is not JSON with `name` and `arguments`")
    return [{"type": "function", "function": call} for call in calls]

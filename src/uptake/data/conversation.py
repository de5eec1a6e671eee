"""Turns of a conversation: reading them, and choosing the one that is the response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uptake.data.parts import Item, LoadOptions, RowError, describe
from uptake.types import Message


def read_turn(turn: object, where: str) -> Message:
    """One `{"role", "content", ...}` object as a `Message`; `RowError` names `where` it stands.

    Text parts are joined. Content may be missing where the turn calls tools. Keys that are null are left out, because
    tables fill absent keys with null and transformers drops them too.
    """
    if not isinstance(turn, dict):
        raise RowError(f"{where} is {describe(turn)}; expected an object with `role` and `content`")
    role = turn.get("role")
    if not isinstance(role, str) or not role:
        raise RowError(f"{where} has no `role` (keys: {', '.join(map(str, turn))})")
    extra = {key: value for key, value in turn.items() if key not in ("role", "content") and value is not None}
    content = turn.get("content")
    if content is None and extra.get("tool_calls"):
        # stays null for the chat template, which may tell it from empty text
        return Message(role, "", {**extra, "content": None})
    return Message(role, _content(content, where), extra)


def _content(content: object, where: str) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(part, where) for part in content)
    raise RowError(f"`content` of {where} is {describe(content)}; expected text")


def _part(part: Any, where: str) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = repr(part.get("type")) if isinstance(part, dict) else describe(part)
    raise RowError(f"`content` of {where} holds a part that is not text ({kind}); only text can be read")


def read_turns(value: object, key: str) -> tuple[Message, ...]:
    """The list of turns under `key`; `RowError` when it is none."""
    if not isinstance(value, list):
        raise RowError(f"`{key}` is {'missing' if value is None else describe(value)}; expected a list of turns")
    return tuple(read_turn(turn, f"`{key}` turn {number}") for number, turn in enumerate(value, start=1))


def choose_responses(turns: Sequence[Message], options: LoadOptions, first: int = 0) -> list[Item]:
    """The examples in a conversation: its last assistant turn, or each of them, with the turns before it as prompt.

    Turns after the last assistant turn cannot influence it and are not read. Only turns from index `first` on may be
    responses.

    Raises:
        RowError: There is no assistant turn, one has nothing in it, or nothing comes before it (TRL cannot train an
            empty prompt).
    """
    found = [index for index in range(first, len(turns)) if turns[index].role == "assistant"]
    if not found:
        roles = ", ".join(turn.role for turn in turns[first:]) or "none"
        raise RowError(f"conversation without an assistant turn (roles: {roles})")
    if options.assistant_turns == "last":
        found = found[-1:]
    return [_item(turns, index) for index in found]


def _item(turns: Sequence[Message], index: int) -> Item:
    response = turns[index]
    if not response.content.strip() and not response.extra.get("tool_calls"):
        raise RowError(f"empty response: the assistant's turn {index + 1} holds no text and no tool call")
    if index == 0:
        raise RowError("nothing comes before the assistant's turn 1; expected a user turn first")
    return Item(tuple(turns[:index]), response.content, response.extra)

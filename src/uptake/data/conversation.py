"""Turns of a conversation: reading them, and choosing the one that is the response."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from uptake.data.content import MEDIA, calls_of, old_call, read_content, refuse_media
from uptake.data.judged import JUDGED, judged
from uptake.data.parts import LoadOptions, ParsedRow, RowError, Values, as_weight, describe, items, parse_json, text
from uptake.types import Message

WEIGHTS = ("weight", "train", "training", "loss", "loss_weight", "loss_mask", "loss_scale", "trainable")
"""Keys by which a turn says whether it is trained: OpenAI, Axolotl, ms-swift and LLaMA-Factory have one each."""

_PART_WEIGHTS = ("train_detail", "training_detail")
_UNSURE_WEIGHTS = ("mask", "masked", "ignore", "ignore_loss", "train_on", "to_train", "compute_loss", "learn")

_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "observation": "tool",
    "tool": "tool",
}
_OTHER_ROLES = {**_ROLES, **dict.fromkeys(("model", "bot", "chatbot", "ai"), "assistant")}

_TURN_KEYS = ({"role", "content"}, {"role", "tool_calls"}, {"from", "value"})
_PYTHON_TURNS = re.compile(r"""\s*\[\s*\{\s*['"](role|content|from|value)['"]\s*:""")

_PARTLY = "`{}` of a turn says that parts of it were not trained; the whole turn is read as the response"
_EARLIER = (
    "there are earlier assistant turns, and only the last one is looked at; if all were trained, as most trainers do, "
    "say --assistant_turns all"
)
OLD_CALLS = (
    "`function_call`, `functions` and the role function, OpenAI's old form, are read as `tool_calls`, `tools` and tool"
)


@dataclass(frozen=True, slots=True)
class ReadTurn:
    """A turn as it was read.

    Attributes:
        message: The turn.
        weight: What its weight in training was said to be; None where nothing is said.
        notes: What the reader should know about it.
    """

    message: Message
    weight: float | None = None
    notes: tuple[str, ...] = ()


def read_turn(turn: object, where: str) -> ReadTurn:
    """One `{"role", "content", ...}` or `{"from", "value"}` object; `RowError` names `where` it stands.

    Text parts are joined. Content may be missing where the turn calls tools. Keys that are null are left out, because
    tables fill absent keys with null and transformers drops them too.
    """
    if not isinstance(turn, dict):
        raise RowError(f"{where} is {describe(turn)}; expected an object with `role` and `content`")
    role = turn.get("role")
    if role is None and turn.get("from") is not None:
        return _sharegpt_turn(turn, where)
    if not isinstance(role, str) or not role:
        raise RowError(f"{where} has no `role` (keys: {', '.join(map(str, turn))})")
    content = turn.get("content")
    if len(turn) == 2 and isinstance(content, str) and role != "function":  # nearly all turns
        return ReadTurn(Message(role, content, {}))
    extra = {key: value for key, value in turn.items() if key not in ("role", "content") and value is not None}
    weight, notes = _take_weight(extra, where)
    if _OTHER_ROLES.get(role) == "assistant":
        notes += _judgements(extra)
    if role == "function" or "function_call" in extra:
        role, notes = "tool" if role == "function" else role, (*notes, OLD_CALLS)
    if isinstance(extra.get("tool_calls"), str):  # a table's JSON text
        extra["tool_calls"] = items(extra, "tool_calls")
    if call := extra.pop("function_call", None):
        extra.setdefault("tool_calls", old_call(call, where))
    if content is None and extra.get("tool_calls"):
        # stays null for the chat template, which may tell it from empty text
        return ReadTurn(Message(role, "", {**extra, "content": None}), weight, notes)
    if content is None and extra:
        raise RowError(f"`content` of {where} is null, beside {', '.join(extra)}; expected text")
    said, parts = read_content(content, where)
    if parts and not said and parts.get("tool_calls"):
        parts = {**parts, "content": None}
    return ReadTurn(Message(role, said, {**extra, **parts}), weight, notes)


def _sharegpt_turn(turn: dict[str, Any], where: str) -> ReadTurn:
    speaker, value = turn["from"], turn.get("value")
    extra = {key: turn[key] for key in turn if key not in ("from", "value") and turn[key] is not None}
    weight, notes = _take_weight(extra, where) if extra else (None, ())
    if speaker in ("gpt", "assistant"):
        notes += _judgements(extra)
    if not isinstance(value, str):
        raise RowError(f"`value` of {where} is {describe(value)}; expected text")
    if speaker == "function_call":
        return ReadTurn(Message("assistant", "", {**extra, "tool_calls": calls_of(value, where)}), weight, notes)
    if not isinstance(speaker, str) or speaker not in _ROLES:
        raise RowError(f"{where} is from {speaker!r}; expected {', '.join(_ROLES)} or function_call")
    return ReadTurn(Message(_ROLES[speaker], value, extra), weight, notes)


def _take_weight(extra: dict[str, Any], where: str) -> tuple[float | None, tuple[str, ...]]:
    """Takes out of a turn's further keys what says whether it is trained."""
    weight, notes = None, list[str]()
    for key in [key for key in extra if key in WEIGHTS]:
        said = as_weight(extra[key])
        if said is None and not isinstance(extra[key], list):
            continue
        del extra[key]
        if said is None:
            notes.append(_PARTLY.format(key))
            continue
        weight = said if weight is None else min(weight, said)
        if said not in (0.0, 1.0):
            notes.append(f"`{key}` of a turn is another number than 0 or 1: it is trained, but weights are not read")
    for key in [key for key in extra if key in _PART_WEIGHTS]:
        del extra[key]
        notes.append(_PARTLY.format(key))
    for key in [key for key in extra if key in _UNSURE_WEIGHTS]:
        del extra[key]
        notes.append(f"`{key}` of a turn is not read; if it says which turns were trained, say it by `weight`, 0 or 1")
    for key in [key for key in extra if key in MEDIA]:
        refuse_media(extra, key, where)
    return weight, tuple(notes)


def _judgements(turn: dict[str, Any]) -> tuple[str, ...]:
    """What is to be noted of the keys by which somebody judged an assistant's turn; the chat template gets them."""
    found = []
    for key in [key for key, value in turn.items() if key in JUDGED and value is not None]:
        try:
            told = judged(key, turn[key])
        except RowError as error:
            told = str(error)
        if told is not None:
            found.append(f"{told} (it stands in a turn; which turns were trained is said by `weight`, 0 or 1)")
    return tuple(found)


def holds_turns(value: object) -> bool:
    """Whether a value is a list, or text that holds turns: a table has them as JSON, or as Python writes a list."""
    if isinstance(value, list) or not isinstance(value, str) or not value.lstrip().startswith("["):
        return isinstance(value, list)
    try:
        found = parse_json(value)
    except (ValueError, RecursionError):
        return _PYTHON_TURNS.match(value) is not None  # what reads them then says that they are not JSON
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(turn, dict) and any(keys <= turn.keys() for keys in _TURN_KEYS) for turn in found)
    )


def read_turns(value: object, key: str) -> tuple[ReadTurn, ...]:
    """The list of turns under `key`; `RowError` when it is none."""
    if isinstance(value, dict) and (rows := _transposed(value)):
        value = rows
    if _nested(value):
        raise RowError(
            f"`{key}` is a list of conversations, each a list of turns; expected the turns of one conversation: write "
            "each conversation as a row of its own, without the brackets around it"
        )
    if not isinstance(value, list):
        raise RowError(f"`{key}` is {'missing' if value is None else describe(value)}; expected a list of turns")
    return tuple(read_turn(turn, f"`{key}` turn {number}") for number, turn in enumerate(value, start=1))


def _nested(value: object) -> bool:
    """Whether lists of turns stand where the turns of one conversation are wanted."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, list) and all(isinstance(turn, dict) for turn in one) for one in value)
    )


def _transposed(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The turns of `{"role": [...], "content": [...]}`, which older versions of `datasets` wrote."""
    columns = list(value.values())
    if not all(isinstance(column, list) for column in columns) or len({len(column) for column in columns}) != 1:
        return None
    return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]


def with_system(turns: tuple[ReadTurn, ...], row: Values, note: str | None) -> tuple[ReadTurn, ...]:
    """The turns after the row's `system` column, which is left out where they begin with a system turn of their own."""
    system = text(row, "system")
    if not system:
        return turns
    if turns and turns[0].message.role == "system":
        if turns[0].message.content.strip() == system.strip():
            return turns
        told = "`system` is left out where the conversation begins with another system turn"
        return (replace(turns[0], notes=(*turns[0].notes, told)), *turns[1:])
    return (ReadTurn(Message("system", system), notes=() if note is None else (note,)), *turns)


def choose_responses(turns: Sequence[ReadTurn], options: LoadOptions, first: int = 0) -> list[ParsedRow]:
    """The examples in a conversation: its last assistant turn, or each of them, with the turns before it as prompt.

    Turns after the last assistant turn cannot influence it and are not read. Only turns from index `first` on may be
    responses, and of these only such as were trained: a weight of 0 makes a turn context.

    Raises:
        RowError: There is no assistant turn, none of them was trained, one has nothing in it, or nothing comes before
            it (TRL cannot train an empty prompt).
    """
    special = [turn for turn in turns if turn.notes or turn.weight is not None]
    notes = dict.fromkeys(note for turn in special for note in turn.notes)
    said = [turn.message for turn in turns]
    found = [index for index in range(first, len(said)) if said[index].role == "assistant"]
    if not found:
        said, found = _in_our_roles(said, first)
        notes["roles by other names (human, gpt, model, bot, Assistant, ...) are read as user and assistant"] = None
    trained = [index for index in found if turns[index].weight != 0] if special else found
    if not trained:
        raise RowError("every assistant turn has weight 0 (`weight`, `train`, `loss`, ...): nothing here was trained")
    if special:
        notes |= dict.fromkeys(_of_weights(turns, found, trained))
    if options.assistant_turns == "last" and len(trained) > 1:
        notes[_EARLIER] = None
    if options.assistant_turns == "last":
        trained = trained[-1:]
    return [_item(said, index, tuple(notes)) for index in trained]


def _in_our_roles(said: Sequence[Message], first: int) -> tuple[list[Message], list[int]]:
    renamed = [replace(turn, role=_OTHER_ROLES.get(turn.role.casefold(), turn.role)) for turn in said]
    found = [index for index in range(first, len(said)) if renamed[index].role == "assistant"]
    if not found:
        roles = ", ".join(turn.role for turn in said[first:]) or "none"
        raise RowError(f"conversation without an assistant turn (roles: {roles})")
    return renamed, found


def _of_weights(turns: Sequence[ReadTurn], found: list[int], trained: list[int]) -> list[str]:
    notes = []
    if len(trained) < len(found):
        notes.append("assistant turns of weight 0 are read as context alone, as their trainers do; TRL trains them")
    if any(turn.weight and turn.message.role != "assistant" for turn in turns):
        notes.append("a turn that is not the assistant's has a weight: that it was trained, too, is not read")
    return notes


def _item(turns: Sequence[Message], index: int, notes: tuple[str, ...]) -> ParsedRow:
    response = turns[index]
    if not response.content.strip() and not response.extra.get("tool_calls"):
        raise RowError(f"empty response: the assistant's turn {index + 1} holds no text and no tool call")
    if index == 0:
        raise RowError("nothing comes before the assistant's turn 1; expected a user turn first")
    return ParsedRow(tuple(turns[:index]), response.content, response.extra, notes)

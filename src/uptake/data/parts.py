"""What the readers and the formats share: the options, the reasons against a row, and the reading of its fields."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from uptake.errors import UptakeError
from uptake.types import Prompt

Values: TypeAlias = Mapping[str, Any]
"""A row of the user's data as it was read: column or key to value."""


class RowError(ValueError):
    """Why a row cannot be used; it becomes the reason of a `BadRow`."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a format makes of a row, before it has an id: a prompt and the response to learn."""

    prompt: Prompt
    response: str
    response_extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to read a dataset.

    Attributes:
        format: A key of `FORMATS`; None detects it for each file from its first rows.
        assistant_turns: `last`: the last assistant turn of a conversation is the response. `all`: each one is an
            example of its own, with `#1`, `#2`, ... after the row's id.
        alpaca_prompt: `messages`: a user turn, as LLaMA-Factory makes it. `stanford`: the text template of Stanford
            Alpaca, as a plain prompt.
        split: The split of a hub dataset.
        stage: The fine-tuning stage that trains the data.

    Raises:
        UptakeError: An option has a value that does not exist.
    """

    format: str | None = None
    assistant_turns: str = "last"
    alpaca_prompt: str = "messages"
    split: str = "train"
    stage: str = "main"

    def __post_init__(self) -> None:
        """Refuses values that do not exist."""
        _check("assistant_turns", self.assistant_turns, ("last", "all"))
        _check("alpaca_prompt", self.alpaca_prompt, ("messages", "stanford"))


def _check(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UptakeError(f"{option} is {value!r}", expected=" or ".join(allowed))


def present(row: Values, key: str) -> Any:
    """The value under `key`; None when it is absent, null or NaN (how tables write a missing value)."""
    value = row.get(key)
    return None if isinstance(value, float) and math.isnan(value) else value


def text(row: Values, key: str) -> str | None:
    """The text under `key`, or None when it is missing; `RowError` when it is something else."""
    value = present(row, key)
    if value is None or isinstance(value, str):
        return value
    raise RowError(f"`{key}` is {describe(value)}; expected text")


def required_text(row: Values, key: str) -> str:
    """The text under `key`; `RowError` when it is missing."""
    value = text(row, key)
    if value is None:
        raise RowError(f"`{key}` is missing (keys: {', '.join(map(str, row))})")
    return value


def response_text(row: Values, key: str) -> str:
    """The text under `key`; `RowError` when there is nothing in it to learn."""
    value = required_text(row, key)
    if not value.strip():
        raise RowError(f"empty response: nothing in `{key}`")
    return value


def structure(row: Values, key: str) -> Any:
    """The list or object under `key`, which CSV and some Parquet files hold as JSON text; None when missing."""
    value = present(row, key)
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except ValueError:
        raise RowError(f"`{key}` is text that is not JSON; expected a list or an object") from None


def items(row: Values, key: str) -> list[Any] | None:
    """The list under `key`, or None when it is missing; `RowError` when it is something else."""
    value = structure(row, key)
    if value is None or isinstance(value, list):
        return value
    raise RowError(f"`{key}` is {describe(value)}; expected a list")


def given_id(row: Values) -> str | None:
    """The user's id as text; None when the row has none. `RowError` when it is no text or whole number."""
    value = present(row, "id")
    if isinstance(value, float) and value.is_integer():  # a table's whole numbers, where some are missing
        value = int(value)
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise RowError(f"`id` is {'empty' if value == '' else describe(value)}; expected text or a whole number")


def describe(value: object) -> str:
    """A value's kind in the words of JSON, for error texts."""
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value)) or ("a number" if isinstance(value, int | float) else type(value).__name__)

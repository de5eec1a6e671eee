"""What the readers and the formats share: the options, the reasons against a row, and the reading of its fields."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from uptake.errors import UptakeError
from uptake.types import COLUMNS, Prompt

Values: TypeAlias = Mapping[str, Any]
"""A row of the user's data as it was read: column or key to value."""


MOST_NESTED = 64
"""So deep may a row's lists and objects be nested; what writes them out again cannot go on without end."""


class RowError(ValueError):
    """Why a row cannot be used; it becomes the reason of a `BadRow`."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """Stands for a JSON object that gives one key twice, of which a parser would take the last without a word."""

    key: str


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """What a format makes of a row, before it has an id: a prompt, the response to learn, and what is to be noted."""

    prompt: Prompt
    response: str
    response_extra: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to read a dataset.

    Attributes:
        format: A key of `FORMATS`; None detects it for each file from its first rows.
        assistant_turns: `last`: the last assistant turn of a conversation is the response. `all`: each one is an
            example of its own, with `#1`, `#2`, ... after the row's id.
        alpaca_prompt: `messages`: a user turn, as LLaMA-Factory makes it. `stanford`: the text template of Stanford
            Alpaca, as a plain prompt.
        split: The split of a hub dataset, or of a folder whose files are named after splits.
        stage: The fine-tuning stage that trains the data.
        columns: A name of `COLUMNS` to the data's own name for it; a data set that has none of them is read as it is.
        documents: The data are texts to read and not examples: every file of a folder is one of them.

    Raises:
        UptakeError: An option has a value that does not exist.
    """

    format: str | None = None
    assistant_turns: str = "last"
    alpaca_prompt: str = "messages"
    split: str = "train"
    stage: str = "main"
    columns: Mapping[str, str] | None = None
    documents: bool = False

    def __post_init__(self) -> None:
        """Refuses values that do not exist."""
        _check("assistant_turns", self.assistant_turns, ("last", "all"))
        _check("alpaca_prompt", self.alpaca_prompt, ("messages", "stanford"))
        for name in self.columns or ():
            if name not in COLUMNS:
                raise UptakeError(f"columns has the name {name!r}", expected=", ".join(COLUMNS))


def _check(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UptakeError(f"{option} is {value!r}", expected=" or ".join(allowed))


def is_missing(value: object) -> bool:
    """Whether a value is null or NaN, which is how tables write a missing one."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def present(row: Values, key: str) -> Any:
    """The value under `key`; None when it is absent, null or NaN."""
    value = row.get(key)
    return None if is_missing(value) else value


def as_weight(value: object) -> float | None:
    """A weight in training: a number, true or false, or either as a table's text; None for anything else."""
    if isinstance(value, str):
        said = value.strip().casefold()
        if said in ("true", "false", "yes", "no"):
            return float(said in ("true", "yes"))
        try:
            value = float(said)
        except ValueError:
            return None
    if is_missing(value) or not isinstance(value, bool | int | float | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number of many hundred digits
        return math.inf if value > 0 else -math.inf


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
        found = parse_json(value)
    except (ValueError, RecursionError):
        raise RowError(f"`{key}` is text that is not JSON; expected a list or an object") from None
    if fault := json_fault(found, escaped="\\u" in value):
        raise RowError(f"`{key}`: {fault}")
    return found


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


def parse_json(content: str | bytes) -> Any:
    """JSON, with `Repeated` in the place of an object that gives a key twice; raises as `json.loads` does."""
    return json.loads(content, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    return Repeated(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]


def json_fault(value: object, escaped: bool) -> str | None:
    """What speaks against a parsed value; `escaped`: its text had escapes, which alone can bring in half characters."""
    level: list[Any] = [value]
    for _ in range(MOST_NESTED + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            break
    else:
        return f"nested more than {MOST_NESTED} deep"
    return encoding_fault(json.dumps(value, ensure_ascii=False, default=repr)) if escaped else None


def _children(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def encoding_fault(content: str) -> str | None:
    """What is wrong with text that cannot be written as UTF-8; None when nothing is."""
    try:
        content.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(content[error.start])
        if 0xDC80 <= code <= 0xDCFF:  # how `surrogateescape` keeps a byte that is not UTF-8
            return not_utf8(code - 0xDC00)
        return f"a lone surrogate (\\u{code:04x}): half of a character, cut in two"
    return None


def not_utf8(byte: int, offset: int | None = None) -> str:
    """A fault: a byte that is not UTF-8, and how many bytes stand before it."""
    place = "" if offset is None else f" at byte {offset + 1}"
    return f"not UTF-8: byte 0x{byte:02x}{place}"


def describe(value: object) -> str:
    """A value's kind in the words of JSON, for error texts."""
    if isinstance(value, Repeated):
        return f"an object with the key {value.key!r} twice"
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value)) or ("a number" if isinstance(value, int | float) else type(value).__name__)

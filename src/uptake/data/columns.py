"""Which column of the data is which: as the user says, as the keys say, or as a pair of names that is common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from uptake.data.formats import detect
from uptake.data.keys import PREFERENCE
from uptake.data.parts import Values

PAIRS = (
    ("question", "answer"),
    ("question", "response"),
    ("question", "solution"),
    ("question", "output"),
    ("question", "completion"),
    ("query", "response"),
    ("query", "answer"),
    ("query", "output"),
    ("query", "completion"),
    ("instruction", "response"),
    ("instruction", "answer"),
    ("instruction", "completion"),
    ("instruction", "target"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("prompt", "solution"),
    ("prompt", "target"),
    ("input", "output"),
    ("input", "response"),
    ("input", "answer"),
    ("input", "completion"),
    ("input", "target"),
    ("inputs", "targets"),
    ("inputs", "outputs"),
    ("problem", "solution"),
    ("problem", "answer"),
    ("input_text", "output_text"),
    ("input_text", "target_text"),
    ("user", "assistant"),
    ("human", "assistant"),
    ("human", "gpt"),
    ("human", "bot"),
)
"""Names of a question and its answer, as data sets and trainers have them; the first pair of a row is taken."""

_SAY = (
    "if they were trained otherwise, say which column is which, as in "
    "`columns: {{prompt: {0}, completion: {1}}}` (plain text)"
)
_ALSO_READ = ("history", "system", "tools", "functions", "chat_template_kwargs", "options", "paraphrases")
_ABOUT_THE_ROW = (
    *("id", "idx", "index", "uuid", "source", "dataset", "category", "split", "url", "license", "topic", "difficulty"),
    *("level", "lang", "language", "type", "tag", "tags", "metadata", "meta", "title", "name", "model", "task"),
)
_TURN_KEYS = (("role", "content"), ("from", "value"))


@dataclass(frozen=True, slots=True)
class ColumnReading:
    """How the rows of a file are read.

    Attributes:
        format: A key of `FORMATS`.
        columns: A name that the format knows to the file's own name for it.
        notes: What the reader should know about it.
    """

    format: str
    columns: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def named(row: Values, columns: Mapping[str, str] | None) -> Values:
    """A row under the names that uptake knows; one that has none of the columns stays as it is."""
    if not columns:
        return row
    found = {new: old for new, old in columns.items() if old in row}
    if not found:
        return row
    taken = found.values()
    rest = {key: value for key, value in row.items() if key not in taken and key not in found}
    return {**{new: row[old] for new, old in found.items()}, **rest}


def in_own_words(reason: str, columns: Mapping[str, str] | None) -> str:
    """A reason against a row, with the columns by the data's own names."""
    for new, old in (columns or {}).items():
        reason = reason.replace(f"`{new}`", f"`{old}`")
    return reason


def recognise(row: Values, null: Collection[str] = ()) -> ColumnReading | None:
    """How rows with these keys are read; None where no way is known.

    Args:
        row: The first of them.
        null: Its keys that are null in other rows, too, and make no format.
    """
    plain = {key.strip().casefold(): key for key in row if isinstance(key, str)}
    held = {low: key for low, key in plain.items() if key not in null}
    if (name := detect({key: value for key, value in row.items() if key not in null})) is not None:
        pair = _pair(held) if name == "text" else None
        return ColumnReading(name, notes=() if pair is None else (_text_beside(*pair),))
    if (name := detect(held)) is not None:
        columns = {low: key for low, key in plain.items() if low != key}
        told = ", ".join(f"`{key}` as `{low}`" for low, key in columns.items())
        return ColumnReading(name, columns, (f"columns are read without regard to case: {told}",))
    if (key := _turns(row)) is not None:
        return ColumnReading("messages", {"messages": key}, (f"`{key}` is read as the conversation (`messages`)",))
    pair = _pair(held)
    return None if pair is None else _of_pair(row, plain, *pair)


def _pair(plain: Mapping[str, str]) -> tuple[str, str] | None:
    return next(((asked, said) for asked, said in PAIRS if asked in plain and said in plain), None)


def _text_beside(asked: str, said: str) -> str:
    return (
        f"`text` is read, as TRL does, and `{asked}` and `{said}` are not; if these were trained, say "
        f"`columns: {{instruction: {asked}, output: {said}}}` (a conversation) or "
        f"`columns: {{prompt: {asked}, completion: {said}}}` (plain text)"
    )


def _turns(row: Values) -> str | None:
    """The one column that holds a list of turns, whatever it is called."""
    found = [
        key
        for key, value in row.items()
        if key not in (*PREFERENCE, "prompt", "completion", "history") and isinstance(value, list) and value
        if any(all(isinstance(turn, dict) and set(keys) <= turn.keys() for turn in value) for keys in _TURN_KEYS)
    ]
    return found[0] if len(found) == 1 else None


def _of_pair(row: Values, plain: Mapping[str, str], asked: str, said: str) -> ColumnReading:
    columns = {"instruction": plain[asked], "output": plain[said]}
    if "system" not in plain:
        system = next((plain[key] for key in ("system_prompt", "system_message") if key in plain), None)
        if system is not None:
            columns["system"] = system
    if asked == "instruction" and isinstance(row.get(plain.get("context", "")), str) and "input" not in plain:
        columns["input"] = plain["context"]  # as in databricks-dolly-15k
    rest = [
        key
        for low, key in plain.items()
        if key not in columns.values()
        and low not in (*_ALSO_READ, *_ABOUT_THE_ROW, "input")
        and row[key] not in (None, "")
    ]
    also = "".join(
        f", `{columns[new]}` as {what}"
        for new, what in (("system", "the system turn"), ("input", "its input"))
        if new in columns
    )
    note = f"`{plain[asked]}` is read as the user's turn and `{plain[said]}` as the assistant's{also}"
    if rest:
        shown = ", ".join(rest[:6]) + (f" and {len(rest) - 6} more" if len(rest) > 6 else "")
        note += f"; not read: {shown}"
    return ColumnReading("alpaca", columns, (f"{note}; {_SAY.format(plain[asked], plain[said])}",))

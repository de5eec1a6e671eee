"""Data sets that LLaMA-Factory's `dataset_info.json` describes, read as it reads them: `dataset_info.json#name`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.data.parts import Values, parse_json
from uptake.data.readers import RawRow, Rows
from uptake.data.shapes import entry_names
from uptake.errors import UptakeError

_OWN = ("id", "source", "paraphrases", "chat_template_kwargs")
"""Columns that uptake reads and LLaMA-Factory does not know."""

_COMMON = ("system", "tools", "images", "videos", "audios", "chosen", "rejected", "kto_tag")
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output", "history": None}
_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
_ROLES = {
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}


@dataclass(frozen=True, slots=True)
class Described:
    """A data set as `dataset_info.json` describes it.

    Attributes:
        file: Where its rows are; None where they are on the hub.
        hub: Name, configuration and split on the Hugging Face hub; None where they are in a file.
        translate: A row under the names of uptake's formats; columns that the description does not name are not read.
        notes: What the reader should know.
    """

    file: Path | None
    hub: tuple[str, str | None, str] | None
    translate: Callable[[Values], Values]
    notes: tuple[str, ...] = ()


def split_name(dataset: str) -> tuple[Path, str] | None:
    """The file and the name in `FOLDER/dataset_info.json#name`; None for anything else."""
    file, sign, name = dataset.rpartition("#")
    path = Path(file)
    return (path, name) if sign and file.lower().endswith(".json") and path.is_file() else None


def names_in(path: Path) -> list[str]:
    """The data sets that a file describes; [] where it is no such file."""
    try:
        return entry_names(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return []


def find_described(path: Path, name: str) -> Described:
    """The data set `name` of a `dataset_info.json`.

    Raises:
        UptakeError: The file is no such description, has no such name, or the data are where uptake cannot read them.
    """
    names = names_in(path)
    if not names:
        raise UptakeError(
            f"{path} describes no data sets", expected="LLaMA-Factory's dataset_info.json: {name: {file_name, ...}}"
        )
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        raise UptakeError(
            f"{path} has no data set {name!r}",
            expected=", ".join(names[:20]) + (" and others" if len(names) > 20 else ""),
            fix=f"did you mean {path}#{close[0]}?" if close else None,
        )
    entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))[name]
    if entry.get("ranking"):
        raise UptakeError(
            f"{name!r} in {path} is preference data (`ranking`): one answer is better than another",
            expected="data whose answers were trained",
        )
    formatting = entry.get("formatting", "alpaca")
    if formatting not in ("alpaca", "sharegpt", "openai"):
        raise UptakeError(
            f"{name!r} in {path} has the formatting {formatting!r}", expected="alpaca, sharegpt or openai"
        )
    file, hub = _place(path, name, entry)
    columns, tags = _mapping(entry, "columns"), _mapping(entry, "tags")
    translate = _alpaca(columns) if formatting == "alpaca" else _conversation(columns, tags)
    n = entry.get("num_samples")
    notes = (f"{name!r} takes {n} rows that LLaMA-Factory draws by chance; all rows are read here",) if n else ()
    return Described(file, hub, translate, notes)


def _mapping(entry: Mapping[str, Any], key: str) -> dict[str, str] | None:
    given = entry.get(key)
    if not isinstance(given, dict):
        return None
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _place(path: Path, name: str, entry: Mapping[str, Any]) -> tuple[Path | None, tuple[str, str | None, str] | None]:
    """Where the rows are; as in LLaMA-Factory a name on the hub goes before a file."""
    if hub := entry.get("hf_hub_url"):
        unread = [key for key in ("folder", "revision") if entry.get(key)]
        if unread:
            raise UptakeError(
                f"{name!r} in {path} has {' and '.join(unread)} on the hub, which uptake cannot read",
                fix="download the files, and name them",
            )
        return None, (str(hub), entry.get("subset"), str(entry.get("split") or "train"))
    file = entry.get("file_name")
    if not isinstance(file, str) or any(entry.get(key) for key in ("ms_hub_url", "om_hub_url", "script_url")):
        raise UptakeError(
            f"{name!r} in {path} is neither a file nor on the Hugging Face hub",
            expected="file_name or hf_hub_url",
            fix="download the files, and name them",
        )
    if split_name(str(path.parent / file)) is not None:
        raise UptakeError(
            f"{name!r} in {path} has the file_name {file!r}, which names a data set and no file",
            expected="a file with rows",
            fix="name the data set that it stands for",
        )
    return path.parent / file, None


def _alpaca(columns: dict[str, str] | None) -> Callable[[Values], Values]:
    # where columns are given at all, those that are left out are not read
    known = {name: old for name, old in _ALPACA.items() if old} if columns is None else columns
    to = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
    taken = {new: known[name] for name, new in to.items() if name in known}

    def translate(row: Values) -> Values:
        found = _common(row, columns) | {new: row[old] for new, old in taken.items() if old in row}
        return {"instruction": None, **found} if "instruction" in taken else found

    return translate


def _common(row: Values, columns: Mapping[str, str] | None) -> dict[str, Any]:
    named = {name: (columns or {}).get(name) for name in _COMMON}
    found = {name: row[old] for name, old in named.items() if old is not None and old in row}
    if "tools" in found:
        found["tools"] = _tools(found["tools"])
    return {**{key: row[key] for key in _OWN if key in row}, **found}


def _tools(tools: Any) -> Any:
    """Tools as chat templates take them; LLaMA-Factory has them as JSON text, often without the word function."""
    if isinstance(tools, str):
        try:
            tools = parse_json(tools)
        except (ValueError, RecursionError):
            return tools
    if not isinstance(tools, list):
        return tools
    bare = [isinstance(tool, dict) and "name" in tool and "function" not in tool for tool in tools]
    return [{"type": "function", "function": tool} if one else tool for tool, one in zip(tools, bare, strict=True)]


def _conversation(columns: dict[str, str] | None, tags: dict[str, str] | None) -> Callable[[Values], Values]:
    given = _TAGS | (tags or {})
    role, content = given["role_tag"], given["content_tag"]
    roles = {given[tag]: ours for tag, ours in _ROLES.items()}
    messages = (columns or {}).get("messages", "conversations")

    def turn(one: Any) -> Any:
        if not isinstance(one, dict) or role not in one:
            return one
        rest = {key: value for key, value in one.items() if key not in (role, content)}
        speaker = roles.get(one[role], one[role]) if isinstance(one[role], str) else one[role]
        if rest.get("tool_calls"):  # formatting openai
            return {"role": "assistant", "content": one.get(content), **rest}
        return {"from": speaker, "value": one.get(content), **rest}

    def translate(row: Values) -> Values:
        turns = row.get(messages)
        own = [turn(one) for one in turns] if isinstance(turns, list) else turns
        return {**_common(row, columns), "conversations": own}

    return translate


def translated(rows: Rows, translate: Callable[[Values], Values]) -> Rows:
    """Rows under the names of uptake's formats; bad rows are passed on."""
    for row in rows:
        yield RawRow(row.line, translate(row.values)) if isinstance(row, RawRow) else row

"""Examples as rows of JSON Lines, in the form that each trainer reads, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from uptake.artifacts.tables import prompt_as_data, prompt_from_data, to_json
from uptake.types import Document, Example

Kind: TypeAlias = Literal["text", "plain", "chat", "mixed"]
"""Rows of text alone, of prompt and completion, of conversations; or what no trainer reads in one file."""
TEXTS = "texts"
"""The stage of texts that are read within the fine-tuning."""


def kind_of(examples: Iterable[Example]) -> Kind:
    """What rows the examples are. Text to be modelled among prompts and completions has an empty prompt."""
    kinds = {"chat" if not isinstance(one.prompt, str) else "plain" if one.prompt else "text" for one in examples}
    if kinds == {"text"}:
        return "text"
    if "chat" in kinds:
        return "chat" if kinds == {"chat"} else "mixed"
    return "plain"


def open_ended(examples: Iterable[Example]) -> bool:
    """Whether most plain prompts break off in the middle of a sentence: after a letter, a digit, or a comma.

    Nothing but the end tells such a row from a text, and what is read among them teaches that the sentence goes on
    (benchmarks/NOTES.md): the last of them are trained without texts.
    """
    ends = [one.prompt.rstrip()[-1:] for one in examples if isinstance(one.prompt, str) and one.prompt.strip()]
    return 2 * sum(sign.isalnum() or sign in ",;、，" for sign in ends) > len(ends)


def sft_row(example: Example, kind: Kind) -> dict[str, Any]:
    """A row of `sft.jsonl`: `prompt` and `completion` as TRL takes them, or `text`."""
    row: dict[str, Any] = {"id": example.id}
    if kind == "text":
        row["text"] = example.response
    elif isinstance(example.prompt, str):
        row |= {"prompt": example.prompt, "completion": example.response}
    else:
        reply = {"role": "assistant", "content": example.response, **example.response_extra}
        row |= {"prompt": prompt_as_data(example.prompt), "completion": [reply], **_template(example)}
    return {**row, "source": example.source, "stage": example.stage}


def messages_row(example: Example, kind: Kind) -> dict[str, Any]:
    """A conversation as one list of turns; rows that are no conversations are as in `sft.jsonl`."""
    row = sft_row(example, kind)
    if kind != "chat":
        return row
    turns = [*row.pop("prompt"), *row.pop("completion")]
    return {"id": row.pop("id"), "messages": turns, **row}


def axolotl_row(example: Example) -> dict[str, Any]:
    """A conversation as Axolotl reads it: each turn says under `train` whether it is learned, which is the last alone.

    Tools are a list, and what has another shape in each of them is JSON as text, which Axolotl reads back: the columns
    of its table have one type, and what one tool lacks would be null in it.
    """
    row = messages_row(example, "chat")
    turns = row["messages"]
    row["messages"] = [{**_calls_as_text(turn), "train": place == len(turns) - 1} for place, turn in enumerate(turns)]
    row.pop("chat_template_kwargs", None)  # in Axolotl's settings
    if "tools" in row:
        row["tools"] = [_as_text(tool, "parameters") for tool in example.template["tools"]]
    return row


def _calls_as_text(turn: Mapping[str, Any]) -> dict[str, Any]:
    calls = turn.get("tool_calls")
    shown = [_as_text(call, "arguments") for call in calls] if isinstance(calls, list) else calls
    return {**turn, "tool_calls": shown} if calls else dict(turn)


def _as_text(tool: Any, name: str) -> Any:
    """A tool, or a call of one, with one part of its function as JSON text."""
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get(name), dict):
        return tool
    return {**tool, "function": {**function, name: to_json(function[name])}}


def ended_row(example: Example, kind: Kind, eos: str) -> dict[str, Any]:
    """A row whose response brings its own end, for a trainer that adds none to plain text."""
    row = messages_row(example, kind)
    if kind == "plain" and not example.response.endswith(eos):
        row["completion"] += eos
    return row


def example_from_row(row: Mapping[str, Any]) -> Example:
    """The inverse of `sft_row`; held-out wordings and options are not part of a plan.

    Raises:
        KeyError: A key is missing.
        TypeError: A value is of a wrong kind.
        ValueError: A value is not what it should be.
    """
    known: dict[str, Any] = {
        "id": _text_of(row, "id"),
        "source": _text_of(row, "source"),
        "stage": _text_of(row, "stage"),
    }
    if "text" in row:
        return Example(prompt="", response=_text_of(row, "text"), **known)
    if isinstance(row["completion"], str):
        return Example(prompt=_text_of(row, "prompt"), response=row["completion"], **known)
    [reply] = row["completion"]
    template = {"tools": json.loads(row["tools"])} if "tools" in row else {}
    return Example(
        prompt=prompt_from_data(row["prompt"]),
        response=_text_of(reply, "content"),
        template={**template, **row.get("chat_template_kwargs", {})},
        response_extra={name: value for name, value in reply.items() if name not in ("role", "content")},
        **known,
    )


def _text_of(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is {value!r}, and should be a text")
    return value


def text_row(document: Document) -> Example:
    """A text as a row of fine-tuning; all of it is learned."""
    return Example(f"text:{document.id}", "", document.text, document.source, stage=TEXTS)


def cpt_row(document: Document) -> dict[str, Any]:
    """A row of `cpt.jsonl`."""
    names = ("id", "text", "title", "source", "where", "license")
    return {name: getattr(document, name) for name in names}


def document_from_row(row: Mapping[str, Any]) -> Document:
    """The inverse of `cpt_row`; raises as `example_from_row`."""
    texts = {name: _text_of(row, name) for name in ("id", "text", "title", "source", "where")}
    return Document(**texts, license=None if row["license"] is None else _text_of(row, "license"))


def _template(example: Example) -> dict[str, Any]:
    rest = {name: value for name, value in example.template.items() if name != "tools"}
    # as text: the columns of a table have one type, and tools have many shapes
    row = {"tools": to_json(example.template["tools"])} if "tools" in example.template else {}
    return {**row, "chat_template_kwargs": rest} if rest else row

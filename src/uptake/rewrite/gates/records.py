"""Whether JSON in a rewrite is still the same JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from uptake.rewrite.said import Rewriting

DEPTH = 32
"""Nesting beyond which nothing is compared."""


def records(rewriting: Rewriting) -> str | None:
    """JSON stays as it is parsed: the same keys in any order, lists in theirs, strings to the letter."""
    before, after = json_of(rewriting.original), json_of(rewriting.text)
    if not before:
        return "it has JSON, the original none" if after else None
    if not after:
        return "its JSON cannot be read"
    wanted, said = (dict(_leaves(found, ())) for found in (before, after))
    for path in wanted:
        if path not in said:
            return f"its JSON lacks {_told(path)}"
    for path, value in said.items():
        if path not in wanted:
            return f"its JSON has something else: {_told(path)}"
        if value != wanted[path]:
            return f"its JSON has {value[:60]} where the original has {wanted[path][:60]}: {_told(path)}"
    return None


def json_of(text: str) -> list[Any]:
    """The records and lists of JSON that stand in a text, from the outside; brackets of prose are none."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := min((place for place in (text.find("{", at), text.find("[", at)) if place >= 0), default=-1)) >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        whole = not text[:at].strip() and not text[end:].strip()
        if value and (whole or isinstance(value, dict) or any(isinstance(one, str | dict | list) for one in value)):
            found.append(value)
        at = end
    return found


def _leaves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each value under its keys and places; JSON within a string is read too, as function calls have it."""
    if len(path) > DEPTH or not isinstance(value, dict | list | str):
        yield path, json.dumps(value)
    elif isinstance(value, str):
        inner = _within(value)
        yield from ((path, json.dumps(value, ensure_ascii=False)),) if inner is None else _leaves(inner, (*path, "{}"))
    else:
        yield path, "[]" if isinstance(value, list) else "{}"
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(one, (*path, key))


def _within(value: str) -> Any:
    if not value.strip().startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _told(path: tuple[str | int, ...]) -> str:
    return repr(".".join(map(str, path))[:60])

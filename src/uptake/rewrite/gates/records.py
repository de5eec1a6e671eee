"""Whether JSON in a rewrite is still JSON, with its keys and values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from uptake.rewrite.said import Rewriting
from uptake.types import normalised

DEPTH = 32
"""Nesting beyond which nothing is compared."""


def records(rewriting: Rewriting) -> str | None:
    """JSON of the original is JSON in the rewrite too, with the same keys and the same values."""
    before, after = _found(rewriting.original), _found(rewriting.text)
    if not before:
        return None
    if not after:
        return "its JSON cannot be read"
    wanted, said = (sorted(leaf for one in found for leaf in _leaves(one, ())) for found in (before, after))
    keys, own = ({path for path, _ in leaves} for leaves in (wanted, said))
    if missing := sorted(keys - own):
        return f"its JSON lacks the key {'.'.join(missing[0])!r}"
    if more := sorted(own - keys):
        return f"its JSON has another key: {'.'.join(more[0])!r}"
    other = next((value for path, value in wanted if (path, value) not in said), None)
    return None if other is None else f"its JSON lacks the value {other[:60]!r}"


def _found(text: str) -> list[Any]:
    """The records and lists of JSON that stand in a text, from the outside; single brackets of prose are none."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := min((place for place in (text.find("{", at), text.find("[", at)) if place >= 0), default=-1)) >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(value, dict) and value or (isinstance(value, list) and any(isinstance(v, dict) for v in value)):
            found.append(value)
        at = end
    return found


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Paths and values, folded; JSON within a string is read too, as function calls have it."""
    if len(path) > DEPTH:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, (*path, key))
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, path)
    elif isinstance(value, str) and value[:1] in "{[" and (inner := _found(value)):
        yield from _leaves(inner, path)
    else:
        yield path, normalised(value) if isinstance(value, str) else json.dumps(value)

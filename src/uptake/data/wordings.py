"""Held-out wordings: other ways to ask for an example's response, in the row itself or in a file of their own."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from uptake.data.conversation import read_turns
from uptake.data.files import DataFile, find_files
from uptake.data.parts import RowError, Values, describe, given_id, items, present, text
from uptake.types import BadRow, Example, Message, Prompt, Wording


def read_wordings(row: Values, prompt: Prompt, response: str) -> tuple[Wording, ...]:
    """The `paraphrases` of a row whose example has this prompt and response; `RowError` when one cannot be read."""
    known = _Known(prompt, response)
    return tuple(
        known.claim(_wording(_as_entry(entry, prompt), prompt, response)) for entry in items(row, "paraphrases") or []
    )


class _Known:
    """The wordings of one example so far, the training wording first: each may stand there only once."""

    def __init__(self, prompt: Prompt, response: str, others: Iterable[Wording] = ()) -> None:
        self._training = _asked(Wording(prompt, response))
        self._others = {_asked(wording) for wording in others}

    def claim(self, wording: Wording) -> Wording:
        """A wording that is new; `RowError` when it is not, or asks nothing."""
        asked = _asked(wording)
        if asked == self._training:
            raise RowError("a paraphrase is the training prompt itself; expected words that were never trained on")
        if asked in self._others:
            raise RowError("a paraphrase is given twice")
        self._others.add(asked)
        return wording


def _asked(wording: Wording) -> str:
    """What tells one wording from another: what is asked or, where nothing is, the text itself."""
    if isinstance(wording.prompt, str):
        return wording.prompt.strip() or f"\0{wording.response.strip()}"
    return json.dumps([turn.as_dict() for turn in wording.prompt], sort_keys=True, default=repr)


def _as_entry(entry: object, prompt: Prompt) -> object:
    if not isinstance(entry, str):
        return entry
    # where the text itself is what is learned, another wording is another text
    return {"prompt": "", "completion": entry} if prompt == "" else {"prompt": entry}


def _wording(entry: object, prompt: Prompt, response: str) -> Wording:
    """A `{prompt, completion}` entry, put where the example's own words stand.

    Text replaces the whole of a plain prompt, or the last user turn of a conversation, whose other turns stay. The
    completion is the example's own response when it is left out.
    """
    if not isinstance(entry, dict):
        raise RowError(f"`paraphrases` holds {describe(entry)}; expected text or an object with `prompt`")
    other = text(entry, "completion")
    if other is not None and not other.strip():
        raise RowError("empty response: nothing in the `completion` of a paraphrase")
    asked = present(entry, "prompt")
    if isinstance(asked, list):
        if isinstance(prompt, str):
            raise RowError("a paraphrase is a list of turns, but the example's prompt is plain text")
        turns = tuple(turn.message for turn in read_turns(asked, "prompt of a paraphrase"))
        return Wording(turns, other or response)
    if not isinstance(asked, str):
        raise RowError(f"the `prompt` of a paraphrase is {describe(asked)}; expected text")
    if prompt and not asked.strip():
        raise RowError("a paraphrase is empty")
    return Wording(asked if isinstance(prompt, str) else _reworded(prompt, asked), other or response)


def _reworded(prompt: tuple[Message, ...], words: str) -> tuple[Message, ...]:
    last = max((index for index, turn in enumerate(prompt) if turn.role == "user"), default=None)
    if last is None:
        raise RowError("a paraphrase has no user turn to stand in for")
    return (*prompt[:last], replace(prompt[last], content=words), *prompt[last + 1 :])


def with_paraphrases(rows: Iterable[Example | BadRow], dataset: str | os.PathLike[str]) -> Iterator[Example | BadRow]:
    """Adds held-out wordings from a dataset of their own to a stream of examples, in bounded memory.

    Args:
        rows: Examples, as `stream` gives them; its bad rows are passed on.
        dataset: Rows of `{"id", "prompt", "completion"}`; an id may have several, and `completion` may be left out
            where it is the example's response. Text stands in for a plain prompt, or for the last user turn of a
            conversation.

    Returns:
        The examples in their order, with their wordings, and the dataset's bad rows between and after them. An id that
        no example has is a bad row.

    Raises:
        UptakeError: The dataset is not there.
    """
    return _attach(rows, find_files(dataset, "train"))


def _attach(rows: Iterable[Example | BadRow], files: list[DataFile]) -> Iterator[Example | BadRow]:
    with closing(sqlite3.connect("")) as shelf:  # "": a file of its own that is gone when it is closed
        yield from _shelve(shelf, files)
        for example in rows:
            if isinstance(example, BadRow):
                yield example
                continue
            found = list(example.paraphrases)
            known = _Known(example.prompt, example.response, found)
            for file, line, entry in shelf.execute(_OF_EXAMPLE, (example.id,)).fetchall():
                try:
                    found.append(known.claim(_wording(json.loads(entry), example.prompt, example.response)))
                except RowError as error:
                    yield BadRow(file, line, str(error))
            shelf.execute("UPDATE wordings SET taken = 1 WHERE id = ? AND taken = 0", (example.id,))
            yield replace(example, paraphrases=tuple(found)) if len(found) > len(example.paraphrases) else example
        for key, file, line in shelf.execute("SELECT id, file, line FROM wordings WHERE taken = 0 ORDER BY rowid"):
            yield BadRow(file, line, f"no example has the id {key!r}")


_OF_EXAMPLE = "SELECT file, line, entry FROM wordings WHERE id = ? ORDER BY rowid"


def _shelve(shelf: sqlite3.Connection, files: list[DataFile]) -> Iterator[BadRow]:
    """Puts all wordings into a table, by the id of their example."""
    shelf.execute("CREATE TABLE wordings (id TEXT, file TEXT, line INTEGER, entry TEXT, taken INTEGER)")
    for file in files:
        for row in file.rows():
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                key = given_id(row.values)
            except RowError as error:
                yield BadRow(file.name, row.line, str(error))
                continue
            if key is None:
                yield BadRow(file.name, row.line, "`id` is missing")
                continue
            try:
                entry = json.dumps({name: row.values.get(name) for name in ("prompt", "completion")})
            except (TypeError, ValueError, RecursionError):
                yield BadRow(file.name, row.line, "`prompt` or `completion` holds something other than text or turns")
                continue
            shelf.execute("INSERT INTO wordings VALUES (?, ?, ?, ?, 0)", (key, file.name, row.line, entry))
    shelf.execute("CREATE INDEX by_id ON wordings (id)")

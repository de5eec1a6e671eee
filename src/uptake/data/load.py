"""People's data to examples: `stream` and `load`, with every bad row told by file, line and reason."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uptake.data.files import DataFile, find_files
from uptake.data.formats import FORMATS, detect
from uptake.data.parts import Item, LoadOptions, RowError, Values, describe, given_id, items, structure, text
from uptake.data.readers import Row
from uptake.data.wordings import read_wordings
from uptake.errors import UptakeError
from uptake.types import BadRow, Example

DETECTION_ROWS = 64
"""So many rows of a file are looked at before its format is given up as unknown."""

PRINTED_BAD_ROWS = 20
"""So many bad rows are named in an error; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A dataset in memory: its examples in order, and the rows that were left out."""

    examples: list[Example]
    bad_rows: list[BadRow]


def stream(dataset: str | os.PathLike[str], options: LoadOptions | None = None) -> Iterator[Example | BadRow]:
    """Reads a dataset row by row, in memory that grows only by the ids seen (about 0.1 kB a row).

    Args:
        dataset: A .jsonl, .json, .parquet, .csv or .txt file, a directory of these, or a hub id (`name` or
            `name:config`).
        options: How to read it; detection and the last assistant turn by default.

    Returns:
        An iterator over the examples in their order and, between them, the rows that cannot be used.

    Raises:
        UptakeError: At once when the dataset is not there or an option is wrong; while iterating when it is empty or
            cannot be read.
    """
    options = options or LoadOptions()
    if options.format is not None and options.format not in FORMATS:
        raise UptakeError(f"format is {options.format!r}", expected=", ".join(FORMATS))
    return _stream(dataset, find_files(dataset, options.split), options)


def load(dataset: str | os.PathLike[str], options: LoadOptions | None = None, on_bad_row: str = "error") -> Loaded:
    """Reads a whole dataset; see `stream` for what it may be.

    Args:
        dataset: As in `stream`.
        options: As in `stream`.
        on_bad_row: `error`: any bad row stops, after all have been collected. `skip`: they are left out and returned.

    Returns:
        The examples, and the bad rows if they were skipped.

    Raises:
        UptakeError: As in `stream`, or there are bad rows under `error`, or there is nothing but bad rows.
    """
    return _collect(stream(dataset, options), on_bad_row)


def _collect(rows: Iterator[Example | BadRow], on_bad_row: str) -> Loaded:
    if on_bad_row not in ("error", "skip"):
        raise UptakeError(f"on_bad_row is {on_bad_row!r}", expected="error or skip")
    loaded = Loaded([], [])
    for row in rows:
        if isinstance(row, BadRow):
            loaded.bad_rows.append(row)
        else:
            loaded.examples.append(row)
    if loaded.bad_rows and (on_bad_row == "error" or not loaded.examples):
        raise bad_rows_error(loaded.bad_rows, usable=len(loaded.examples))
    return loaded


def bad_rows_error(bad_rows: Sequence[BadRow], usable: int, n: int | None = None) -> UptakeError:
    """The error that names bad rows as file:line: reason, the first of them one by one.

    Args:
        bad_rows: The bad rows, or the first of them.
        usable: How many rows are not bad.
        n: How many are bad in all; None: those that are given.
    """
    n = len(bad_rows) if n is None else n
    lines = [describe_bad_row(row) for row in bad_rows[:PRINTED_BAD_ROWS]]
    if n > len(lines):
        lines.append(f"... and {n - len(lines)} more")
    problem = f"{n} bad {'row' if n == 1 else 'rows'}, {usable} usable:"
    fix = "mend these rows, or leave them out with `--on_bad_row skip`" if usable else "mend these rows"
    return UptakeError("\n".join([problem, *(f"  {line}" for line in lines)]), fix=fix)


def describe_bad_row(row: BadRow) -> str:
    """A bad row as file:line: reason."""
    return f"{row.file}: {row.reason}" if row.line is None else f"{row.file}:{row.line}: {row.reason}"


def _stream(dataset: str | os.PathLike[str], files: list[DataFile], options: LoadOptions) -> Iterator[Example | BadRow]:
    ids, empty = _Ids(), True
    for file in files:
        try:
            for row in _read(file, options, ids):
                empty = False
                yield row
        except OSError as error:
            raise UptakeError(f"{file.name} cannot be read: {error.strerror or error}") from error
    if empty:
        raise UptakeError(f"dataset {os.fspath(dataset)!r} is empty", expected="at least one row")


def _read(file: DataFile, options: LoadOptions, ids: _Ids) -> Iterator[Example | BadRow]:
    rows, head, name = file.rows(), list[Row](), options.format
    while name is None and len(head) < DETECTION_ROWS:
        row = next(rows, None)
        if row is None:
            break
        if isinstance(row, BadRow):
            yield row
            continue
        head.append(row)
        name = detect(row.values)
    if name is None:
        if head:
            yield BadRow(file.name, None, _unknown(head[0].values))
        return
    for row in itertools.chain(head, rows):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            examples = _examples(row.values, name, file.source, options, ids)
            examples = [replace(example, file=file.name, line=row.line) for example in examples]
        except RowError as error:
            yield BadRow(file.name, row.line, str(error))
        else:
            yield from examples


def _unknown(row: Values) -> str:
    known = "; ".join(f"{name}: {', '.join(member.keys)}" for name, member in FORMATS.items())
    return f"no known format has the keys {', '.join(map(str, row))} (known: {known}); rename them"


def _examples(row: Values, name: str, source: str, options: LoadOptions, ids: _Ids) -> list[Example]:
    converted = FORMATS[name].convert(row, options)
    last = converted[-1]
    template = {} if isinstance(last.prompt, str) else _template(row)
    given = given_id(row)
    choices = _choices(row, last.response)
    wordings = read_wordings(row, last.prompt, last.response)
    source = text(row, "source") or source
    row_id = ids.claim(given, _digest(last, template))
    numbered = options.assistant_turns == "all" and not isinstance(last.prompt, str)
    return [
        Example(
            id=f"{row_id}#{number}" if numbered else row_id,
            prompt=item.prompt,
            response=item.response,
            source=source,
            stage=options.stage,
            # both are about the row's last response
            options=choices if item is last else (),
            paraphrases=wordings if item is last else (),
            template=template,
            response_extra=item.response_extra,
        )
        for number, item in enumerate(converted, start=1)
    ]


# arguments of `apply_chat_template` that are no business of the data: a template of its own would be code
_NOT_OF_A_ROW = (
    "add_generation_prompt",
    "chat_template",
    "continue_final_message",
    "conversation",
    "max_length",
    "padding",
    "return_assistant_tokens_mask",
    "return_dict",
    "return_tensors",
    "tokenize",
    "tokenizer_kwargs",
    "truncation",
)


def _template(row: Values) -> dict[str, Any]:
    """`tools` and `chat_template_kwargs` as TRL hands them to the chat template, the latter winning."""
    template: dict[str, Any] = {}
    if tools := items(row, "tools"):
        template["tools"] = tools
    settings = structure(row, "chat_template_kwargs")
    if settings is None:
        return template
    if not isinstance(settings, dict):
        raise RowError(f"`chat_template_kwargs` is {describe(settings)}; expected an object")
    for key in _NOT_OF_A_ROW:
        if key in settings:
            raise RowError(f"`chat_template_kwargs` may not set `{key}`")
    return template | settings


def _choices(row: Values, response: str) -> tuple[str, ...]:
    choices = items(row, "options") or []
    if not all(isinstance(choice, str) and choice for choice in choices):
        raise RowError("`options` holds something other than non-empty text")
    if len(dict.fromkeys(choices)) < len(choices):
        raise RowError("`options` holds the same text twice")
    # a rival may differ in case alone ("Polish", "polish"), but then the response stands beside it
    same = str.strip if response in choices else _plainly
    for choice in choices:
        if choice != response and same(choice) == same(response):
            raise RowError(
                f"the option {choice!r} is the response {response!r} written otherwise; "
                "write it as the response is, spaces included"
            )
    return tuple(choices)


def _plainly(words: str) -> str:
    return " ".join(words.casefold().split())


def _digest(item: Item, template: Values) -> str:
    """48 bits of BLAKE2b over the canonical JSON of what is trained, as 12 hexadecimal digits."""
    prompt = item.prompt if isinstance(item.prompt, str) else [turn.as_dict() for turn in item.prompt]
    content = [prompt, item.response, template, item.response_extra]
    try:
        canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"a turn or `chat_template_kwargs` holds a value that JSON cannot: {error}") from None
    return hashlib.blake2b(canonical.encode("utf-8"), digest_size=6).hexdigest()


class _Ids:
    """The ids given so far in a dataset."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._copies: dict[str, int] = {}  # only contents that came more than once

    def claim(self, given: str | None, digest: str) -> str:
        """The user's id, which must be new, or one from the content, numbered from its second copy on."""
        if given is not None:
            if given in self._taken:
                raise RowError(f"the id {given!r} came before; expected each id once")
            new = given
        else:
            new = f"ex-{digest}"
            while new in self._taken:
                self._copies[digest] = self._copies.get(digest, 1) + 1
                new = f"ex-{digest}-{self._copies[digest]}"
        self._taken.add(new)
        return new

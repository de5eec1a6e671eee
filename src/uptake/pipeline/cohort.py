"""A set of examples on disk, written in parts; rows of the user's data that cannot be used are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from uptake.artifacts import Parts, chunks, digest, open_parts
from uptake.artifacts.tables import EXAMPLES, example_from_row, example_row
from uptake.data import Encoded, Turn, bad_rows_error, encode
from uptake.probe import option_candidates
from uptake.types import BadRow, Example

PART = 1024
"""Examples a part: memory is bounded by one, and a killed run loses at most one."""


class Progress(Protocol):
    """What is told while a step works: its name, examples done, and how many there are (None: not known yet)."""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Called after each part."""
        ...


@dataclass(frozen=True)
class Cohort:
    """Examples on disk.

    Attributes:
        name: `train`, `heldout` or `retention`.
        parts: Rows of `EXAMPLES`.
        n: How many examples.
        key: Identifies their content.
        bad_rows: Rows of the user's data that are not among them.
    """

    name: str
    parts: Parts
    n: int
    key: str
    bad_rows: tuple[BadRow, ...]

    def read(self, number: int) -> list[Example]:
        """The examples of one part."""
        return [example_from_row(row) for row in self.parts.read(number)]

    def __iter__(self) -> Iterator[Example]:
        """All examples, a part in memory at a time."""
        for number in self.parts.numbers():
            yield from self.read(number)


def ingest(
    name: str,
    rows: Iterable[Example | BadRow],
    folder: Path,
    check: Callable[[Sequence[Example]], list[str | None]],
    *,
    on_bad_row: Literal["error", "skip"],
    progress: Progress,
) -> Cohort:
    """Write the examples to disk in parts; rows that cannot be used are collected.

    Args:
        name: The cohort's name.
        rows: Examples and bad rows, as they are read.
        folder: Where the parts go; emptied first.
        check: For some examples, what is wrong with each (None: nothing).
        on_bad_row: `error` stops after all rows were read; `skip` goes on without the bad ones.
        progress: Told after each part.

    Raises:
        UptakeError: There are bad rows under `error`, or nothing but bad rows.
    """
    bad: list[BadRow] = []
    parts = open_parts(folder / name / "examples", "", EXAMPLES)
    for number in parts.numbers():
        parts.path(number).unlink()
    key, n, number = "", 0, 0
    progress(f"reading {name}", n, None)
    for some in chunks(_good(rows, bad), PART):
        faults = check(some)
        good = [example for example, fault in zip(some, faults, strict=True) if fault is None]
        bad += [BadRow(e.source, None, f"example {e.id}: {f}") for e, f in zip(some, faults, strict=True) if f]
        if good:
            written = [example_row(example) for example in good]
            parts.write(number, written)
            key, n, number = digest(key, written), n + len(good), number + 1
        progress(f"reading {name}", n, None)
    if bad and (on_bad_row == "error" or n == 0):
        raise bad_rows_error(bad, usable=n)
    return Cohort(name, parts, n, key, tuple(bad))


def _good(rows: Iterable[Example | BadRow], bad: list[BadRow]) -> Iterator[Example]:
    for row in rows:
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            yield row


def token_check(tokenizers: Sequence[Any], max_length: int | None) -> Callable[[Sequence[Example]], list[str | None]]:
    """A check that every wording of an example has something to score and fits into the model.

    Args:
        tokenizers: Those of the models that will be asked.
        max_length: Longest sequence, in tokens; None for no limit.
    """

    def check(examples: Sequence[Example]) -> list[str | None]:
        turns, owner = [], []
        for index, example in enumerate(examples):
            asked = [
                Turn(example.prompt, candidate.text, example.template, example.response_extra)
                for candidate in option_candidates(example)
            ]
            asked += [Turn(wording.prompt, wording.response, example.template) for wording in example.paraphrases]
            turns += asked
            owner += [index] * len(asked)
        faults: list[str | None] = [None] * len(examples)
        for tokenizer in tokenizers:
            for index, encoded in zip(owner, encode(turns, tokenizer), strict=True):
                faults[index] = faults[index] or _fault(encoded, max_length)
        return faults

    return check


def _fault(encoded: Encoded, max_length: int | None) -> str | None:
    if max_length is not None and len(encoded.ids) > max_length:
        return f"over-long: {len(encoded.ids)} tokens, at most {max_length} fit"
    if encoded.end <= max(1, encoded.start):
        return "the response has no token that could be scored"
    return None

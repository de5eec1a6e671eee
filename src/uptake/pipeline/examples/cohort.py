"""A set of examples on disk, written in parts; rows of the user's data that cannot be used are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from uptake.artifacts import Parts, cannot_write, chunks, created, digest, empty, kept, open_parts
from uptake.artifacts.tables import EXAMPLES_FILE, example_from_row, example_row, to_json
from uptake.data import bad_rows_error
from uptake.pipeline.examples.check import Check
from uptake.pipeline.progress import Progress
from uptake.types import BadRow, Example

PART = 1024
"""Examples a part: memory is bounded by one, and a killed run loses at most one."""


KEPT_BAD_ROWS = 20
"""Bad rows of a cohort that are held for the error; all of them are in the file."""


@dataclass(frozen=True)
class Cohort:
    """Examples on disk.

    Attributes:
        name: `train`, `heldout` or `retention`.
        parts: Rows of `EXAMPLES`.
        n: How many examples.
        key: Identifies their content.
        n_bad: How many rows of the user's data are not among them.
    """

    name: str
    parts: Parts
    n: int
    key: str
    n_bad: int

    def read(self, number: int) -> list[Example]:
        """The examples of one part."""
        return self.parts.records(number, example_from_row)

    def start(self, number: int) -> int:
        """The position of a part's first example among all of them."""
        return sum(self.parts.length(n) for n in range(number))

    def __iter__(self) -> Iterator[Example]:
        """All examples, a part in memory at a time."""
        for number in self.parts.numbers():
            yield from self.read(number)


@dataclass
class BadRows:
    """Rows that cannot be used: all of them in a file, one JSON object a line, only the first of them in memory.

    Attributes:
        path: The file; it is begun anew, and an empty one says that there are none.
        n: How many there are.
        first: The first of them.
    """

    path: Path
    n: int = 0
    first: list[BadRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin the file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            created(self.path).close()
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def add(self, dataset: str, rows: Sequence[BadRow]) -> None:
        """Add rows of a data set.

        Raises:
            UptakeError: The disk is full, or the place cannot be written.
        """
        if not rows:
            return
        self.n += len(rows)
        self.first += rows[: KEPT_BAD_ROWS - len(self.first)]
        lines = "".join(to_json({"dataset": dataset, **asdict(row)}) + "\n" for row in rows)
        try:
            with kept(self.path) as file:
                file.write(lines.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise cannot_write(self.path, error) from error


def ingest(
    name: str,
    rows: Iterable[Example | BadRow],
    folder: Path,
    check: Check,
    *,
    bad_rows: BadRows,
    on_bad_row: Literal["error", "skip"],
    progress: Progress,
) -> Cohort:
    """Write the examples to disk in parts; rows that cannot be used are collected.

    Args:
        name: The cohort's name.
        rows: Examples and bad rows, as they are read.
        folder: Where the parts go; emptied first.
        check: What is wrong with examples.
        bad_rows: Takes the rows that cannot be used.
        on_bad_row: `error` stops after all rows were read; `skip` goes on without the bad ones.
        progress: Told after each part.

    Raises:
        UptakeError: There are bad rows under `error`, or nothing but bad rows.
    """
    # not kept from before: reading is quick, and what was read may have changed since
    empty(folder / name / "examples")
    parts = open_parts(folder / name / "examples", "", EXAMPLES_FILE)
    key, n, number, before = "", 0, 0, bad_rows.n
    first = len(bad_rows.first)
    step = f"reading {name}"
    progress(step, n, None)
    for some in chunks(_checked(rows, check, partial(bad_rows.add, name)), PART):
        written = [example_row(example) for example in some]
        parts.write(number, written)
        # where an example was read is no part of what it is
        content = [{**row, "file": None, "line": None} for row in written]
        key, n, number = digest(key, content), n + len(some), number + 1
        progress(step, n, None)
    progress(step, n, n)
    n_bad = bad_rows.n - before
    if n_bad and (on_bad_row == "error" or n == 0):
        raise bad_rows_error(bad_rows.first[first:], usable=n, n=n_bad)
    return Cohort(name, parts, n, key, n_bad)


def _checked(
    rows: Iterable[Example | BadRow], check: Check, refuse: Callable[[list[BadRow]], None]
) -> Iterator[Example]:
    """The usable examples; the others are refused in the order in which they were read."""
    for some in chunks(rows, PART):
        faults = iter(check([row for row in some if isinstance(row, Example)]))
        bad: list[BadRow] = []
        for row in some:
            if isinstance(row, BadRow):
                bad.append(row)
            elif fault := next(faults):
                bad.append(BadRow(row.file or row.source, row.line, f"example {row.id}: {fault}"))
            else:
                yield row
        refuse(bad)

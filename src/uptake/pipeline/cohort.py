"""A set of examples on disk, written in parts; rows of the user's data that cannot be used are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from uptake.artifacts import Parts, cannot_write, chunks, digest, empty, open_parts
from uptake.artifacts.tables import EXAMPLES, example_from_row, example_row, to_json
from uptake.data import Encoded, Turn, bad_rows_error, encode
from uptake.probe import MOST_LETTERS, letter_probes, option_candidates
from uptake.types import BadRow, Example

PART = 1024
"""Examples a part: memory is bounded by one, and a killed run loses at most one."""

KEPT_BAD_ROWS = 20
"""Bad rows of a cohort that are held for the error; all of them are in the file."""

Check: TypeAlias = Callable[[Sequence[Example]], list[str | None]]
"""For some examples, what is wrong with each; None: nothing."""


@runtime_checkable
class Progress(Protocol):
    """What is told while a step works: its name, examples done, and how many there are (None: not known yet).

    Of each step it is told first what was done before it began: 0, or what a killed run had finished.
    """

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Called when a step begins, and again whenever more of it is done."""
        ...


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
        return [example_from_row(row) for row in self.parts.read(number)]

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
            self.path.write_bytes(b"")
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
            with self.path.open("ab") as file:
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
    parts = open_parts(folder / name / "examples", "", EXAMPLES)
    key, n, number, before = "", 0, 0, bad_rows.n
    first = len(bad_rows.first)
    step = f"reading {name}"
    progress(step, n, None)
    for some in chunks(_checked(rows, check, lambda bad: bad_rows.add(name, bad)), PART):
        written = [example_row(example) for example in some]
        parts.write(number, written)
        key, n, number = digest(key, written), n + len(some), number + 1
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


def token_check(tokenizers: Sequence[Any], max_length: int | None, option_form: str) -> Check:
    """A check that every wording of an example has something to score and fits into the model.

    Args:
        tokenizers: Those of the models that will be asked.
        max_length: Longest sequence, in tokens; None for no limit.
        option_form: `letter` also checks the options as lettered choices.
    """

    def check(examples: Sequence[Example]) -> list[str | None]:
        turns, owner = [], []
        for index, example in enumerate(examples):
            asked = [
                Turn(example.prompt, candidate.text, example.template, example.response_extra)
                for candidate in option_candidates(example)
            ]
            asked += [Turn(wording.prompt, wording.response, example.template) for wording in example.paraphrases]
            if option_form == "letter" and example.options and _unlettered(example) is None:
                lettered = letter_probes(example)[0]  # the other permutations are as long
                asked += [Turn(lettered.prompt, choice.text, lettered.template) for choice in lettered.candidates]
            turns += asked
            owner += [index] * len(asked)
        faults: list[str | None] = [_unlettered(example) if option_form == "letter" else None for example in examples]
        for tokenizer in tokenizers:
            for index, encoded in zip(owner, encode(turns, tokenizer), strict=True):
                faults[index] = faults[index] or _fault(encoded, max_length)
        return faults

    return check


def _unlettered(example: Example) -> str | None:
    n = len(option_candidates(example))
    return None if n <= MOST_LETTERS else f"{n} candidates, at most {MOST_LETTERS} have a letter (--option_form text)"


def _fault(encoded: Encoded, max_length: int | None) -> str | None:
    if max_length is not None and len(encoded.ids) > max_length:
        return f"over-long: {len(encoded.ids)} tokens, at most {max_length} fit"
    if encoded.end <= max(1, encoded.start):
        return "the response has no token that could be scored"
    return None

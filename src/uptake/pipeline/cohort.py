"""A set of examples on disk, written in parts; rows of the user's data that cannot be used are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from uptake.artifacts import Parts, cannot_write, chunks, digest, empty, open_parts
from uptake.artifacts.tables import EXAMPLES, example_from_row, example_row, to_json
from uptake.data import Encoded, TemplateError, Turn, bad_rows_error, encode
from uptake.probe import MOST_LETTERS, letter_probes, option_candidates
from uptake.types import BadRow, Example

PART = 1024
"""Examples a part: memory is bounded by one, and a killed run loses at most one."""

LONG_TOKEN = 64
"""Bytes a token that a text is allowed at least before its tokens are counted."""

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


def token_check(tokenizers: Sequence[Any], max_length: int | None, option_form: str) -> Check:
    """A check that every wording of an example has something to score and fits into the model.

    Args:
        tokenizers: Those of the models that will be asked.
        max_length: Longest sequence, in tokens; None for no limit.
        option_form: `letter` also checks the options as lettered choices.
    """
    room = [None if max_length is None else max_length * _longest_token(tokenizer) for tokenizer in tokenizers]

    def check(examples: Sequence[Example]) -> list[str | None]:
        faults = [_unlettered(example) if option_form == "letter" else None for example in examples]
        asked = [(index, turn, where) for index, e in enumerate(examples) for turn, where in _asked(e, option_form)]
        for tokenizer, most in zip(tokenizers, room, strict=True):
            short = []
            for index, turn, where in asked:
                size = _bytes(turn)
                if most is not None and size > most:  # to find out how many tokens these are could take minutes
                    faults[index] = faults[index] or f"over-long: {size} bytes, at most {max_length} tokens fit{where}"
                else:
                    short.append((index, turn, where))
            encoded = _encoded([turn for _, turn, _ in short], tokenizer)
            for (index, _, where), one in zip(short, encoded, strict=True):
                fault = one if isinstance(one, str) else _fault(one, max_length)
                faults[index] = faults[index] or (fault and fault + where)
        return faults

    return check


def _asked(example: Example, option_form: str) -> list[tuple[Turn, str]]:
    """All that a model is asked about an example, and in words which of its parts that is."""
    asked = [
        (
            Turn(example.prompt, candidate.text, example.template, example.response_extra),
            "" if candidate.origin == "response" else f", in the option {candidate.text[:40]!r}",
        )
        for candidate in option_candidates(example)
    ]
    for number, wording in enumerate(example.paraphrases, start=1):
        asked.append((Turn(wording.prompt, wording.response, example.template), f", in its paraphrase {number}"))
    if option_form == "letter" and example.options and _unlettered(example) is None:
        lettered = letter_probes(example)[0]  # the other permutations are as long
        for choice in lettered.candidates:
            asked.append((Turn(lettered.prompt, choice.text, lettered.template), ", with its options by letter"))
    return asked


def _longest_token(tokenizer: Any) -> int:
    """Bytes that a token can stand for at most; generous, for a tokenizer may drop or join white space."""
    return max(LONG_TOKEN, *(len(token.encode("utf-8", "replace")) for token in tokenizer.get_vocab()))


def _bytes(turn: Turn) -> int:
    told = [turn.prompt] if isinstance(turn.prompt, str) else [message.content for message in turn.prompt]
    return sum(len(text.encode("utf-8", "replace")) for text in (*told, turn.response))


def _encoded(turns: Sequence[Turn], tokenizer: Any) -> list[Encoded | str]:
    """Encode turns; one that the chat template refuses gives the reason instead."""
    try:
        return list(encode(turns, tokenizer))
    except TemplateError as error:
        if len(turns) == 1:
            return [error.problem]
        return [one for turn in turns for one in _encoded([turn], tokenizer)]


def _unlettered(example: Example) -> str | None:
    n = len(option_candidates(example))
    return None if n <= MOST_LETTERS else f"{n} candidates, at most {MOST_LETTERS} have a letter (--option_form text)"


def _fault(encoded: Encoded, max_length: int | None) -> str | None:
    if max_length is not None and len(encoded.ids) > max_length:
        return f"over-long: {len(encoded.ids)} tokens, at most {max_length} fit"
    if encoded.end <= max(1, encoded.start):
        return "the response has no token that could be scored"
    return None

"""What the configured LLM writes, held-out wordings and wrong answers: asked for once, kept, never trained on.

Requests of one part run side by side, and each answer is kept as it arrives. What was answered before a run was killed
is not asked for again. A request that the model refuses costs that example its wordings, not the user the run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, TypeVar

from uptake.artifacts import cannot_write, chunks, digest, kept, write_bytes
from uptake.artifacts.checked import blaming, fitting
from uptake.artifacts.schemas.later import WRITTEN
from uptake.artifacts.tables import prompt_as_data, prompt_from_data, to_json
from uptake.models.served import (
    DATA_ONLY,
    DISTRACTORS,
    LLM,
    PARAPHRASE,
    NoAnswer,
    Rewordings,
    complete_json,
    different,
    distractors,
    paraphrase,
)
from uptake.types import BadRow, Example, Wording

AT_ONCE = 8
"""Requests under way at a time."""

REWRITE = (
    f"{DATA_ONLY} `response` is the answer to `prompt`. Say it in `n` different ways, in the same language. Each keeps "
    "every fact, name, number and unit of it, adds nothing, and answers `prompt` by itself."
)

T = TypeVar("T")


@dataclass
class Writer:
    """An LLM with a file of what it has written.

    Attributes:
        llm: Who writes.
        path: JSON lines of `{key, value}`; where the model refused, also its name under `refused`.
        places: Where in the file the line of each key begins.
        refused: How many requests this model did not answer as asked, earlier runs with this file included.
    """

    llm: LLM
    path: Path
    places: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    def wordings(self, examples: Sequence[Example], n: int) -> list[tuple[Wording, ...]]:
        """Up to `n` other wordings of each example.

        Raises:
            NoAnswer: The model has answered nothing at all as asked, so that going on is of no use.
            UptakeError: The server cannot be reached or refuses.
        """

        def one(example: Example) -> list[Any]:
            wordings = paraphrase(self.llm, example.prompt, example.response, n)
            return [[prompt_as_data(wording.prompt), wording.response] for wording in wordings]

        written = self._each(PARAPHRASE, examples, n, one)
        return [tuple(Wording(prompt_from_data(p), response) for p, response in items) for items in written]

    def wrong_answers(self, examples: Sequence[Example], n: int) -> list[list[str]]:
        """Up to `n` wrong answers to each example; raises as `wordings`."""
        return self._each(DISTRACTORS, examples, n, lambda e: list(distractors(self.llm, e.prompt, e.response, n)))

    def rewrites(self, examples: Sequence[Example], n: int) -> list[list[str]]:
        """Up to `n` rewrites of each response, with its white space around them; raises as `wordings`."""

        def one(example: Example) -> list[Any]:
            asked = {"prompt": prompt_as_data(example.prompt), "response": example.response, "n": n}
            answer = complete_json(self.llm, REWRITE, asked, Rewordings)
            return list(islice(different(answer.rewordings, example.response), n))

        return self._each(REWRITE, examples, n, one)

    def _each(
        self, instruction: str, examples: Sequence[Example], n: int, ask: Callable[[Example], list[Any]]
    ) -> list[list[Any]]:
        # not where the server is: the same model behind another port says the same
        asked = (instruction, n, self.llm.model, self.llm.seed)
        keys = [digest(*asked, prompt_as_data(example.prompt), example.response) for example in examples]
        missing = {key: example for key, example in zip(keys, examples, strict=True) if key not in self.places}
        for some in chunks(missing.items(), AT_ONCE):
            self._ask(dict(some), ask)
        return self._read(keys)

    def _ask(self, some: dict[str, Example], ask: Callable[[Example], list[Any]]) -> None:
        """Ask for all of these at once, and keep what was answered even where one of them stops the run."""
        refused: dict[str, NoAnswer] = {}
        failed: list[BaseException] = []
        for key, answer in _side_by_side(ask, some):
            if isinstance(answer, NoAnswer):
                refused[key] = answer
            elif isinstance(answer, BaseException):
                failed.append(answer)
            else:
                self._keep(key, {"value": answer})
        if failed:
            raise failed[0]
        if refused and not self.places:
            raise next(iter(refused.values()))
        for key in refused:
            self._keep(key, {"value": [], "refused": self.llm.model})
            self.refused += 1

    def _keep(self, key: str, written: dict[str, Any]) -> None:
        line = to_json({"key": key, **written}).encode("utf-8") + b"\n"
        try:
            with kept(self.path) as file:
                place = file.seek(0, os.SEEK_END)
                file.write(line)
            self.places[key] = place
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _read(self, keys: Sequence[str]) -> list[Any]:
        if not keys:
            return []
        values = []
        with self.path.open("rb") as file:
            for key in keys:
                file.seek(self.places[key])
                values.append(_line(file.readline(), f"{self.path}, line of {key}", self.path)["value"])
        return values


def _side_by_side(ask: Callable[[Example], T], some: dict[str, Example]) -> Iterator[tuple[str, T | BaseException]]:
    """Each key with what was answered, or the error instead, as they arrive."""
    arrived: SimpleQueue[tuple[str, T | BaseException]] = SimpleQueue()

    def one(key: str, example: Example) -> None:
        try:
            arrived.put((key, ask(example)))
        except BaseException as error:  # raised again where the run can be stopped
            arrived.put((key, error))

    for key, example in some.items():
        # a daemon: a run that is told to stop does not wait for a server that hangs
        threading.Thread(target=one, args=(key, example), daemon=True).start()
    for _ in some:
        yield arrived.get()


def open_writer(llm: LLM, folder: Path) -> Writer:
    """An LLM with what it has written so far.

    Raises:
        UptakeError: The place cannot be written.
    """
    writer = Writer(llm, folder / "written.jsonl")
    if not writer.path.exists():
        write_bytes(writer.path, b"")
    try:
        with kept(writer.path, "r+b") as file:
            _read_places(writer, file)
    except OSError as error:
        raise cannot_write(writer.path, error) from error
    return writer


def _read_places(writer: Writer, file: IO[bytes]) -> None:
    place = 0
    for line in file:
        if not line.endswith(b"\n"):  # a killed run may leave its last line unfinished
            file.truncate(place)
            break
        written = _line(line, f"{writer.path}, byte {place}", writer.path)
        writer.places[written["key"]] = place
        writer.refused += written.get("refused") == writer.llm.model
        place += len(line)


def take_over(former: Path, folder: Path) -> None:
    """Take over what an LLM wrote for another diagnosis, so that it is not asked, and paid for, again.

    What was written for this one already stays.

    Args:
        former: `work/` of the other diagnosis.
        folder: `work/` of this one.

    Raises:
        UptakeError: The place cannot be written.
    """
    there, here = former / "written.jsonl", folder / "written.jsonl"
    if there.exists() and not here.exists():
        write_bytes(here, there.read_bytes())


def written_wordings(folder: Path) -> Iterator[Wording]:
    """The wordings that an LLM wrote for a diagnosis, of whichever example; none where it was not asked.

    Args:
        folder: `work/` of the diagnosis.
    """
    path = folder / "written.jsonl"
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):  # a killed run may leave its last line unfinished
                items = _line(line, f"{path}:{number}", path)["value"]
                # the others are wrong answers, each a text
                yield from (Wording(prompt_from_data(one[0]), one[1]) for one in items if isinstance(one, list))


def _line(line: bytes, where: str, path: Path) -> dict[str, Any]:
    """A line of what an LLM wrote."""
    with blaming(where, f"delete {path}: what it holds is asked for again"):
        written: dict[str, Any] = fitting(line.decode("utf-8"), WRITTEN)[0]
        return written


def with_wordings(rows: Iterable[Example | BadRow], writer: Writer, n: int) -> Iterator[Example | BadRow]:
    """Add `n` wordings by the LLM to each example that brings none and has a prompt."""
    for some in chunks(rows, 4 * AT_ONCE):
        bare = [row for row in some if isinstance(row, Example) and not row.paraphrases and row.prompt]
        written = iter(writer.wordings(bare, n))
        for row in some:
            asked = isinstance(row, Example) and not row.paraphrases and row.prompt
            yield replace(row, paraphrases=next(written)) if isinstance(row, Example) and asked else row

"""What the configured LLM writes, held-out wordings and wrong answers: asked for once, kept, never trained on.

Requests of one part run side by side; the file is appended to in the order of the data. What was answered before a
run was killed is not asked for again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from uptake.artifacts import cannot_write, chunks, digest, write_bytes
from uptake.artifacts.tables import prompt_as_data, prompt_from_data, to_json
from uptake.config import RunConfig
from uptake.models.api import LLM, distractors, from_judge, paraphrase
from uptake.types import BadRow, Example, Wording

AT_ONCE = 8
"""Requests under way at a time."""

T = TypeVar("T")


@dataclass
class Writer:
    """An LLM with a file of what it has written.

    Attributes:
        llm: Who writes.
        path: JSON lines of `{key, value}`.
        places: Where in the file the line of each key begins.
    """

    llm: LLM
    path: Path
    places: dict[str, int] = field(default_factory=dict)

    def wordings(self, examples: Sequence[Example], n: int) -> list[tuple[Wording, ...]]:
        """Up to `n` other wordings of each example.

        Raises:
            UptakeError: The server cannot be reached, refuses, or does not answer as asked.
        """

        def one(example: Example) -> list[Any]:
            wordings = paraphrase(self.llm, example.prompt, example.response, n)
            return [[prompt_as_data(wording.prompt), wording.response] for wording in wordings]

        written = self._each("wordings", examples, n, one)
        return [tuple(Wording(prompt_from_data(p), response) for p, response in items) for items in written]

    def wrong_answers(self, examples: Sequence[Example], n: int) -> list[list[str]]:
        """Up to `n` wrong answers to each example; raises as `wordings`."""
        return self._each("wrong answers", examples, n, lambda e: list(distractors(self.llm, e.prompt, e.response, n)))

    def _each(self, what: str, examples: Sequence[Example], n: int, ask: Callable[[Example], T]) -> list[T]:
        keys = [
            digest(what, n, self.llm.base_url, self.llm.model, prompt_as_data(e.prompt), e.response) for e in examples
        ]
        missing = {key: example for key, example in zip(keys, examples, strict=True) if key not in self.places}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for some in chunks(missing.items(), AT_ONCE):
                for (key, _), value in zip(some, pool.map(lambda item: ask(item[1]), some), strict=True):
                    self._keep(key, value)
        return self._read(keys)

    def _keep(self, key: str, value: Any) -> None:
        try:
            with self.path.open("ab") as file:
                self.places[key] = file.seek(0, os.SEEK_END)
                file.write(to_json({"key": key, "value": value}).encode("utf-8") + b"\n")
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _read(self, keys: Sequence[str]) -> list[Any]:
        if not keys:
            return []
        values = []
        with self.path.open("rb") as file:
            for key in keys:
                file.seek(self.places[key])
                values.append(json.loads(file.readline())["value"])
        return values


def open_writer(config: RunConfig, folder: Path) -> Writer | None:
    """The run's LLM with what it has written so far; None when none is configured.

    Raises:
        UptakeError: Its key is not in the environment, or the place cannot be written.
    """
    if config.judge is None:
        return None
    writer = Writer(from_judge(config.judge, config.seed), folder / "written.jsonl")
    if not writer.path.exists():
        write_bytes(writer.path, b"")
    with writer.path.open("r+b") as file:
        place = 0
        for line in file:
            if not line.endswith(b"\n"):  # a killed run may leave its last line unfinished
                file.truncate(place)
                break
            writer.places[json.loads(line)["key"]] = place
            place += len(line)
    return writer


def with_wordings(rows: Iterable[Example | BadRow], writer: Writer, n: int) -> Iterator[Example | BadRow]:
    """Add `n` wordings by the LLM to each example that brings none and has a prompt."""
    for some in chunks(rows, 4 * AT_ONCE):
        bare = [row for row in some if isinstance(row, Example) and not row.paraphrases and row.prompt]
        written = iter(writer.wordings(bare, n))
        for row in some:
            asked = isinstance(row, Example) and not row.paraphrases and row.prompt
            yield replace(row, paraphrases=next(written)) if isinstance(row, Example) and asked else row

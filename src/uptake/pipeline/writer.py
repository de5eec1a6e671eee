"""What the configured LLM writes, held-out wordings and wrong answers: asked for once, kept, never trained on.

Requests of one part run side by side; the file is appended to in the order of the data. What was answered before a
run was killed is not asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from uptake.artifacts import chunks, digest
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
        known: What the file holds, by key.
    """

    llm: LLM
    path: Path
    known: dict[str, Any] = field(default_factory=dict)

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
        missing = {key: example for key, example in zip(keys, examples, strict=True) if key not in self.known}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for some in chunks(missing.items(), AT_ONCE):
                for (key, _), value in zip(some, pool.map(lambda item: ask(item[1]), some), strict=True):
                    self._keep(key, value)
        return [self.known[key] for key in keys]

    def _keep(self, key: str, value: Any) -> None:
        self.known[key] = value
        with self.path.open("a", encoding="utf-8") as file:
            file.write(to_json({"key": key, "value": value}) + "\n")


def open_writer(config: RunConfig, folder: Path) -> Writer | None:
    """The run's LLM with what it has written so far; None when none is configured.

    Raises:
        UptakeError: Its key is not in the environment.
    """
    if config.judge is None:
        return None
    path = folder / "written.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {}
    if path.exists():
        lines = path.read_text(encoding="utf-8").split("\n")
        whole, torn = lines[:-1], lines[-1]  # a killed run may leave its last line unfinished
        known = {item["key"]: item["value"] for item in map(json.loads, whole)}
        if torn:
            path.write_text("".join(line + "\n" for line in whole), encoding="utf-8")
    return Writer(from_judge(config.judge, config.seed), path, known)


def with_wordings(rows: Iterable[Example | BadRow], writer: Writer, n: int) -> Iterator[Example | BadRow]:
    """Add `n` wordings by the LLM to each example that brings none and has a prompt."""
    for some in chunks(rows, 4 * AT_ONCE):
        bare = [row for row in some if isinstance(row, Example) and not row.paraphrases and row.prompt]
        written = dict(zip((example.id for example in bare), writer.wordings(bare, n), strict=True))
        for row in some:
            bring = isinstance(row, Example) and row.id in written
            yield replace(row, paraphrases=written[row.id]) if isinstance(row, Example) and bring else row

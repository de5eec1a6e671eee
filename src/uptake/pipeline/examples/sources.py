"""The rows of a run's data sets as they are read: the user's, with wordings that an LLM wrote, and never trained on."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from uptake.artifacts import chunks, digest
from uptake.artifacts.tables import prompt_as_data
from uptake.data import Notes
from uptake.pipeline.examples.check import Check
from uptake.pipeline.examples.writer import Writer, with_wordings
from uptake.rivals.spellings import folded
from uptake.rivals.words import context_and_question
from uptake.types import BadRow, Example, Prompt

AT_ONCE = 32
"""Examples that the LLM is asked to reword before the next ones are read."""


@dataclass
class TrainedContent:
    """Which examples are trained on, and after which prompts, in sixteen bytes each.

    Attributes:
        seen: The first 64 bits of the digest of each example's prompt and response.
        prompts: Those of each prompt, however it is spelled.
    """

    seen: array[int] = field(default_factory=lambda: array("Q"))
    prompts: array[int] = field(default_factory=lambda: array("Q"))

    def noting(self, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Pass rows on, and note the examples among them."""
        for row in rows:
            if isinstance(row, Example):
                self.seen.append(_content(row))
                if (asked := asked_by(row.prompt)) is not None:
                    self.prompts.append(asked)
            yield row

    def holds(self) -> Callable[[Example], bool]:
        """Tells of an example whether it is trained on, once all examples were noted."""
        known = _among(self.seen)
        return lambda example: known(_content(example))

    def asks(self) -> Callable[[Prompt], bool]:
        """Tells of a prompt whether a response to it is trained, once all examples were noted."""
        known = _among(self.prompts)
        return lambda prompt: (asked := asked_by(prompt)) is not None and known(asked)

    def without(self, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Pass rows on; an example that is trained on is a bad row among those that never were, as is its prompt."""
        trained, asked = self.holds(), self.asks()
        for row in rows:
            if isinstance(row, Example):
                what = "example is" if trained(row) else "prompt is" if asked(row.prompt) else None
                if what is not None:
                    reason = f"this {what} in the training data too; a held-out one must never have been trained on"
                    yield BadRow(row.file or row.source, row.line, f"example {row.id}: {reason}")
                    continue
            yield row


def _among(seen: array[int]) -> Callable[[int], bool]:
    known = np.sort(np.frombuffer(seen, dtype=np.uint64)) if seen else np.zeros(0, dtype=np.uint64)

    def among(number: int) -> bool:
        own = np.uint64(number)
        return len(known) > 0 and bool(known[min(int(np.searchsorted(known, own)), len(known) - 1)] == own)

    return among


def _content(example: Example) -> int:
    return int(digest(prompt_as_data(example.prompt), example.response)[:16], 16)


def asked_by(prompt: Prompt) -> int | None:
    """What is asked and what comes before it, however it is spelled; None where nothing is."""
    context, text = context_and_question(prompt)
    told = folded(text)
    return int(digest(" ".join(context.split()), told)[:16], 16) if told else None


TRAINED_WORDING = "a held-out wording is the prompt of an example that is trained on, and left out"


def never_trained(
    rows: Iterable[Example | BadRow], asks: Callable[[], Callable[[Prompt], bool]], notes: Notes
) -> Iterator[Example | BadRow]:
    """Pass rows on, examples without the held-out wordings that are trained on.

    That two rows ask the same in other words is no fault of either: they may contradict each other. But what a model
    says in such a wording was trained, and is no measure of what it makes of words that were not.

    Args:
        rows: Examples with their wordings.
        asks: Gives what tells of a prompt whether it is trained; called when a first wording is there.
        notes: Takes what is left out.
    """
    known = cache(asks)
    for row in rows:
        if isinstance(row, Example) and row.paraphrases:
            kept = tuple(wording for wording in row.paraphrases if not known()(wording.prompt))
            for _ in row.paraphrases[len(kept) :]:
                notes.add(TRAINED_WORDING, f"example {row.id}")
            row = row if len(kept) == len(row.paraphrases) else replace(row, paraphrases=kept)
        yield row


@dataclass
class Reworded:
    """Adds an LLM's wordings to examples that bring none, those alone that the models can be asked in.

    Attributes:
        writer: The LLM.
        n: Wordings to be had of each.
        check: What is wrong with an example.
        dropped: How many wordings were left out; the user's row is not to blame for them.
    """

    writer: Writer
    n: int
    check: Check
    dropped: int = 0

    def __call__(self, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """The rows, in their order.

        Raises:
            UptakeError: The server cannot be reached, or refuses.
        """
        for some in chunks(rows, AT_ONCE):
            for before, after in zip(some, with_wordings(some, self.writer, self.n), strict=True):
                yield self._fitting(after) if isinstance(after, Example) and after != before else after

    def _fitting(self, example: Example) -> Example:
        alone = [replace(example, paraphrases=(wording,), options=()) for wording in example.paraphrases]
        faults = self.check(alone)
        kept = tuple(w for w, fault in zip(example.paraphrases, faults, strict=True) if fault is None)
        self.dropped += len(faults) - len(kept)
        return replace(example, paraphrases=kept)

"""The rows of a run's data sets as they are read: the user's, with wordings that an LLM wrote, and never trained on."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from uptake.artifacts import chunks, digest
from uptake.artifacts.tables import prompt_as_data
from uptake.pipeline.examples.check import Check
from uptake.pipeline.examples.writer import Writer, with_wordings
from uptake.types import BadRow, Example

AT_ONCE = 32
"""Examples that the LLM is asked to reword before the next ones are read."""


@dataclass
class TrainedContent:
    """Which examples are trained on, in eight bytes each.

    Attributes:
        seen: The first 64 bits of the digest of each example's prompt and response.
    """

    seen: array[int] = field(default_factory=lambda: array("Q"))

    def noting(self, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Pass rows on, and note the examples among them."""
        for row in rows:
            if isinstance(row, Example):
                self.seen.append(_content(row))
            yield row

    def holds(self) -> Callable[[Example], bool]:
        """Tells of an example whether it is trained on, once all examples were noted."""
        known = np.sort(np.frombuffer(self.seen, dtype=np.uint64)) if self.seen else np.zeros(0, dtype=np.uint64)

        def trained(example: Example) -> bool:
            own = np.uint64(_content(example))
            return len(known) > 0 and bool(known[min(int(np.searchsorted(known, own)), len(known) - 1)] == own)

        return trained

    def without(self, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Pass rows on; an example that is trained on is a bad row among those that never were."""
        trained = self.holds()
        for row in rows:
            if isinstance(row, Example):
                if trained(row):
                    reason = "this example is in the training data too; a held-out one must never have been trained on"
                    yield BadRow(row.file or row.source, row.line, f"example {row.id}: {reason}")
                    continue
            yield row


def _content(example: Example) -> int:
    return int(digest(prompt_as_data(example.prompt), example.response)[:16], 16)


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

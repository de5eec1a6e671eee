"""The share of a stage's data that is never trained and tests the stage instead, drawn by what an example asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from uptake.artifacts import digest
from uptake.artifacts.tables import prompt_as_data
from uptake.errors import UptakeError
from uptake.types import BadRow, Example

_OF = 2**32


@dataclass(frozen=True, slots=True)
class HeldShare:
    """A share of the examples, held out of training.

    Whether an example belongs to it depends on its prompt and the seed alone: not on the order of the rows, nor on
    which others there are. Examples that ask the same are on one side, in all stages.

    Attributes:
        share: Of the examples, in (0, 1); so many are expected, and it is seldom exactly so many.
        seed: Of the draw.
    """

    share: float
    seed: int

    def holds(self, example: Example) -> bool:
        """Whether an example is held out."""
        asked = prompt_as_data(example.prompt) or example.response  # of a plain text, the text
        return int(digest("test_share", self.seed, asked)[:8], 16) < self.share * _OF

    def trained(self, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """The rows without what is held out.

        Raises:
            UptakeError: Nothing is left to train.
        """
        n = left = 0
        for row in rows:
            n += isinstance(row, Example)
            if not isinstance(row, Example) or not self.holds(row):
                left += isinstance(row, Example)
                yield row
        if n and not left:
            raise UptakeError(
                f"test_share is {self.share}, and all {n} examples were drawn for the tests: none is left to train",
                fix="lower test_share, or name a test set: stages.N.test",
            )

    def held(self, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """The examples that are held out; rows that cannot be used are told where the others are read."""
        return (row for row in rows if isinstance(row, Example) and self.holds(row))

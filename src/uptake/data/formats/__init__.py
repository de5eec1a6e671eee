"""The data formats: one file a member, each with the keys it is recognised by and its conversion of a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uptake.data.formats import alpaca, messages, prompt_completion, sharegpt, text
from uptake.data.parts import LoadOptions, ParsedRow, Values


@dataclass(frozen=True, slots=True)
class Format:
    """A way in which people write down training examples.

    Attributes:
        keys: A row that has all of these is of this format.
        convert: Makes the examples of a row: one, or one for each assistant turn. Raises `RowError`.
    """

    keys: tuple[str, ...]
    convert: Callable[[Values, LoadOptions], list[ParsedRow]]

    def fits(self, row: Values) -> bool:
        """Whether a row looks like this format."""
        return all(key in row for key in self.keys)


# a row that fits several is read as the first of them; `prompt` and `completion` win over all else in TRL too
FORMATS: dict[str, Format] = {
    "prompt_completion": Format(prompt_completion.KEYS, prompt_completion.convert),
    "messages": Format(messages.KEYS, messages.convert),
    "sharegpt": Format(sharegpt.KEYS, sharegpt.convert),
    "alpaca": Format(alpaca.KEYS, alpaca.convert),
    "text": Format(text.KEYS, text.convert),
}


def detect(row: Values) -> str | None:
    """The name of the format of a row; None when it looks like none."""
    return next((name for name, member in FORMATS.items() if member.fits(row)), None)

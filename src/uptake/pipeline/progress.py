"""What is told of the progress of a step."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """What is told while a step works: its name, examples done, and how many there are (None: not known yet).

    Of each step it is told first what was done before it began: 0, or what a killed run had finished.
    """

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Called when a step begins, and again whenever more of it is done."""
        ...

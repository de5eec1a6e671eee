"""What the reader of the numbers should know about how the data were read."""

from __future__ import annotations


class Notes:
    """Notes on a data set, each once: in how many rows it holds, and which is the first of them."""

    def __init__(self) -> None:
        self._rows: dict[str, list[str | int]] = {}

    def add(self, note: str, where: str | None = None) -> None:
        """Note something of a row, or of the whole data set where no `where` is given."""
        if where is None:
            self._rows.setdefault(note, ["", 0])
        else:
            entry = self._rows.setdefault(note, [where, 0])
            entry[1] = int(entry[1]) + 1

    def told(self) -> list[str]:
        """The notes in the order in which they came up."""
        return [f"{note}{_rows(str(where), int(n))}" for note, (where, n) in self._rows.items()]


def _rows(where: str, n: int) -> str:
    if n == 0:
        return ""
    return f" ({where})" if n == 1 else f" ({n} rows, the first is {where})"

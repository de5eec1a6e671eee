"""A file of which some rows are in one format and some in another: which are which, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uptake.data.columns import named, recognise
from uptake.data.files import DataFile
from uptake.data.formats import FORMATS
from uptake.data.parts import Values
from uptake.data.readers import RawRow
from uptake.text import counted

SHOWN = 5
"""Lines of a format that are named."""


@dataclass
class Mixed:
    """Tells of rows that they are in another format than their file is read in; which rows are which is told once.

    Attributes:
        file: The file.
        format: That in which it is read.
        columns: Names of columns, the user's and then those that were found, as `named` takes them.
    """

    file: DataFile
    format: str
    columns: Sequence[Mapping[str, str] | None]
    _told: bool = field(default=False, init=False)

    def why(self, row: Values) -> str | None:
        """Why a row cannot be read; None where it is in the file's format, or in none that is known.

        The first time the file is read once more, to its end.
        """
        other = self._format(row)
        if other in (None, self.format):
            return None
        if self._told:
            return f"the row is in the format {other}, and the file is read as {self.format}: see the first such row"
        self._told = True
        lines: dict[str, list[int]] = {}
        for one in self.file.rows():
            if isinstance(one, RawRow) and (found := self._format(one.values)) is not None:
                lines.setdefault(found, []).append(one.line)
        each = "; ".join(_rows(name, of) for name, of in sorted(lines.items(), key=lambda item: -len(item[1])))
        return (
            f"the row is in the format {other}, and the file is read as {self.format}, as its first row is. It mixes "
            f"formats: {each}. A file is read in one format: write the rows of each into a file of its own, and name "
            "the folder of these files as the dataset"
        )

    def _format(self, row: Values) -> str | None:
        """The format of a row, of which columns that are null (another format's, in a table) are no part."""
        for columns in self.columns:
            row = named(row, columns)
        values = {key: value for key, value in row.items() if value is not None}
        if FORMATS[self.format].fits(values):
            return self.format
        found = recognise(values)
        return None if found is None else found.format


def _rows(name: str, lines: list[int]) -> str:
    keys = ", ".join(f"`{key}`" for key in FORMATS[name].keys)
    shown = ", ".join(map(str, lines[:SHOWN])) + (", ..." if len(lines) > SHOWN else "")
    return f"{name} ({keys}) in {counted(len(lines), 'row')}, {'lines' if len(lines) > 1 else 'line'} {shown}"

"""`text`: plain text to be modelled, with no prompt before it.

    {"text": "Paris is the capital of France."}

A .txt file is read in the same way, one example a line as in `datasets`; blank lines separate and are no examples.
"""

from __future__ import annotations

from uptake.data.parts import LoadOptions, ParsedRow, Values, response_text

KEYS = ("text",)


def convert(row: Values, options: LoadOptions) -> list[ParsedRow]:
    """The example in a row; `RowError` says why there is none."""
    return [ParsedRow("", response_text(row, "text"))]

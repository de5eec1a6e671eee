"""People's training data: read in the formats they use, and encoded exactly as TRL trains it."""

from __future__ import annotations

from uptake.data.encode import Encoded, Rendered, TemplateError, Turn, encode, rendered
from uptake.data.formats import FORMATS
from uptake.data.load import Loaded, bad_rows_error, describe_bad_row, load, stream
from uptake.data.notes import Notes
from uptake.data.parts import LoadOptions
from uptake.data.wordings import with_paraphrases

__all__ = [
    "FORMATS",
    "Encoded",
    "LoadOptions",
    "Loaded",
    "Notes",
    "Rendered",
    "TemplateError",
    "Turn",
    "bad_rows_error",
    "describe_bad_row",
    "encode",
    "load",
    "rendered",
    "stream",
    "with_paraphrases",
]

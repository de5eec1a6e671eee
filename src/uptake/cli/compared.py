"""Diagnoses as the verbs that compare them read them: a folder without one, or a broken one, is the user's error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uptake.artifacts import read_json
from uptake.compare import Pairs, match
from uptake.errors import UptakeError
from uptake.pipeline import Diagnosis, read_diagnosis


def opened(path: Path) -> tuple[Diagnosis, dict[str, Any]]:
    """The diagnosis in a folder, its own or a run's, and its summary.

    Raises:
        UptakeError: There is none, or it cannot be read.
    """
    diagnosis = read_diagnosis(path)
    summary = read_json(diagnosis.folder / "summary.json")
    if not isinstance(summary, dict) or not all(key in summary for key in ("n", "learned", "by_source")):
        raise UptakeError(f"{diagnosis.folder / 'summary.json'} is no summary of a diagnosis", fix=_again(path))
    return diagnosis, summary


def matched(before: Diagnosis, after: Diagnosis) -> Pairs:
    """The examples of two diagnoses side by side.

    Raises:
        UptakeError: A table cannot be read, or the two have nothing in common.
    """
    import pyarrow as pa

    reading = before
    try:
        old = list(before)
        reading = after
        return match(old, after)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        table = reading.folder / "diagnosis.parquet"
        raise UptakeError(f"cannot read {table}: {error}", fix=_again(reading.folder)) from error


def _again(path: Path) -> str:
    return f"make it again with `uptake diagnose`, or name another folder than {path}"

"""Diagnoses as the verbs that compare them read them: a folder without one, or a broken one, is the user's error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptake.errors import UptakeError
from uptake.pipeline import Diagnosis, read_diagnosis


def opened(path: Path) -> tuple[Diagnosis, dict[str, Any]]:
    """The diagnosis in a folder, its own or a run's, and its summary.

    Raises:
        UptakeError: There is none, or it cannot be read.
    """
    diagnosis = read_diagnosis(path)
    summary = diagnosis.summary()
    sources = summary.get("by_source")
    if not _counts(summary) or not isinstance(sources, Mapping) or not all(map(_counts, sources.values())):
        raise UptakeError(
            f"{diagnosis.folder / 'summary.json'} is not the summary of a diagnosis",
            fix=f"run `uptake diagnose run.yaml` again, or give another folder than {path}",
        )
    return diagnosis, summary


def _counts(part: Any) -> bool:
    """Whether that holds the counts and rates of some examples."""
    if not isinstance(part, Mapping) or not _is_count(part.get("n")):
        return False
    for name in ("learned", "shallow", "forgotten"):
        one = part.get(name)
        if not isinstance(one, Mapping) or "count" not in one or "rate" not in one:
            return False
        if one["count"] is None and one["rate"] is None:  # not measured: no base, no other wording, no example
            continue
        of = one["rate"].get("n") if isinstance(one["rate"], Mapping) else None
        if not _is_count(one["count"]) or not _is_count(of) or not one["count"] <= of <= part["n"]:
            return False
    return True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

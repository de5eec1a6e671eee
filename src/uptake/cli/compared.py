"""Diagnoses as the verbs that compare them read them: a folder without one, or a broken one, is the user's error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uptake.pipeline import Diagnosis, read_diagnosis


def opened(path: Path) -> tuple[Diagnosis, dict[str, Any]]:
    """The diagnosis in a folder, its own or a run's, and its summary.

    Raises:
        UptakeError: There is none, or it cannot be read.
    """
    diagnosis = read_diagnosis(path)
    return diagnosis, diagnosis.summary()

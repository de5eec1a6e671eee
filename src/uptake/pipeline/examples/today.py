"""The date that a run's chat template is told: that of the run's first day, on whichever day it goes on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from uptake.artifacts import write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.training import TODAY
from uptake.models import Loadable

FILE = "today.json"
"""In `output_dir`."""


def asks_for_the_date(tokenizer: Any) -> bool:
    """Whether a tokenizer's chat template may write the date of the day on which it is used into a prompt."""
    return "strftime_now" in str(tokenizer.chat_template)


def known_today(output_dir: Path) -> str | None:
    """The date of a run (2026-01-31), where one is kept in its folder.

    Raises:
        UptakeError: The file holds no date.
    """
    path = output_dir / FILE
    return _read(path) if path.is_file() else None


def day_of(tokenizer: Any, output_dir: Path, known: str | None = None) -> str | None:
    """The date that a chat template is told in a run; None where it asks for none. Nothing is written.

    Args:
        tokenizer: Has the template.
        output_dir: The run's folder; a date that is kept there counts before all others.
        known: That of the run which this one is a part of.

    Raises:
        UptakeError: The file in the folder holds no date.
    """
    if not asks_for_the_date(tokenizer):
        return None
    return known_today(output_dir) or known or date.today().isoformat()


def keep_today(output_dir: Path, day: str) -> None:
    """Keep the date of a run, unless one is kept already.

    Raises:
        UptakeError: The file cannot be written.
    """
    path = output_dir / FILE
    if not path.is_file():
        write_json(path, {"today": day})


def kept_today(output_dir: Path, former: Path | None = None) -> str:
    """The date of a run (2026-01-31): of the first call for its folder, and then always the same.

    Args:
        output_dir: The run's folder.
        former: The folder of a run that this one is to be compared with: its date is taken over.

    Raises:
        UptakeError: The file cannot be written, or holds no date.
    """
    day = known_today(output_dir) or (None if former is None else known_today(former)) or date.today().isoformat()
    keep_today(output_dir, day)
    return day


def told(model: Loadable, today: str) -> Loadable:
    """The same model, whose chat template is told this date; one that is not of this process stays as it is."""
    from uptake.models.scoring.lazy import Lazy

    return model.on(today) if isinstance(model, Lazy) else model


def _read(path: Path) -> str:
    return read_record(path, TODAY, f"correct it, or delete {path}").today

"""`plan.json` read into a checked record: nothing of it is believed before its types and values are seen right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from uptake.artifacts import digest
from uptake.artifacts.checked import parse_own, told
from uptake.errors import UptakeError
from uptake.pilot import Pilot
from uptake.types import Cost, Edit, Unmended

VERSION = 2
"""Of the schema of `plan.json`."""

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


def _within(name: str) -> str:
    """Refuse the name of a file that does not lie in the plan's folder."""
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in name or ":" in parts[0] or "\0" in name:
        raise ValueError("it is no file in the plan's folder")
    return name


@dataclass(frozen=True)
class PlanRequest:
    """What a plan was asked for with, so that it can be made anew.

    Attributes:
        start: As in `Plan`.
        unsafe: Whether examples may go out.
        processes: How many train together.
    """

    start: Literal["base", "tuned"] = "base"
    unsafe: bool = False
    processes: Positive = 1


@dataclass(frozen=True)
class Head:
    """What `plan.json` says; what is not explained here is as in `Plan`.

    Attributes:
        version: `VERSION`.
        key: Identifies what the plan was made from.
        texts: How many texts are read.
        rows: How many rows of fine-tuning were written.
        files: A digest of each of the other files.
        content: Identifies what `plan.json` said when it was written; empty in older plans.
    """

    version: int
    key: str
    asked: PlanRequest
    start: Literal["base", "tuned"]
    model: Annotated[str, Field(min_length=1)]
    step: Positive
    texts: Count
    reading: Literal["before", "within"]
    rows: Count
    cost: Cost
    training: dict[str, Any]
    peft: dict[str, Any] | None
    files: dict[Annotated[str, AfterValidator(_within)], str]
    notes: tuple[str, ...]
    unmended: tuple[Unmended, ...]
    edits: tuple[Edit, ...]
    pilot: Pilot | None = None
    content: str = ""


_SCHEMA = TypeAdapter(Head)


def read_head(folder: Path) -> tuple[Head, str]:
    """What the `plan.json` of a folder says, and what identifies that.

    Raises:
        UptakeError: There is none, or it is no plan's.
    """
    path = folder / "plan.json"
    if not path.exists():
        raise UptakeError(f"no plan in {folder}", fix="run `uptake prescribe run.yaml` first")
    if not path.is_file():
        raise damaged(path, "it is not a file")
    try:
        text = path.read_text(encoding="utf-8")
        said = parse_own(text)
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from error
    if not isinstance(said, dict) or said.get("version") != VERSION:
        raise UptakeError(f"{path} is not a plan of version {VERSION}", fix=anew(folder))
    try:
        return _SCHEMA.validate_json(text, strict=True), content(said)
    except ValidationError as error:
        raise damaged(path, told(error)) from error


def content(head: Mapping[str, Any]) -> str:
    """Identifies what `plan.json` says, however it is laid out."""
    return digest({name: value for name, value in head.items() if name != "content"})


def damaged(path: Path, why: str) -> UptakeError:
    """The error for a file of a plan that cannot be read.

    Args:
        path: The file; it lies in the plan's folder.
        why: What is wrong with it.
    """
    return UptakeError(
        f"{path} cannot be read as a plan: {why}",
        expected="the keys and values of docs/details/prescribe.md",
        fix=f"correct it, or {anew(path.parent)}",
    )


def anew(folder: Path) -> str:
    """How to come to a plan where what lies there is none, or damaged: nothing is deleted for the user."""
    return f"delete {folder}, or move it elsewhere, and run `uptake prescribe run.yaml`"

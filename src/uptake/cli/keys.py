"""The keys of the run file as a verb's help lists them: in groups, each with its type or choices, and its default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from uptake.config.schema import RunConfig, Section
from uptake.config.trainer_fields import PEFT, TRAINING

GROUPS: Mapping[str, str] = {
    "Keys of the run file: models and training": "model_name_or_path",
    "Keys: data": "corpus",
    "Keys: output": "judge",
    "Keys: loading the model": "dtype",
    "Keys: reading the data": "format",
    "Keys: judging an example": "criterion",
    "Keys: prescribing": "plan",
}
"""Each group's title and its first key; a group goes on until the next one begins."""

_PLAIN: Mapping[object, str] = {str: "text", int: "int", float: "float", bool: "true|false", Path: "path"}


def grouped() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """For each group its title, and for each of its keys the option and what it means, in few words."""
    first = {key: title for title, key in GROUPS.items()}
    title, rows = "", list[tuple[str, str]]()
    for name, field in RunConfig.model_fields.items():
        if name in first:
            if rows:
                yield title, rows
            title, rows = first[name], []
        rows.append(_row(name, field))
    yield title, rows


def options() -> Iterator[tuple[str, str]]:
    """Every option that a key of the run file is, those of its sections too, with what it means."""
    fields = {"training": TRAINING, "peft": PEFT}
    for name, field in RunConfig.model_fields.items():
        about = " ".join((field.description or "").split())
        below = _section(field.annotation)
        index = ".0" if get_origin(field.annotation) is tuple else ""
        inner = fields.get(name, ()) if below is None else below.model_fields
        yield from ((f"--{name}{index}.{key}", about) for key in inner)
        if not inner:
            yield f"--{name}", about


def _row(name: str, field: FieldInfo) -> tuple[str, str]:
    # what follows a semicolon explains a value; docs/reference/run-file.md has it
    about = " ".join((field.description or "").split()).partition(";")[0].rstrip(".") + "."
    below = _section(field.annotation)
    if below is not None:
        listed = ", ".join(below.model_fields)
        index = ".N" if get_origin(field.annotation) is tuple else ""
        return f"--{name}{index}.KEY", f"{about} KEY: {listed}."
    if _bare(field.annotation)[0] is dict or get_origin(_bare(field.annotation)[0]) is dict:
        return f"--{name}.FIELD", about
    return f"--{name} <{kind(field.annotation)}>", f"{about} {_default(field)}".rstrip()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "[required]"
    value = field.default
    if value is None or value == ():
        return ""
    return f"[default: {value if isinstance(value, str | Path) else json.dumps(value)}]"


def kind(annotation: Any) -> str:
    """A type as one word, or its choices."""
    parts = _bare(annotation)
    words = []
    for part in parts:
        if get_origin(part) is Literal:
            words += [str(choice) for choice in get_args(part)]
        else:
            words.append(_PLAIN.get(part, "value"))
    return "|".join(words)


def _bare(annotation: Any) -> list[Any]:
    """The members of a type without what surrounds them: `Annotated`, and `None` among others."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Literal, dict, tuple):
        return [annotation]
    parts = [part for part in get_args(annotation) if part is not NoneType]
    return [each for part in parts for each in _bare(part)] if parts else [annotation]


def _section(annotation: Any) -> type[Section] | None:
    """The section of the run file that a key holds, or the first kind of those that it holds many of."""
    for part in _bare(annotation):
        if get_origin(part) is tuple:
            return _section(get_args(part)[0])
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return None

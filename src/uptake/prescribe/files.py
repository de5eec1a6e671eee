"""A plan as a folder: written whole or not at all, and read back.

`plan.json` has the reasons and the cost, `cpt.jsonl` and `sft.jsonl` the texts and rows in their order, `plan.md` the
same for people, and a folder a trainer its settings. The schema stands in docs/details/prescribe.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from uptake.artifacts import cannot_write, digest, file_digest, versions, write_bytes
from uptake.artifacts.tables import to_json
from uptake.errors import UptakeError
from uptake.prescribe.head import VERSION, PlanRequest, anew, content, damaged, read_head
from uptake.prescribe.markdown import plan_markdown
from uptake.prescribe.rows import (
    axolotl_row,
    cpt_row,
    document_from_row,
    ended_row,
    example_from_row,
    sft_row,
)
from uptake.prescribe.trainers import Export, configs, refusals
from uptake.types import Example, Plan

TRAINED = ("plan.json", "cpt.jsonl", "sft.jsonl")
"""The files of a plan that it is read from; the others are for people and other trainers."""

T = TypeVar("T")


def write_plan(
    folder: Path, plan: Plan, made: Export, key: str, asked: Mapping[str, bool | int | str] | None = None
) -> None:
    """Write a plan; a killed run leaves none, or the former one.

    Args:
        folder: Where it goes; another plan that is there is replaced.
        plan: The plan.
        made: What the trainers' settings are made from.
        key: Identifies what the plan was made from.
        asked: What it was asked for with, so that it can be made anew: `start`, `unsafe`, `processes`.

    Raises:
        UptakeError: The disk is full, the place cannot be written, or the plan there was changed by hand.
    """
    refuse_changed(folder)
    partial, old = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.old")
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        for name, data in _files(plan, made):
            _write(partial / name, data)
        digests = {path.relative_to(partial).as_posix(): file_digest(path) for path in _paths(partial)}
        write_bytes(partial / "plan.json", _head(plan, key, digests, asked or {}))
        _remove(old)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        _remove(old)
    except OSError as error:
        with suppress(OSError):  # what a full disk took is given back
            _remove(partial)
        raise cannot_write(folder, error) from error


def _remove(path: Path) -> None:
    """Remove what lies there; of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _files(plan: Plan, made: Export) -> Iterator[tuple[str, Iterable[str] | bytes]]:
    """All files but `plan.json`: each with its bytes or its lines."""
    kind = made.kind
    if plan.cpt:
        yield "cpt.jsonl", (to_json(cpt_row(one)) for one in plan.cpt)
    yield "sft.jsonl", _lines(plan, lambda one: sft_row(one, kind))
    yield "plan.md", plan_markdown(plan).encode()
    refused = refusals(plan.sft, made.kind)
    if "llamafactory" not in refused:
        yield "llamafactory/sft.jsonl", _lines(plan, lambda one: ended_row(one, kind, made.eos))
    if kind == "chat" and "axolotl" not in refused:
        yield "axolotl/sft.jsonl", _lines(plan, axolotl_row)
    yield from configs(plan, made).items()


def _lines(plan: Plan, row: Callable[[Example], Mapping[str, Any]]) -> Iterator[str]:
    """A line for each row of fine-tuning; an example that comes again is not written out again from its parts."""
    known: dict[int, str] = {}
    for example in plan.sft:
        if id(example) not in known:
            known[id(example)] = to_json(row(example))
        yield known[id(example)]


def _write(path: Path, data: Iterable[str] | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        path.write_bytes(data)
        return
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in data)


def _paths(folder: Path) -> list[Path]:
    """All files but `plan.json`, and links, wherever they lead."""
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(path for path in found if path != folder / "plan.json")


def _head(plan: Plan, key: str, digests: Mapping[str, str], asked: Mapping[str, Any]) -> bytes:
    """`plan.json`: a key a line, and of lists an element a line."""
    head: dict[str, Any] = {
        "version": VERSION,
        "key": key,
        "asked": dict(asked),
        "start": plan.start,
        "model": plan.model,
        "step": plan.step,
        "texts": len(plan.cpt),
        "reading": plan.reading,
        "rows": len(plan.sft),
        "cost": {**asdict(plan.cost), "total": plan.cost.total},
        "training": dict(plan.training),
        "peft": None if plan.peft is None else dict(plan.peft),
        "versions": versions(),
        "content": "",
        "files": dict(digests),
        "notes": list(plan.notes),
        "unmended": [asdict(one) for one in plan.unmended],
        "edits": [asdict(one) for one in plan.edits],
        "pilot": None if plan.pilot is None else asdict(plan.pilot),
    }
    head["content"] = content({name: json.loads(to_json(value)) for name, value in head.items()})
    lines = [f"{json.dumps(name)}: {_value(value)}" for name, value in head.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _value(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {to_json(one)}" for one in value) + "\n]"
    return to_json(value)


def read_plan(folder: Path) -> Plan:
    """Read a plan back.

    Rows that were changed by hand since are read as they are.

    Args:
        folder: Holds `plan.json`, `sft.jsonl` and, if texts are read, `cpt.jsonl`.

    Raises:
        UptakeError: There is no plan, or it cannot be read, or it trains nothing.
    """
    head, _ = read_head(folder)
    cpt = tuple(_rows(folder / "cpt.jsonl", document_from_row)) if head.texts else ()
    known: dict[str, Example] = {}
    sft = tuple(_once(one, known) for one in _rows(folder / "sft.jsonl", example_from_row))
    return Plan(
        start=head.start,
        model=head.model,
        cpt=cpt,
        sft=sft,
        step=head.step,
        edits=head.edits,
        unmended=head.unmended,
        cost=head.cost,
        training=head.training,
        peft=head.peft,
        notes=head.notes,
        reading=head.reading,
        pilot=head.pilot,
    )


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _rows(path: Path, read: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    """The rows of a file of a plan; one without any is damaged, for `plan.json` says that there are some."""
    if not path.is_file():
        raise damaged(path, "it is missing")
    some = False
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _row(f"{path}:{number}", line, read)
                    some = True
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, str(error)) from error
    if not some:
        raise damaged(path, "it is empty")


def _row(where: str, line: str, read: Callable[[Mapping[str, Any]], T]) -> T:
    fix = "correct the line, or delete the plan and run `uptake prescribe run.yaml`"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UptakeError(f"{where}: not JSON: {error}", fix=fix) from error
    try:
        if not isinstance(row, dict):
            raise ValueError("it is not an object")
        return read(row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{where}: no row of a plan: {_reason(error)}"
        raise UptakeError(why, expected="the keys of the other rows", fix=fix) from error


def _once(example: Example, known: dict[str, Example]) -> Example:
    """The same object for the same example: an order of millions of rows holds each once."""
    kept = known.setdefault(example.id, example)
    return kept if kept == example else example


def found_plan(folder: Path, key: str) -> Plan | None:
    """The plan that was made from the very same before; None where there is none, or some of its files are gone."""
    try:
        head, _ = read_head(folder)
    except UptakeError:
        return None
    return read_plan(folder) if head.key == key and not gone(folder) else None


def refuse_changed(folder: Path) -> None:
    """Refuse to replace a plan that somebody changed, or what is no folder of ours.

    Raises:
        UptakeError: A file of it is not as it was written, or a link or a file lies there.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        what = "a symbolic link" if folder.is_symlink() else "no folder"
        raise UptakeError(
            f"{folder} is {what}; writing a plan would replace it",
            expected="a folder, or nothing",
            fix=f"move {folder} elsewhere, and run `uptake prescribe run.yaml`",
        )
    paths = changed(folder)
    if paths and not (folder / "plan.json").exists():
        raise UptakeError(f"{folder} holds {paths[0].relative_to(folder)}, and no plan.json", fix=anew(folder))
    for path in paths[:1]:
        raise UptakeError(
            f"{path} was changed after the plan was written; the change would be lost",
            expected="a plan as it was written, or none",
            fix=anew(folder),
        )


def changed(folder: Path) -> list[Path]:
    """The files of a plan that somebody changed since it was written, or added; without a plan, all that lie there.

    Raises:
        UptakeError: The plan cannot be read.
    """
    if not (folder / "plan.json").exists():
        return list(_paths(folder))
    head, own = read_head(folder)
    found = [] if head.content in ("", own) else [folder / "plan.json"]  # older plans do not say
    for path in _paths(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or name not in head.files or file_digest(path) != head.files[name]:
            found.append(path)
    return found


def gone(folder: Path) -> list[Path]:
    """The files of a plan that are no longer there.

    Raises:
        UptakeError: There is no plan, or it cannot be read.
    """
    head, _ = read_head(folder)
    return [path for name in head.files if not os.path.isfile(path := folder / name)]


def require_rows(folder: Path) -> None:
    """See that what a plan is trained from is there.

    Raises:
        UptakeError: A file of texts or rows is gone.
    """
    for path in gone(folder):
        if path.parent == folder and path.name in TRAINED:
            raise UptakeError(
                f"{path} is missing from the plan", fix="run `uptake prescribe run.yaml`: it writes it again"
            )


def asked_for(folder: Path) -> PlanRequest | None:
    """What a plan was asked for with; None where there is no plan.

    Raises:
        UptakeError: The plan cannot be read.
    """
    return read_head(folder)[0].asked if (folder / "plan.json").exists() else None


def content_of(folder: Path) -> str:
    """Identifies what a plan trains: texts, rows, their order, and the settings.

    Raises:
        UptakeError: There is no plan, or it cannot be read.
    """
    head, _ = read_head(folder)
    rows = [file_digest(folder / name) for name in ("cpt.jsonl", "sft.jsonl") if (folder / name).exists()]
    return digest(rows, [head.start, head.reading, head.step, head.training, head.peft])

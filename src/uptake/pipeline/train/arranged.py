"""What a stage's strategies arrange for it: made once, by one process, and kept in files that all processes read.

A stage that was killed and is resumed reads them too: nothing is scored, generated or drawn again. Files bear the
digest of their content, and the digest of the whole is a part of what identifies the stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from uptake.artifacts import cannot_write, digest, file_digest, write_bytes, write_json
from uptake.artifacts.checked import read_data, read_record
from uptake.artifacts.schemas.parts import Count, JsonSchema
from uptake.artifacts.schemas.training import TableName
from uptake.errors import UptakeError
from uptake.processes import Processes
from uptake.schedule import EpochRows, Schedule

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.models.training.hooks import StageView

ARRANGED = "arranged"
"""The folder, in that of the stage's checkpoints."""

INDEX, FAILED = "arranged.json", "arranged.failed"
"""What there is, and beside the folder a sign that it could not be made."""

POLL = 0.2
"""Seconds between two looks of the processes that wait: the first one may score or generate for hours."""


@dataclass(frozen=True)
class DrawnData:
    """Rows that epochs draw: so many come always, and where the others are told."""

    always: Count
    epochs: TableName


@dataclass(frozen=True)
class ArrangedData:
    """`arranged.json`: made from what, what differs from before, what is to be told of it, and the tokens it took."""

    made_from: str
    rows: TableName | None
    validation: TableName | None
    schedule: Schedule | None
    drawn: DrawnData | None
    told: tuple[str, ...]
    spent: tuple[Count, Count, Count, Count]


SCHEMA: JsonSchema[ArrangedData] = JsonSchema(ArrangedData)


@dataclass(frozen=True)
class Arrangement:
    """Where what is arranged lies, and for what.

    Attributes:
        work: The folder of the stage's checkpoints.
        stage: The stage's name.
        made_from: Identifies all that it is made from.
        begun: A checkpoint was trained with it: then it cannot be made anew.
        processes: Those that train together.
    """

    work: Path
    stage: str
    made_from: str
    begun: bool
    processes: Processes

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.work / ARRANGED


def arranged(at: Arrangement, given: StageView, make: Callable[[], StageView], wait: Callable[[], None]) -> StageView:
    """What is trained, as it was arranged: from the files if they are there, else made by the first process.

    Args:
        at: Where it lies.
        given: The stage before anything is arranged.
        make: Arranges it.
        wait: Returns when all processes have called it.

    Raises:
        UptakeError: It cannot be made or written; or it is gone or damaged, and training has begun with it.
    """
    if at.processes.first:
        (at.work / FAILED).unlink(missing_ok=True)
    wait()
    if not _made(at):
        if at.begun:
            raise _gone(at, f"there is no {at.folder / INDEX} of this stage")
        if at.processes.first:
            _make(at, given, make)
        else:
            _wait_for(at)
    return _read(at, given)


def arranged_digest(work: Path) -> str:
    """Identifies what is arranged."""
    return digest(read_data(work / ARRANGED / INDEX, SCHEMA, _again(work)))


def _made(at: Arrangement) -> bool:
    path = at.folder / INDEX
    return path.is_file() and read_record(path, SCHEMA, _again(at.work)).made_from == at.made_from


def _make(at: Arrangement, given: StageView, make: Callable[[], StageView]) -> None:
    """Arrange and write; that it failed is left where the others look."""
    import shutil

    try:
        view = make()
        shutil.rmtree(at.folder, ignore_errors=True)
        at.folder.mkdir(parents=True)
        _write(at, given, view)
    except BaseException as error:
        at.work.mkdir(parents=True, exist_ok=True)
        write_bytes(at.work / FAILED, b"")
        if isinstance(error, OSError):
            raise cannot_write(at.folder, error) from error
        raise


def _wait_for(at: Arrangement) -> None:
    while not _made(at):
        if (at.work / FAILED).exists():
            raise UptakeError(
                f"the first process could not arrange the rows of the stage {at.stage!r}",
                fix="see what it says of it",
            )
        time.sleep(POLL)


def _write(at: Arrangement, given: StageView, view: StageView) -> None:
    import pyarrow as pa

    drawn = view.drawn
    epochs = None if drawn is None else pa.table({"rows": pa.array(drawn.epochs, pa.list_(pa.int32()))})
    write_json(
        at.folder / INDEX,
        {
            "made_from": at.made_from,
            "rows": None if view.rows is given.rows else _table(at.folder, view.rows),
            "validation": None if view.validation is given.validation else _table(at.folder, view.validation),
            "schedule": None if view.schedule is None else view.schedule.as_data(),
            "drawn": None if drawn is None else {"always": drawn.always, "epochs": _table(at.folder, epochs)},
            "told": list(view.told),
            "spent": list(view.spent),
        },
    )


def _table(folder: Path, table: pa.Table | None) -> str:
    import pyarrow.parquet as pq

    beside = folder / ".writing"
    pq.write_table(table, beside)
    path = folder / f"{file_digest(beside)}.parquet"
    beside.replace(path)
    return path.name


def _read(at: Arrangement, given: StageView) -> StageView:
    import pyarrow.parquet as pq

    def table(name: str, columns: Sequence[str]) -> pa.Table:
        path = at.folder / name
        if not path.is_file() or file_digest(path) != path.stem:
            raise _gone(at, f"{name} is missing, or not what was written")
        read = pq.read_table(path).combine_chunks()
        if not {*columns} <= {*read.column_names}:
            raise _gone(at, f"{name} is another one of its files")
        return read

    found = read_record(at.folder / INDEX, SCHEMA, _again(at.work))
    drawn, columns = found.drawn, given.rows.column_names
    return replace(
        given,
        rows=given.rows if found.rows is None else table(found.rows, columns),
        validation=given.validation if found.validation is None else table(found.validation, columns),
        schedule=found.schedule,
        told=found.told,
        spent=found.spent,
        drawn=None if drawn is None else EpochRows(drawn.always, table(drawn.epochs, ["rows"])["rows"].to_pylist()),
    )


def _again(work: Path) -> str:
    return f"restore it, or delete {work}: running the command again restarts the stage"


def _gone(at: Arrangement, why: str) -> UptakeError:
    return UptakeError(
        f"what the strategies arranged for the stage {at.stage!r} cannot be read again: {why}",
        expected="the files that were written before the stage was trained",
        fix=_again(at.work),
    )

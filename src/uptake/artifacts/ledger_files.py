"""Where the ledger lies and what its rows are: `output_dir/ledger/<stage>/rank-00000/part-00000.parquet`.

Every rank appends to a folder of its own, so ranks never wait for each other; parts are in the order of training.
`stage.json` says which stage came first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from uptake.artifacts.checked import damaged, read_record
from uptake.artifacts.checked_tables import TableSchema, n_rows, read_table
from uptake.artifacts.files import Parts, cannot_write, versions, write_json, write_table
from uptake.artifacts.opening import refuse_links
from uptake.artifacts.schemas.training import MARK
from uptake.errors import UptakeError

Pass: TypeAlias = Literal["train", "epoch"]

LEDGER = pa.schema(
    [
        ("stage", pa.string()),
        ("pass", pa.string()),
        ("step", pa.int64()),
        ("epoch", pa.int32()),
        ("id", pa.string()),
        ("row", pa.int64()),
        ("nll", pa.float32()),
        ("tokens", pa.int32()),
        ("recalled", pa.bool_()),
    ]
)
"""A row is one reading of one example.

`pass` is "train" (from the training forward of optimisation step `step`, counted from 1, before its update) or "epoch"
(scored after step `step`, at the epoch's end). `epoch` is the pass over the data, from 0. `row` is the example's place
in the training set; null where it has none (a stream, a scoring pass). `nll` is the negative log-likelihood in nats,
summed over the `tokens` that are trained on; it and `recalled` are null where that is no finite number or nothing is
trained on.
"""

LEDGER_FILE = TableSchema(
    LEDGER,
    nullable=("row", "nll", "recalled"),
    # a step that is never reached overflows sums of steps; the numbers below are far beyond every training
    ranges={"step": (0, 2**40), "epoch": (0, 2**24), "row": (0, 2**40), "nll": (-1e-3, 3e38), "tokens": (0, 2**31 - 1)},
    among={"pass": ("train", "epoch")},
)

CONTENT_ID = re.compile(r"tokens-[0-9a-f]{16}")
"""What the id of an example looks like that has none of its own."""


class Reading(NamedTuple):
    """What a scoring pass found out about one example; `nll` and `tokens` as in `LEDGER`."""

    id: str
    nll: float
    tokens: int
    recalled: bool


def content_id(input_ids: ArrayLike, labels: ArrayLike) -> str:
    """The id of an example by what is trained: its token ids and labels (-100 where nothing is learned), unpadded."""
    digest = hashlib.blake2b(digest_size=8)
    for values in (input_ids, labels):
        digest.update(np.asarray(values, dtype="<i8").tobytes())
    return f"tokens-{digest.hexdigest()}"


def renamed(name: str, stage: str) -> str:
    """The name that the ledger has for an example where an earlier stage means another one by its own."""
    return f"{name}@{stage}"


def name_in(names: Container[str], example: str, stage: str) -> str:
    """The name under which a ledger has an example of a stage: its id, or `renamed`.

    Args:
        names: Those of the ledger.
        example: The example's id.
        stage: The stage that trained it.
    """
    later = renamed(example, stage)
    return later if later in names else example


def stage_folders(output_dir: Path) -> list[tuple[str, Path]]:
    """The names and folders of the stages that have a ledger, in the order in which they were first trained."""
    found = [(_mark(mark.parent), mark.parent) for mark in (output_dir / "ledger").glob("*/stage.json")]
    found.sort(key=lambda each: each[0])
    return [(stage, folder) for (_, stage), folder in found]


def unreadable(output_dir: Path) -> list[tuple[str, str]]:
    """The stages whose ledger cannot be read, by name, each with what is wrong; only the ends of files are looked at.

    Raises:
        OSError: The folder itself cannot be listed.
    """
    wrong = []
    for folder in sorted(path for path in (output_dir / "ledger").glob("*") if path.is_dir()):
        try:
            if (folder / "stage.json").exists():
                _mark(folder)
            for path in sorted(folder.glob("rank-*/part-*.parquet")):
                n_rows(path, LEDGER_FILE, _restore(path))
        except UptakeError as error:
            wrong.append((folder.name, error.problem))
    return wrong


def lacking(output_dir: Path, stage: str, step: int, world: int) -> str | None:
    """What is not there of what a stage recorded in its first steps; None when all of it is.

    Args:
        output_dir: The run's folder.
        stage: Name of the stage.
        step: Optimisation steps that are done: each process has rows of every one of them.
        world: How many processes trained together.

    Raises:
        UptakeError: A part cannot be read.
    """
    folder = output_dir / "ledger" / stage
    if not (folder / "stage.json").exists():
        return f"no {folder / 'stage.json'}"
    for rank in range(world):
        parts = sorted((folder / f"rank-{rank:05d}").glob("part-*.parquet"))
        for number, path in enumerate(parts):
            if path.name != f"part-{number:05d}.parquet":
                return f"part {number} is not in {path.parent}"
        seen = np.zeros(step + 1, dtype=bool)
        for path in parts:
            table = read_part(path)
            steps = table.filter(pc.equal(table["pass"], "train"))["step"].to_numpy()
            seen[steps[(steps > 0) & (steps <= step)]] = True
        if not seen[1:].all():
            return f"no rows of step {1 + int(np.argmin(seen[1:]))} in {folder / f'rank-{rank:05d}'}"
    return None


def _mark(folder: Path) -> tuple[int, str]:
    """The place of a stage among the others, and its name."""
    mark = folder / "stage.json"
    found = read_record(mark, MARK, fix=f"delete {folder}")
    if found.stage != folder.name:
        raise damaged(mark, f"it is of the stage {found.stage!r}", fix=f"delete {folder}")
    return found.number, folder.name


def read_part(path: Path) -> pa.Table:
    """A part of a ledger.

    Raises:
        UptakeError: It cannot be read, or is not as it was written.
    """
    fix, stage = _restore(path), path.parent.parent.name
    table = read_table(path, LEDGER_FILE, fix)
    if (other := pc.index(pc.not_equal(table["stage"], stage), True).as_py()) >= 0:
        raise damaged(path, f"row {other + 1} is of the stage {table['stage'][other].as_py()!r}", fix)
    if not pc.is_null(table["nll"]).equals(pc.is_null(table["recalled"])):
        raise damaged(path, "in a row one of nll and recalled is null, and the other is not", fix)
    if pc.any(pc.and_(pc.equal(table["tokens"], 0), pc.is_valid(table["nll"]))).as_py():
        raise damaged(path, "in a row nothing is trained on, and it has a nll", fix)
    return table


def _restore(path: Path) -> str:
    return f"restore it, or delete {path.parent.parent} and train the stage again from its start"


def open_stage(output_dir: Path, stage: str, step: int, rank: int, world: int) -> Parts:
    """Make the ledger of a stage ready to go on after optimisation step `step`, and give this rank's parts of it.

    Rows of later steps, left by a run that was killed or by one that is now done again, are dropped.

    Args:
        output_dir: The run's folder.
        stage: Name of the stage.
        step: Optimisation steps that are done; 0 at the start.
        rank: This process.
        world: How many processes train together.

    Raises:
        UptakeError: The stage's name cannot be a folder's, or the place cannot be written.
    """
    if not re.fullmatch(r"[\w-][\w.-]*", stage):
        raise UptakeError(
            f"the stage's name is {stage!r}", expected="letters, digits, '.', '_' and '-' (a folder's name)"
        )
    refuse_links(output_dir, ("ledger",))
    folder = output_dir / "ledger" / stage
    if rank == 0 and not (folder / "stage.json").exists():
        number = 1 + max((_mark(folder)[0] for _, folder in stage_folders(output_dir)), default=-1)
        write_json(folder / "stage.json", {"stage": stage, "number": number, "versions": versions()})
    # an earlier run may have had more ranks: each folder is one rank's to mend
    for each in sorted(folder.glob("rank-*")):
        if int(each.name.removeprefix("rank-")) % world == rank:
            _drop_after(each, step)
    return Parts(folder / f"rank-{rank:05d}", LEDGER_FILE)


def _drop_after(folder: Path, step: int) -> None:
    """Drop the rows of later steps, the last part first, so that being killed here does no harm."""
    for path in sorted(folder.glob("part-*.parquet"), reverse=True):
        table = read_part(path)
        kept = table.filter(pc.less_equal(table["step"], step))
        if len(kept) == len(table):
            return
        if len(kept):
            write_table(path, kept)
        else:
            try:
                path.unlink()
            except OSError as error:
                raise cannot_write(path, error) from error


def append(parts: Parts, columns: dict[str, Any]) -> None:
    """Write a further part.

    Args:
        parts: From `open_stage`.
        columns: Values of every column of `LEDGER`; NaN and infinite `nll` become null, as does its `recalled`, and
            so does a negative `row`.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    nll = np.asarray(columns["nll"], dtype=np.float32)
    tokens = np.asarray(columns["tokens"])
    row = np.asarray(columns["row"])
    missing = ~np.isfinite(nll) | (tokens == 0)
    arrays = {
        **columns,
        "row": pa.array(row, mask=row < 0),
        "nll": pa.array(nll, mask=missing),
        "recalled": pa.array(np.asarray(columns["recalled"], dtype=bool), mask=missing),
    }
    write_table(parts.path(len(list(parts.numbers()))), pa.table(arrays, schema=LEDGER))

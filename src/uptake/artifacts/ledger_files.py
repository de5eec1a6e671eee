"""Where the ledger lies and what its rows are: `output_dir/ledger/<stage>/rank-00000/part-00000.parquet`.

Every rank appends to a folder of its own, so ranks never wait for each other; parts are in the order of training.
`stage.json` says which stage came first.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from uptake.artifacts.files import Parts, cannot_write, read_json, versions, write_json, write_table
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


def stage_folders(output_dir: Path) -> list[tuple[str, Path]]:
    """The names and folders of the stages that have a ledger, in the order in which they were first trained."""
    found = [(read_json(mark), mark.parent) for mark in (output_dir / "ledger").glob("*/stage.json")]
    found.sort(key=lambda each: (each[0]["number"], each[0]["stage"]))
    return [(each["stage"], folder) for each, folder in found]


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
    folder = output_dir / "ledger" / stage
    if rank == 0 and not (folder / "stage.json").exists():
        number = len(stage_folders(output_dir))
        write_json(folder / "stage.json", {"stage": stage, "number": number, "versions": versions()})
    # an earlier run may have had more ranks: each folder is one rank's to mend
    for each in sorted(folder.glob("rank-*")):
        if int(each.name.removeprefix("rank-")) % world == rank:
            _drop_after(each, step)
    return Parts(folder / f"rank-{rank:05d}", LEDGER)


def _drop_after(folder: Path, step: int) -> None:
    """Drop the rows of later steps, the last part first, so that being killed here does no harm."""
    for path in sorted(folder.glob("part-*.parquet"), reverse=True):
        table = pq.read_table(path, schema=LEDGER)
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

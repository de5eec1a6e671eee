"""Read what `LedgerCallback` wrote: one table over all stages and ranks, in the order of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from uptake.artifacts.ledger_files import CONTENT_ID, LEDGER, read_part, stage_folders
from uptake.errors import UptakeError

READINGS = LEDGER.append(pa.field("times_seen", pa.int32()))
"""`LEDGER` and `times_seen`: how often the example had been trained on when the value was taken; 0 the first time."""


@dataclass(frozen=True)
class Ledger:
    """All readings of a run.

    Attributes:
        table: Columns as in `READINGS`, in the order of training: by stage, step (a scoring pass after the training of
            the same step), id and row.
        stages: The stages, in the order in which they were trained.
    """

    table: pa.Table
    stages: tuple[str, ...]

    def __len__(self) -> int:
        """Number of readings."""
        return len(self.table)

    def of(self, example_id: str) -> pa.Table:
        """The readings of one example, in order; empty when it was never read."""
        return self.table.filter(pc.equal(self.table["id"], example_id))

    def codes(self) -> tuple[list[str], Int[np.ndarray, " readings"]]:
        """The ids, in the order in which they first come, and for each reading the index of its id."""
        column = self.table["id"].combine_chunks().dictionary_encode()
        return column.dictionary.to_pylist(), column.indices.to_numpy()

    def stage_numbers(self) -> Int[np.ndarray, " readings"]:
        """For each reading the index of its stage."""
        column = pc.index_in(self.table["stage"], pa.array(self.stages, pa.string()))
        numbers: Int[np.ndarray, " readings"] = column.to_numpy().astype(np.int64)
        return numbers


def read_ledger(output_dir: str | Path) -> Ledger:
    """Read the ledger of a run.

    What samplers repeat within one optimisation step (to fill up the last batch when several processes train) is one
    reading; repeated in another step it was trained on again, and is another. Training rows with the same content and
    no id of their own are told apart by their place in the training set: the second is called `<id>-2`, and so on.

    Args:
        output_dir: The run's folder, as given to `LedgerCallback`.

    Raises:
        UptakeError: There is no ledger.
    """
    folders = stage_folders(Path(output_dir))
    if not folders:
        raise UptakeError(
            f"there is no ledger in {output_dir}",
            expected=f"{Path(output_dir) / 'ledger' / 'STAGE' / 'stage.json'}",
            fix='train with `trainer.add_callback(uptake.LedgerCallback("RUN"))`, and give that folder',
        )
    tables = [_of_one_stage(folder) for _, folder in folders]
    return from_table(pa.concat_tables(tables), tuple(stage for stage, _ in folders))


def from_table(table: pa.Table, stages: tuple[str, ...]) -> Ledger:
    """A ledger of rows of `LEDGER`, in any order."""
    number = pc.index_in(table["stage"], pa.array(stages, pa.string()))
    later = pc.equal(table["pass"], "epoch")
    table = table.append_column("number", number).append_column("later", later)
    keys = ("number", "step", "later", "id", "row")
    table = table.sort_by([(key, "ascending") for key in keys]).combine_chunks()
    table = table.filter(pa.array(~_repeated(table, keys))).drop_columns(["number", "later"]).cast(LEDGER)
    ledger = Ledger(table, stages)
    return Ledger(table.append_column(READINGS.field("times_seen"), pa.array(_times_seen(ledger))), stages)


def _of_one_stage(folder: Path) -> pa.Table:
    parts = sorted(folder.glob("rank-*/part-*.parquet"))
    tables = [read_part(part) for part in parts]
    table = pa.concat_tables(tables) if tables else LEDGER.empty_table()
    return _told_apart(table.combine_chunks())


def _told_apart(table: pa.Table) -> pa.Table:
    """Number the copies among the rows that are known by their content alone."""
    pairs = table.select(["id", "row"]).group_by(["id", "row"]).aggregate([])
    pairs = pairs.filter(
        pc.and_(pc.is_valid(pairs["row"]), pc.match_substring_regex(pairs["id"], f"^{CONTENT_ID.pattern}$"))
    )
    several = pairs.group_by("id").aggregate([("row", "count")])
    several = several.filter(pc.greater(several["row_count"], 1))["id"]
    if not len(several):
        return table
    pairs = pairs.filter(pc.is_in(pairs["id"], several)).sort_by([("id", "ascending"), ("row", "ascending")])
    names: dict[int, str] = {}
    copies: dict[str, int] = {}
    for name, row in zip(pairs["id"].to_pylist(), pairs["row"].to_pylist(), strict=True):
        copies[name] = copies.get(name, 0) + 1
        names[row] = f"{name}-{copies[name]}" if copies[name] > 1 else name
    rows, old = table["row"].to_pylist(), table["id"].to_pylist()
    new = [old_name if row is None else names.get(row, old_name) for row, old_name in zip(rows, old, strict=True)]
    return table.set_column(table.schema.get_field_index("id"), LEDGER.field("id"), pa.array(new, pa.string()))


def _repeated(table: pa.Table, keys: tuple[str, ...]) -> Bool[np.ndarray, " readings"]:
    """Which rows of a sorted table have the keys of the row before."""
    same = np.ones(max(0, len(table) - 1), dtype=bool)
    for column in _as_numbers(table, keys):
        same &= column[1:] == column[:-1]
    return np.concatenate([np.zeros(min(1, len(table)), dtype=bool), same])


def _as_numbers(table: pa.Table, keys: tuple[str, ...]) -> Iterator[Int[np.ndarray, " readings"]]:
    for key in keys:
        column = table[key].combine_chunks()
        column = column.dictionary_encode().indices if pa.types.is_string(column.type) else column
        yield pc.fill_null(column.cast(pa.int64()), -1).to_numpy()


def _times_seen(ledger: Ledger) -> Int[np.ndarray, " readings"]:
    """For each reading, how many earlier optimisation steps trained on its example; copies in one step count once."""
    _, codes = ledger.codes()
    trained = pc.and_(pc.equal(ledger.table["pass"], "train"), pc.greater(ledger.table["tokens"], 0))
    order = np.argsort(codes, kind="stable")
    times = np.zeros(len(order), dtype=np.int32)
    if not len(order):
        return times
    first = starts_of_copies(ledger, codes, order)
    counted = np.maximum.reduceat(np.asarray(trained.to_numpy())[order].astype(np.int32), first)
    total = np.cumsum(counted) - counted
    of = codes[order][first]
    before = total[starts(of)][np.cumsum(np.isin(np.arange(len(of)), starts(of))) - 1]
    times[order] = np.repeat(total - before, np.diff(np.append(first, len(order))))
    return times


def starts_of_copies(
    ledger: Ledger, codes: Int[np.ndarray, " readings"], order: Int[np.ndarray, " some"]
) -> Int[np.ndarray, " groups"]:
    """Where each run of readings starts that are of one example, in one step, and of one kind.

    Args:
        ledger: The ledger.
        codes: For each of its readings the index of its id.
        order: Readings, those of an example one after the other in the order of training.
    """
    new = np.ones(len(order), dtype=bool)
    new[1:] = codes[order][1:] != codes[order][:-1]
    later = np.asarray(pc.equal(ledger.table["pass"], "epoch").to_numpy())
    for column in (ledger.stage_numbers(), ledger.table["step"].to_numpy(), later):
        new[1:] |= column[order][1:] != column[order][:-1]
    return np.flatnonzero(new)


def starts(sorted_codes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " groups"]:
    """Where each run of equal codes starts."""
    if not len(sorted_codes):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate([[True], sorted_codes[1:] != sorted_codes[:-1]]))

"""Rows of which each epoch trains only some, drawn anew: what a method that replays gives beside the stage's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa

from uptake.errors import UptakeError
from uptake.models.training.notes import joined
from uptake.schedule import EpochRows


@dataclass(frozen=True)
class Pool:
    """Rows that wait to be drawn.

    Attributes:
        rows: A table of `uptake.models.training.rows.ROWS`, perhaps with notes.
        draw: From an epoch, counted from 0, to the numbers of the rows that it trains: as many in each epoch. It is
            asked once for each epoch, before the stage is trained, and draws by `StageView.seed` and `number` alone.
    """

    rows: pa.Table
    draw: Callable[[int], Sequence[int]]


def whole(rows: pa.Table) -> Pool:
    """A pool of which each epoch trains all rows."""
    return Pool(rows, lambda epoch: range(len(rows)))


def drawn_by(pools: Sequence[Pool]) -> int:
    """How many rows an epoch draws from pools."""
    return sum(len(pool.draw(0)) for pool in pools)


def laid_out(rows: pa.Table, pools: Sequence[Pool], epochs: int) -> tuple[pa.Table, EpochRows | None]:
    """All rows that a stage may train in one table, its own first, and what each epoch draws of the others.

    Args:
        rows: What is trained in each epoch.
        pools: What is drawn from.
        epochs: How many there will be.

    Raises:
        UptakeError: A pool draws rows that it does not have, or not as many in each epoch.
    """
    if not pools:
        return rows, None
    starts = accumulate((len(pool.rows) for pool in pools), initial=len(rows))
    placed = list(zip(starts, pools, strict=False))
    each = [[start + one for start, pool in placed for one in _of(pool, epoch)] for epoch in range(epochs)]
    if len({len(one) for one in each}) > 1:
        raise UptakeError(
            f"epochs draw {' and '.join(str(len(one)) for one in each)} rows", expected="as many rows in each epoch"
        )
    return joined([rows, *(pool.rows for pool in pools)]), EpochRows(len(rows), each)


def _of(pool: Pool, epoch: int) -> list[int]:
    found = [int(one) for one in pool.draw(epoch)]
    if wrong := [one for one in found if not 0 <= one < len(pool.rows)]:
        raise UptakeError(f"epoch {epoch} draws row {wrong[0]} of {len(pool.rows)}", expected="rows that are there")
    return found

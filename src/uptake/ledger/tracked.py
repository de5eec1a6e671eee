"""What of the ledger a tracker of experiments is told: curves by source, and a table of the examples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from uptake.ledger.curves import curves
from uptake.ledger.read import Ledger, read_ledger

MOST_SOURCES, MOST_ROWS = 50, 10_000
"""Sources that have a curve of their own, the largest ones; rows of the table, those learned worst."""
COLUMNS = ("id", "source", "recalled", "confidence", "forgetting_events", "first_learned_step", "times_seen")
"""Of the table; what they mean is told of `uptake.ledger.CURVES`. Without a value: null."""


@dataclass(frozen=True)
class Tracked:
    """A stage's ledger, as trackers are told of it.

    Attributes:
        folder: The run's.
        stage: The stage.
        sources: The source of each of its examples.
    """

    folder: Path
    stage: str
    sources: Mapping[str, str]

    def curves(self) -> dict[str, float]:
        """By name the numbers of the last epoch; see `by_source`."""
        return by_source(self._ledger(), self.sources)

    def table(self) -> tuple[tuple[str, ...], list[list[Any]]]:
        """The columns and the rows of the stage's examples, the least sure ones first; see `COLUMNS`."""
        ledger = self._ledger()
        found = curves(ledger).to_pylist()
        found.sort(key=lambda row: (math.inf if row["confidence"] is None else row["confidence"], row["id"]))
        return COLUMNS, [_row(row, self.sources.get(row["id"])) for row in found[:MOST_ROWS]]

    def _ledger(self) -> Ledger:
        whole = read_ledger(self.folder)
        own = whole.table.filter(pc.equal(whole.table["stage"], self.stage))
        return Ledger(own.filter(pc.is_in(own["id"], pa.array(self.sources, pa.string()))), (self.stage,))


def by_source(ledger: Ledger, sources: Mapping[str, str]) -> dict[str, float]:
    """The loss (nats a token) and the share recalled at an epoch's end, of each source and of `all` together.

    The epoch is the last that was read: by the scoring pass at its end, or without one by the training forwards in it,
    of which each example's last one counts.

    Args:
        ledger: Of one stage.
        sources: The source of each example.

    Returns:
        By `ledger/loss/SOURCE` and `ledger/recalled/SOURCE`; without a reading that has a number nothing.
    """
    table = ledger.table
    if not len(table):
        return {}
    table = table.filter(pc.equal(table["epoch"], pc.max(table["epoch"])))
    ends = table.filter(pc.equal(table["pass"], "epoch"))
    rows = (ends if len(ends) else table).select(["id", "nll", "tokens", "recalled"]).to_pylist()
    last = {row["id"]: row for row in rows if row["nll"] is not None and row["tokens"]}
    largest = [name for name, _ in Counter(sources.values()).most_common(MOST_SOURCES)]
    told: dict[str, float] = {}
    for name in ["all", *sorted(largest)]:
        own = [row for key, row in last.items() if name == "all" or sources.get(key) == name]
        if own:
            told[f"ledger/loss/{name}"] = math.fsum(row["nll"] for row in own) / sum(row["tokens"] for row in own)
            told[f"ledger/recalled/{name}"] = sum(bool(row["recalled"]) for row in own) / len(own)
    return told


def _row(row: Mapping[str, Any], source: str | None) -> list[Any]:
    learned = row["first_learned"]
    values = {**row, "source": source, "first_learned_step": None if learned is None else learned["step"]}
    return [values[name] for name in COLUMNS]

"""What the ledger tells of the unlearned examples, as curves by id."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uptake.artifacts.ledger_files import name_in, stage_folders
from uptake.causes import Curve
from uptake.ledger import Ledger, curves, read_ledger

PAPER_STEPS = 500
"""K of the paper's drop, in optimisation steps; on a run of less than ten times that, a tenth of its steps."""


NO_LEDGER = (
    "there is no ledger of the training: train with `uptake train`, or with "
    "`trainer.add_callback(uptake.LedgerCallback(...))`, into the same output_dir"
)
NO_READINGS = "the ledger has no reading of it; check whether it was trained under another id"
NO_EXPOSURE = "the ledger has readings of it, but none from a step that trained on it"


@dataclass(frozen=True)
class Curves:
    """Learning curves, and where there are none, why.

    Attributes:
        by_id: What the ledger tells, by its own names; see `name_in`.
        why: What is missing of all examples; None when nothing is.
        missing: By stage what is missing of its examples.
        unmatched: That the ledger names its examples otherwise; None where at least one is found in it.
    """

    by_id: Mapping[str, Curve]
    why: str | None
    missing: Mapping[str, str]
    unmatched: str | None = None

    def of(self, example_id: str, stage: str) -> tuple[Curve | None, str | None]:
        """The curve of an example that a stage trained, or why there is none."""
        why = self.why or self.missing.get(stage)
        if why is not None:
            return None, why
        curve = self.by_id.get(name_in(self.by_id, example_id, stage))
        if curve is None or not curve.exposures:
            return None, NO_READINGS if curve is None else NO_EXPOSURE
        return curve, None

    def notes(self) -> list[str]:
        """What the reader should know about what is missing, each once."""
        if self.why is not None:
            return [f"no learning curves: {self.why}"]
        notes = [f"no learning curves of the stage {stage}: {why}" for stage, why in self.missing.items()]
        return notes if self.unmatched is None else [*notes, f"no learning curves: {self.unmatched}"]


def read_curves(output_dir: Path, ids: Collection[str], stages: Sequence[str]) -> Curves:
    """The learning curves of some examples.

    Of the examples of a stage without a ledger nothing is known, nor, of those of the stages before it, whether they
    were lost in it.

    Args:
        output_dir: The run's folder.
        ids: The examples.
        stages: The stages that were diagnosed, in the order in which they were trained.

    Raises:
        UptakeError: A part of the ledger is damaged.
    """
    found = [stage for stage, _ in stage_folders(output_dir)]
    if not found:
        return Curves({}, NO_LEDGER, {})
    if not set(found) & set(stages):
        return Curves({}, f"the ledger is of the stages {', '.join(found)}: it belongs to another training", {})
    if found[-1] not in stages:
        why = f"the ledger continues after {stages[-1]} with the stage {found[-1]}: it belongs to a later training"
        return Curves({}, why, {})
    missing = _missing(found, stages)
    ledger = read_ledger(output_dir)
    clock = _Clock(ledger)
    table = curves(ledger)
    there = {*table["id"].to_pylist()}
    names = {*ids, *(name_in(there, one, stage) for one in ids for stage in stages)}
    late = dict(_late(ledger, names, clock))
    rows = table.filter(pc.is_in(table["id"], pa.array(sorted(names), pa.string()))).to_pylist()
    unmatched = _unmatched(table["id"][0].as_py(), min(ids)) if ids and len(table) and not rows else None
    return Curves({row["id"]: _curve(row, late.get(row["id"])) for row in rows}, None, missing, unmatched)


def _unmatched(read: str, asked: str) -> str:
    return (
        f"the ledger has no reading of any unlearned example. Its ids look like {read!r}, those of the data like "
        f"{asked!r}. Train with the ids of the data: a column `id` in the training set, or "
        "LedgerCallback(..., ids=[...])"
    )


def _missing(found: Sequence[str], stages: Sequence[str]) -> dict[str, str]:
    """By stage why nothing is known of its examples: it has no ledger itself, or a later one has none."""
    missing: dict[str, str] = {}
    for number, stage in enumerate(stages):
        lacking = next((later for later in stages[number:] if later not in found), None)
        if lacking == stage:
            missing[stage] = f"the stage {stage} has no ledger (`ledger: off`, or its folder is gone)"
        elif lacking is not None:
            missing[stage] = (
                f"the later stage {lacking} has no ledger: whether examples were forgotten in it is not known"
            )
    return missing


class _Clock:
    """Optimisation steps counted through all stages."""

    def __init__(self, ledger: Ledger) -> None:
        steps = ledger.table["step"].to_numpy()
        last = np.zeros(len(ledger.stages), dtype=np.int64)
        np.maximum.at(last, ledger.stage_numbers(), steps)
        before = np.concatenate([[0], np.cumsum(last)])
        self.readings = before[ledger.stage_numbers()] + steps
        self.total = int(before[-1])


@dataclass(frozen=True)
class _Late:
    """What the readings from an example's last exposure on say; see `uptake.causes.Curve`."""

    recalled_last: bool
    stood: bool | None
    idle: float | None
    earlier: float | None
    latest: float
    tokens: int


def _late(ledger: Ledger, ids: Collection[str], clock: _Clock) -> Iterator[tuple[str, _Late]]:
    """Of each id that has a reading with a finite loss."""
    names, codes = ledger.codes()
    p = np.exp(-ledger.table["nll"].to_numpy().astype(np.float64))
    recalled = np.asarray(pc.fill_null(ledger.table["recalled"], False).to_numpy())
    trained = np.asarray(pc.equal(ledger.table["pass"], "train").to_numpy())
    tokens = ledger.table["tokens"].to_numpy()
    back = min(PAPER_STEPS, max(1, clock.total // 10))
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    for code, name in enumerate(names):
        if name not in ids:
            continue
        own = order[starts[code] : starts[code + 1]]
        read = own[np.isfinite(p[own])]
        if not len(read):
            continue
        exposures = read[trained[read]]
        after = read[read > exposures[-1]] if len(exposures) else read[:0]
        old = read[clock.readings[read] <= clock.readings[read[-1]] - back]
        yield (
            name,
            _Late(
                recalled_last=bool(len(exposures) and recalled[exposures[-1]]),
                stood=bool(recalled[after].any()) if len(after) else None,
                idle=1 - float(clock.readings[exposures[-1]]) / clock.total if len(exposures) else None,
                earlier=float(p[old[-1]]) if len(old) else None,
                latest=float(p[read[-1]]),
                tokens=int(tokens[read].max()),
            ),
        )


def _lost_unseen(late: _Late, recalled: bool | None) -> bool:
    """Whether it was recalled at its last exposure or later, and is not at its last reading.

    Where no reading came after that exposure it is the diagnosis that says that it is lost.
    """
    return recalled is False and late.stood is True or late.recalled_last and (recalled is False or late.stood is None)


def _curve(row: Mapping[str, Any], late: _Late | None) -> Curve:
    learned, lost = row["first_learned"], row["last_lost"]
    return Curve(
        exposures=row["times_seen"],
        recalled_at=learned and learned["stage"],
        lost_at=lost and lost["stage"],
        lost_unseen=late is not None and _lost_unseen(late, row["recalled"]),
        stood=None if late is None else late.stood,
        idle=None if late is None else late.idle,
        forgetting_events=row["forgetting_events"] or 0,
        end_slope=row["end_slope"],
        earlier=None if late is None else late.earlier,
        latest=None if late is None else late.latest,
        tokens=None if late is None else late.tokens,
    )

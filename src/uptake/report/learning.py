"""What the ledger says, as the page draws it: each example's readings, and curves by source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from uptake.artifacts.ledger_files import name_in, stage_folders
from uptake.ledger import Ledger, read_ledger
from uptake.types import Key

MOST = 48
"""Readings of one example that go into the page; of more, as many evenly spaced ones, the last among them."""


@dataclass(frozen=True)
class RecallCurve:
    """Share of a group's examples that are recalled, epoch by epoch.

    Attributes:
        source: The group's source.
        stage: The stage that trains the group.
        n: Examples in it.
        points: (epochs counted through all stages, from 1; share recalled in [0, 1]).
    """

    source: str
    stage: str
    n: int
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Learning:
    """A ledger by example.

    Attributes:
        stages: The stages, in the order in which they were trained.
        ends: The optimisation step at which each stage ended, counted through all of them.
        epochs: The epoch in which each stage ended, counted through all of them.
        readings: For each reading: step and epoch counted through all stages, whether it is from a scoring pass,
            nll (nats), tokens, whether it was recalled.
    """

    stages: tuple[str, ...]
    ends: tuple[int, ...]
    epochs: tuple[int, ...]
    readings: Mapping[str, np.ndarray]
    _at: Mapping[str, int]
    _order: Int[np.ndarray, " readings"]
    _starts: Int[np.ndarray, " examples_and_one"]

    def own(self, example_id: str, stage: str) -> Int[np.ndarray, " own"]:
        """Where in `readings` those of a stage's example are, in the order of training; empty without any."""
        code = self._at.get(name_in(self._at, example_id, stage))
        if code is None:
            return np.zeros(0, dtype=np.int64)
        found = self._order[self._starts[code] : self._starts[code + 1]]
        finite: Int[np.ndarray, " own"] = found[np.isfinite(self.readings["nll"][found])]
        return finite

    def of(self, example_id: str, stage: str) -> list[tuple[int, int, float, int, int]]:
        """The readings of a stage's example: (step, 1 if scored after the step, nll, tokens, 1 if recalled)."""
        own = self.own(example_id, stage)
        if len(own) > MOST:
            own = own[np.unique(np.linspace(0, len(own) - 1, MOST).round().astype(np.int64))]
        columns = [self.readings[name][own] for name in ("step", "scored", "nll", "tokens", "recalled")]
        return [
            (int(step), int(scored), round(float(nll), 3), int(tokens), int(recalled))
            for step, scored, nll, tokens, recalled in zip(*columns, strict=True)
        ]


def read_learning(output_dir: Path) -> Learning | None:
    """The run's ledger by example; None when there is none.

    Raises:
        UptakeError: The ledger is damaged.
    """
    if not stage_folders(output_dir):
        return None
    ledger = read_ledger(output_dir)
    if not len(ledger):
        return None
    names, codes = ledger.codes()
    order = np.argsort(codes, kind="stable")
    stage = ledger.stage_numbers()
    ends, steps = _through(stage, _numbers(ledger, "step"), len(ledger.stages))
    epochs, epoch = _through(stage, _numbers(ledger, "epoch") + 1, len(ledger.stages))
    return Learning(
        stages=ledger.stages,
        ends=ends,
        epochs=epochs,
        readings={
            "step": steps,
            "epoch": epoch,
            "scored": np.asarray(pc.equal(ledger.table["pass"], "epoch").to_numpy()),
            "nll": ledger.table["nll"].to_numpy().astype(np.float64),
            "tokens": _numbers(ledger, "tokens"),
            "recalled": np.asarray(pc.fill_null(ledger.table["recalled"], False).to_numpy()),
        },
        _at={name: code for code, name in enumerate(names)},
        _order=order,
        _starts=np.searchsorted(codes[order], np.arange(len(names) + 1)),
    )


def _numbers(ledger: Ledger, name: str) -> Int[np.ndarray, " readings"]:
    return np.asarray(ledger.table[name].to_numpy()).astype(np.int64)


def _through(
    stage: Int[np.ndarray, " readings"], local: Int[np.ndarray, " readings"], stages: int
) -> tuple[tuple[int, ...], Int[np.ndarray, " readings"]]:
    """A count that begins anew in each stage, as one through all stages; also where each stage ends."""
    last = np.zeros(stages, dtype=np.int64)
    np.maximum.at(last, stage, local)
    ends = np.cumsum(last)
    return tuple(int(end) for end in ends), np.concatenate([[0], ends])[stage] + local


def curves_by_source(learning: Learning, sources: Mapping[Key, str]) -> list[RecallCurve]:
    """The share recalled at each epoch's end, by source and training stage, in the order of `sources`.

    Where an epoch ended with a scoring pass it counts alone; else the readings of the training forward in that epoch.

    Args:
        learning: The ledger.
        sources: By an example's id and stage its source.
    """
    groups: dict[tuple[str, str], list[np.ndarray]] = {}
    for (example_id, stage), source in sources.items():
        groups.setdefault((source, stage), []).append(learning.own(example_id, stage))
    return [
        RecallCurve(source, stage, len(own), points)
        for (source, stage), own in groups.items()
        if (points := tuple(_shares(learning, np.concatenate(own))))
    ]


def _shares(learning: Learning, own: Int[np.ndarray, " own"]) -> Iterator[tuple[int, float]]:
    epoch, recalled, scored = (learning.readings[name][own] for name in ("epoch", "recalled", "scored"))
    for number in np.unique(epoch):
        in_it = epoch == number
        counted: Bool[np.ndarray, " own"] = in_it & scored if scored[in_it].any() else in_it
        yield int(number), float(recalled[counted].mean())

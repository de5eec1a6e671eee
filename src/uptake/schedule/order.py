"""The rows of each epoch, as a schedule has them: drawn stretch by stretch, each when the reading before it is there.

A stretch is what is trained between two readings. What a reading says holds from the beginning of the next stretch, so
the order depends on readings alone and not on how far ahead the data loader asks for rows; asked again with the same
readings, as after a restart, it gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from uptake.errors import UptakeError
from uptake.schedule.batches import conflict_free, fill, replaced, standing, violations
from uptake.schedule.drawn import EpochRows
from uptake.schedule.exposures import exposures
from uptake.schedule.record import Schedule
from uptake.schedule.resampling import Drawing


@dataclass(frozen=True, slots=True)
class Layout:
    """How a trainer takes rows.

    Attributes:
        batch: Rows that all processes take together at a time.
        accumulation: Such batches of an optimiser step.
        drop_last: Rows that fill no batch are left out.
        even: Rows that fill no batch are filled up to one, as several processes need it.
    """

    batch: int
    accumulation: int = 1
    drop_last: bool = False
    even: bool = False

    @property
    def step(self) -> int:
        """Rows of an optimiser step."""
        return self.batch * self.accumulation


@dataclass(frozen=True)
class Decision:
    """What a reading says for the stretch after it.

    Attributes:
        recalled: Rows that were recalled; conflicts between two of them are gone.
        weights: Of each source, by name; one that is not there has 1.
    """

    recalled: frozenset[int] = frozenset()
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """A schedule for certain rows and a certain trainer; made by `arranged`.

    Attributes:
        schedule: What it says.
        ids: The example of each row.
        layout: How the trainer takes rows.
        example: Of each row the first one of its example: copies, which never share a step, have the same.
        conflicts: Pairs of examples that may not share a step, while one of them is not recalled.
        extra: Copies more of rows.
        names: Sources.
        source: The number in `names` of each row's; -1 of rows that are drawn anew in each epoch.
        drawn: Which rows each epoch has; None for all of them.
    """

    schedule: Schedule
    ids: Sequence[str]
    layout: Layout
    example: Sequence[int]
    conflicts: Sequence[tuple[int, int]]
    extra: Mapping[int, int]
    names: Sequence[str]
    source: Sequence[int]
    drawn: EpochRows | None = None

    @property
    def rows(self) -> int:
        """Rows that an epoch draws, without those that fill up its last batch."""
        n = len(self.ids) if self.drawn is None else self.drawn.always + self.drawn.each
        n += sum(self.extra.values())
        return n // self.layout.batch * self.layout.batch if self.layout.drop_last else n

    @property
    def length(self) -> int:
        """Rows that an epoch gives to the trainer."""
        return -(-self.rows // self.layout.batch) * self.layout.batch if self.layout.even else self.rows

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch."""
        return -(-self.length // self.layout.step)

    def pairs(self, decision: Decision) -> list[tuple[int, int]]:
        """Examples that may not share a step after a reading; none may share one with itself."""
        return standing(self.conflicts, decision.recalled)

    def stretches(self, epoch: int, every: int | None) -> list[tuple[int, int]]:
        """Of an epoch's stretches: which reading comes before it (0 is none), and how many rows it draws."""
        first = epoch * self.steps
        starts = [
            step for step in range(self.steps) if step == 0 or (every is not None and (first + step) % every == 0)
        ]
        ends = [*(start * self.layout.step for start in starts[1:]), self.rows]
        return [
            (0 if every is None else (first + start) // every, end - start * self.layout.step)
            for start, end in zip(starts, ends, strict=True)
        ]

    def epoch(self, number: int, every: int | None, decided: Callable[[int], Decision]) -> Iterator[int]:
        """The rows of an epoch, in their order.

        Args:
            number: Which, from 0.
            every: Optimiser steps from reading to reading, counted over all epochs; None when nothing is read.
            decided: What the reading of a number says; asked when the first row after it is.
        """
        stretches = self._drawn if self.schedule.resampling is not None else self._planned
        last: list[int] = []
        all_rows: list[int] = []
        latest = Decision()
        for rows, decision in stretches(number, every, decided):
            yield from rows
            latest = decision
            last = rows[len(rows) - len(rows) % self.layout.step :]
            all_rows.extend(rows)
        if self.length > self.rows:
            row_of = {self.example[row]: row for row in reversed(all_rows)}
            there, everyone = ([self.example[row] for row in rows] for rows in (last, all_rows))
            yield from (row_of[one] for one in fill(there, everyone, self.pairs(latest), self.length - self.rows))

    def left(self, rows: Sequence[int], decision: Decision) -> int:
        """How many pairs of rows share a step that may not."""
        return violations([self.example[row] for row in rows], self.pairs(decision), self.layout.step)

    def _apart(self, rows: Sequence[int], decision: Decision, seed: int) -> list[int]:
        """The rows, with those apart that may not share a step; copies of an example keep their order."""
        examples = [self.example[row] for row in rows]
        waiting: dict[int, list[int]] = {}
        for row, one in zip(reversed(rows), reversed(examples), strict=True):
            waiting.setdefault(one, []).append(row)
        found = conflict_free(examples, self.pairs(decision), self.layout.step, seed)
        return [waiting[one].pop() for one in found]

    def _planned(
        self, epoch: int, every: int | None, decided: Callable[[int], Decision]
    ) -> Iterator[tuple[list[int], Decision]]:
        """Each row once, and its copies; what is left of an epoch is ordered anew after each reading."""
        seed, step = self._seed(epoch), self.layout.step
        left = list(range(len(self.ids))) if self.drawn is None else self.drawn.rows(epoch)
        if self.schedule.shuffle:
            left = np.random.default_rng([seed, len(self.ids)]).permutation(left).tolist()
        if self.extra:
            left = exposures(left, self.extra, step, seed)
        left = left[: self.rows]
        for reading, size in self.stretches(epoch, every):
            decision = decided(reading)
            left = self._apart(left, decision, seed)
            yield left[:size], decision
            left = left[size:]

    def _drawn(
        self, epoch: int, every: int | None, decided: Callable[[int], Decision]
    ) -> Iterator[tuple[list[int], Decision]]:
        """As many rows as there are, source by source; shuffled within a stretch.

        Rows that each epoch draws anew have no source: they come evenly through the epoch.

        What was drawn before is drawn again, so that sources go on where the epoch before left them. A stretch may be
        a step or two, as the ends of epochs cut them: what still conflicts there gives way to the source's next rows.
        """
        assert self.schedule.resampling is not None
        step = self.layout.step
        drawing = Drawing(self.source, self.schedule.resampling.floor, self.schedule.seed)
        for number in range(epoch + 1):
            seed, done = self._seed(number), 0
            others = [] if self.drawn is None else list(self.drawn.epochs[number])
            for reading, size in self.stretches(number, every):
                decision = decided(reading)
                some = others[round(done * len(others) / self.rows) : round((done + size) * len(others) / self.rows)]
                done += size
                found = drawing.draw(size - len(some), self._weights(decision), -(-size // step))
                flat = np.array([*(row for rows in found for row in rows), *some])
                mixed = np.random.default_rng([seed, reading]).permutation(flat).tolist()
                rows = self._apart(mixed, decision, seed)
                if self.left(rows, decision):
                    rows = replaced(rows, self.example, self.pairs(decision), step, drawing.another)
                if number == epoch:
                    yield rows, decision

    def _weights(self, decision: Decision) -> list[float]:
        return [decision.weights.get(name, 1.0) for name in self.names]

    def _seed(self, epoch: int) -> int:
        return int(np.random.SeedSequence([self.schedule.seed, epoch]).generate_state(1)[0])


def arranged(schedule: Schedule, ids: Sequence[str], layout: Layout, drawn: EpochRows | None = None) -> Order:
    """Put a schedule to rows.

    Args:
        schedule: What is wanted.
        ids: The example of each row; rows with one id are copies, and never share a step.
        layout: How the trainer takes rows.
        drawn: Which rows each epoch has; None for all of them. `resampling` draws of those that come in each epoch.

    Raises:
        UptakeError: It names examples that are not there, or `resampling` lacks the source of one.
    """
    places: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        places.setdefault(name, []).append(row)
    named = {name: None for pair in schedule.conflicts for name in pair} | dict.fromkeys(schedule.extra)
    if missing := [name for name in named if name not in places]:
        raise UptakeError(
            f"the schedule names {len(missing)} examples that are not in the data: {', '.join(missing[:3])}",
            expected="ids of rows that are trained",
        )
    own = ids if drawn is None else ids[: drawn.always]
    source = [schedule.sources.get(name) for name in own]
    if schedule.resampling is not None and None in source:
        raise UptakeError(f"the schedule uses resampling, but gives no source for {own[source.index(None)]!r}")
    names = {name: number for number, name in enumerate(dict.fromkeys(source))}
    return Order(
        schedule=schedule,
        ids=ids,
        layout=layout,
        example=[places[name][0] for name in ids],
        conflicts=[(places[one][0], places[other][0]) for one, other in schedule.conflicts if one != other],
        extra={places[name][0]: n for name, n in schedule.extra.items()},
        names=[str(name) for name in names],
        source=[*(names[one] for one in source), *[-1] * (len(ids) - len(own))],
        drawn=drawn,
    )

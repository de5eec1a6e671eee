"""Conflict-free batches: rows that contradict each other never share an optimiser step.

One step trains `step` consecutive rows: the batch of a device × gradient accumulation × processes. Which rows may
share one is a graph colouring: rows are vertices, steps are colours, and each colour holds `step` vertices. Where no
row has as many rivals as there are steps such a colouring exists (Hajnal and Szemerédi 1970); finding one is a
heuristic. A shuffled order is nearly one already, so the few rows that clash are exchanged with the nearest rows that
clash with nothing then. Where that does not do, as among many rivals in few steps, all rows that have rivals are
coloured in DSATUR's order (Brélaz 1979, "New methods to color the vertices of a graph": the one with the most forbidden
colours first, then the one of highest degree), each with the nearest colour to where the order had it.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from uptake.errors import UptakeError

Pairs = Iterable[tuple[int, int]]
"""Rows that conflict, two by two."""

VISITS = 200_000
"""Steps that are looked at, at most, to mend by exchange what colouring left: some seconds, where nothing can help."""


def conflict_free(order: Sequence[int], conflicts: Pairs, step: int, seed: int) -> list[int]:
    """Reorder rows so that no `step` consecutive ones hold two that conflict, nor the same row twice.

    A row that is in nobody's way stays in its step, and mostly in its place; one that must go elsewhere goes to the
    nearest step that can take it. What is impossible (more rows that all conflict with each other than there are
    steps) is left in the order: nothing is dropped, and `violations` counts it.

    Args:
        order: Row numbers as they are to be trained; a row may come several times.
        conflicts: Pairs of rows; those that are not in `order` do not matter.
        step: Rows of an optimiser step, on all devices together.
        seed: Decides between two steps that are equally near.

    Returns:
        The same rows as often, shape as `order`.

    Raises:
        UptakeError: `step` is less than 1.
    """
    near, places = _near(order, conflicts, step)
    exchanged = _exchanged(order, near, step, seed)
    if (left := violations_near(exchanged, near, step)) == 0:
        return exchanged
    colours = _coloured(near, places, _Steps(len(order), step, seed))
    coloured = _exchanged(_laid_out(order, colours, step), near, step, seed)
    return coloured if violations_near(coloured, near, step) < left else exchanged


def violations(order: Sequence[int], conflicts: Pairs, step: int) -> int:
    """How many pairs of places in one step hold rows that conflict, or the same row.

    Args:
        order: Row numbers as they are trained.
        conflicts: Pairs of rows.
        step: Rows of an optimiser step.
    """
    return violations_near(order, _near(order, conflicts, step)[0], step)


def violations_near(order: Sequence[int], near: Mapping[int, Collection[int]], step: int) -> int:
    """`violations`, from each row's rivals; a row that may not meet itself is one of its own."""
    found = 0
    for start in range(0, len(order), step):
        held = Counter(row for row in order[start : start + step] if row in near)
        for row, times in held.items():
            found += times * (times - 1) // 2
            found += sum(times * held[other] for other in near[row] if row < other and other in held)
    return found


def replaced(
    order: Sequence[int],
    example: Sequence[int],
    conflicts: Pairs,
    step: int,
    another: Callable[[int, Callable[[int], bool]], int | None],
) -> list[int]:
    """Take other rows in the place of those that clash, where rows are drawn and it need not be just these.

    Args:
        order: Row numbers.
        example: The example of each row; two rows of one may not share a step.
        conflicts: Pairs of examples.
        step: Rows of an optimiser step.
        another: Given a row and what fits in its place, another row, or None.
    """
    near: dict[int, set[int]] = defaultdict(set)
    for one, other in conflicts:
        near[one].add(other)
        near[other].add(one)
    found = list(order)
    for start in range(0, len(found), step):
        end = min(start + step, len(found))
        for place in range(start, end):
            others = {example[found[k]] for k in range(start, end) if k != place}
            barred = others.union(*(near[other] for other in others if other in near))
            if example[found[place]] in barred:
                row = another(found[place], lambda row, barred=barred: example[row] not in barred)  # type: ignore[misc]
                found[place] = found[place] if row is None else row
    return found


def standing(conflicts: Pairs, recalled: Collection[int]) -> list[tuple[int, int]]:
    """The conflicts that still stand: gone is one whose two rows were both recalled when they were last read.

    Asked again at each reading: a pair of which one row is lost again comes back.

    Args:
        conflicts: Pairs of rows.
        recalled: Rows that were recalled at the last reading.
    """
    return [(one, other) for one, other in conflicts if one not in recalled or other not in recalled]


def fill(last: Sequence[int], order: Sequence[int], conflicts: Pairs, n: int) -> list[int]:
    """Rows that fill up a last step, where several processes must have batches of one size.

    accelerate would take the first rows of the epoch, whatever they are; these are the first that conflict with
    nothing in the step and are not in it. Where there are too few of them, the first ones serve.

    Args:
        last: The rows of the last step.
        order: The epoch's rows.
        conflicts: Pairs of rows.
        n: How many are needed.
    """
    near, _ = _near([*last, *order], conflicts, 1)
    taken, rivals = set(last), {other for row in last for other in near.get(row, ())}
    found: list[int] = []
    for row in order:
        if len(found) == n:
            break
        if row not in taken and row not in rivals:
            found.append(row)
            taken.add(row)
            rivals.update(near.get(row, ()))
    return found + [order[k % len(order)] for k in range(n - len(found))]


def _near(order: Sequence[int], conflicts: Pairs, step: int) -> tuple[dict[int, set[int]], dict[int, list[int]]]:
    """Of each row that may not meet some other, or itself: the rows that it may not meet, and its places."""
    if step < 1:
        raise UptakeError(f"an optimiser step of {step} rows", expected="1 or more")
    times = Counter(order)
    near: dict[int, set[int]] = {row: set() for row, n in times.items() if n > 1}
    for one, other in conflicts:
        if one != other and one in times and other in times:
            near.setdefault(one, set()).add(other)
            near.setdefault(other, set()).add(one)
    places: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(order):
        if row in near:
            places[row].append(place)
    return near, places


class _Steps:
    """The room that each step has left; finds the nearest one with room in no more than a few looks."""

    def __init__(self, rows: int, step: int, seed: int) -> None:
        self.step, self.n = step, -(-rows // step)
        self.room = [step] * self.n
        self.room[-1] = rows - (self.n - 1) * step
        self._before, self._after = list(range(self.n)), list(range(self.n + 1))
        self._coin = np.random.default_rng([seed, rows])

    def take(self, number: int) -> None:
        """One row less fits into it."""
        self.room[number] -= 1
        if self.room[number] == 0:  # full ones are passed over from now on
            self._before[number], self._after[number] = number - 1, number + 1

    def nearest(self, wanted: int, forbidden: Collection[int]) -> int | None:
        """The nearest step with room that is not forbidden; None when there is none."""
        before, after = self._skip(self._before, wanted), self._skip(self._after, wanted)
        if before == after:  # it has room itself
            if wanted not in forbidden:
                return wanted
            before, after = self._skip(self._before, wanted - 1), self._skip(self._after, wanted + 1)
        coin = bool(self._coin.integers(2))
        while before >= 0 or after < self.n:
            left, right = wanted - before, after - wanted
            if before >= 0 and (after >= self.n or left < right or (left == right and coin)):
                if before not in forbidden:
                    return before
                before = self._skip(self._before, before - 1)
            else:
                if after not in forbidden:
                    return after
                after = self._skip(self._after, after + 1)
        return None

    def _skip(self, links: list[int], number: int) -> int:
        """Follow the links over full steps, and shorten them."""
        passed = []
        while 0 <= number < self.n and links[number] != number:
            passed.append(number)
            number = links[number]
        for one in passed:
            links[one] = number
        return number


def _coloured(near: Mapping[int, set[int]], places: Mapping[int, list[int]], steps: _Steps) -> dict[int, int]:
    """A step for each place whose row may not meet another; those for which there is none come last, to the nearest."""
    forbidden: dict[int, set[int]] = {row: set() for row in near}
    pending = {row: places[row][::-1] for row in near}
    degree = {row: sum(len(places[other]) for other in near[row]) + len(places[row]) - 1 for row in near}
    heap = [(0, -degree[row], places[row][0], row) for row in near]
    heapq.heapify(heap)
    colours: dict[int, int] = {}
    left: list[int] = []
    while heap:
        saturation, _, _, row = heapq.heappop(heap)
        if not pending[row] or -saturation != len(forbidden[row]):
            continue  # an entry of before its saturation grew, or its last place was found
        place = pending[row].pop()
        number = steps.nearest(place // steps.step, forbidden[row])
        if number is None:
            left.append(place)
        else:
            colours[place] = number
            steps.take(number)
            for other in sorted(near[row] | {row}):
                if number not in forbidden[other]:
                    forbidden[other].add(number)
                    if pending[other] and other != row:
                        heapq.heappush(heap, (-len(forbidden[other]), -degree[other], pending[other][-1], other))
        if pending[row]:
            heapq.heappush(heap, (-len(forbidden[row]), -degree[row], pending[row][-1], row))
    for place in sorted(left):
        number = steps.nearest(place // steps.step, ())
        assert number is not None  # all rows together just fill all steps
        colours[place] = number
        steps.take(number)
    return colours


def _laid_out(order: Sequence[int], colours: Mapping[int, int], step: int) -> list[int]:
    """The order in which each coloured place's row is in its step; all else stays where it is, as far as it can."""
    steps = -(-len(order) // step)
    newcomers: list[list[int]] = [[] for _ in range(steps)]
    vacant: list[list[int]] = [[] for _ in range(steps)]
    for place in sorted(colours):
        if colours[place] != place // step:
            newcomers[colours[place]].append(order[place])
            vacant[place // step].append(place)
    displaced: list[int] = []
    for number, rows in enumerate(newcomers):
        end = min(len(order), (number + 1) * step)
        others = [place for place in range(number * step, end) if place not in colours]
        going = others[len(others) - max(0, len(rows) - len(vacant[number])) :]
        displaced.extend(order[place] for place in going)
        vacant[number] = sorted(vacant[number] + going)
    reordered = list(order)
    waiting = iter(displaced)  # in order, and to vacancies in order: on a line, no other matching is shorter
    for rows, places in zip(newcomers, vacant, strict=True):
        for place, row in zip(places, chain(rows, waiting), strict=False):
            reordered[place] = row
    return reordered


def _exchanged(order: Sequence[int], near: Mapping[int, set[int]], step: int, seed: int) -> list[int]:
    """Exchange each row that clashes with the nearest one in another step, if then neither of the two does."""
    steps = [list(order[start : start + step]) for start in range(0, len(order), step)]
    coin = np.random.default_rng([seed, len(order)])
    visits = 0
    for number, place in list(_clashing(steps, near)):
        row = steps[number][place]
        if not _rivals(row, steps[number], place, near):
            continue  # its rival has gone already
        for other in _outwards(number, len(steps), bool(coin.integers(2))):
            visits += 1
            if visits > VISITS:
                return list(chain(*steps))
            there = _rivals(row, steps[other], -1, near)
            if len(there) > 1:
                continue
            candidates = there or range(len(steps[other]))
            partner = next((k for k in candidates if not _rivals(steps[other][k], steps[number], place, near)), None)
            if partner is not None:
                steps[number][place], steps[other][partner] = steps[other][partner], row
                break
    return list(chain(*steps))


def _rivals(row: int, rows: Sequence[int], without: int, near: Mapping[int, set[int]]) -> list[int]:
    """Where in a step, but for one place, something is that a row may not meet."""
    if row not in near:
        return []
    enemies = near[row]
    return [k for k, other in enumerate(rows) if (other in enemies or other == row) and k != without]


def _clashing(steps: Sequence[Sequence[int]], near: Mapping[int, set[int]]) -> Iterator[tuple[int, int]]:
    for number, rows in enumerate(steps):
        held = Counter(row for row in rows if row in near)
        for place, row in enumerate(rows):
            if row in held and (held[row] > 1 or not near[row].isdisjoint(held)):
                yield number, place


def _outwards(start: int, n: int, before_first: bool) -> Iterator[int]:
    """All numbers but `start`, the nearest first."""
    for distance in range(1, n):
        both = (start - distance, start + distance)
        for number in both if before_first else both[::-1]:
            if 0 <= number < n:
                yield number

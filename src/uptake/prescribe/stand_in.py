"""Orders that are free of conflict, until `uptake.schedule` is there: greedy, without a guarantee at the very end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence


def conflict_free(order: Sequence[int], conflicts: Iterable[tuple[int, int]], step: int, seed: int) -> list[int]:
    """The same rows, reordered so that no block of `step` rows holds two that conflict, or one twice."""
    near = _near(conflicts)
    waiting: deque[int] = deque()
    coming = deque(order)
    found: list[int] = []
    while waiting or coming:
        block: list[int] = []
        barred: set[int] = set()
        held: deque[int] = deque()
        while len(block) < step and (waiting or coming):
            row = (waiting or coming).popleft()
            if row in barred:
                held.append(row)
                if not waiting and len(held) > 50 * step:
                    break
                continue
            block.append(row)
            barred.add(row)
            barred.update(near.get(row, ()))
        waiting.extendleft(reversed(held))
        found += block
        if not block:
            break
    return _mended(found + list(waiting) + list(coming), near, step)


def _mended(order: list[int], near: Mapping[int, set[int]], step: int) -> list[int]:
    """Exchange each row that clashes with the nearest one before it, if then neither of the two does."""

    def clashes(place: int, row: int) -> bool:
        start = place - place % step
        others = [other for k, other in enumerate(order[start : start + step], start) if k != place]
        return row in others or not near.get(row, set()).isdisjoint(others)

    for place, row in enumerate(order):
        if clashes(place, row):
            for other in range(place - place % step - 1, -1, -1):
                if not clashes(other, row) and not clashes(place, order[other]):
                    order[place], order[other] = order[other], row
                    break
    return order


def exposures(order: Sequence[int], extra: Mapping[int, int], step: int, seed: int) -> list[int]:
    """The order, each row of it once, with copies of some rows, each row's spread evenly."""
    n = len(order)
    places = [
        ((place / n + copy / (extra.get(row, 0) + 1)) % 1.0, bool(copy), row)
        for place, row in enumerate(order)
        for copy in range(extra.get(row, 0) + 1)
    ]
    return conflict_free([row for _, _, row in sorted(places)], (), step, seed)


def violations(order: Sequence[int], conflicts: Iterable[tuple[int, int]], step: int) -> int:
    """Pairs that conflict, and rows that stand twice, within blocks of `step` rows."""
    near, found = _near(conflicts), 0
    for start in range(0, len(order), step):
        counts = Counter(order[start : start + step])
        found += sum(count - 1 for count in counts.values())
        found += sum(one < other for one in counts for other in near.get(one, ()) if other in counts)
    return found


def _near(conflicts: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    near: dict[int, set[int]] = {}
    for one, other in conflicts:
        near.setdefault(one, set()).add(other)
        near.setdefault(other, set()).add(one)
    return near

"""Conflicts counted the plain way."""

from __future__ import annotations

from itertools import combinations


def clashes(order: list[int], pairs: list[tuple[int, int]], step: int) -> int:
    """Counted the plain way: all pairs of places of each step."""
    known = {frozenset(pair) for pair in pairs}
    steps = [order[start : start + step] for start in range(0, len(order), step)]
    return sum(a == b or frozenset((a, b)) in known for rows in steps for a, b in combinations(rows, 2))

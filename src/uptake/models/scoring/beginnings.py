"""What rows begin with alike: which of them should share a beginning that is computed once, and how long it is.

    a a a b      the first three share `a a`, all four share `a`: of both, what saves more is taken,
    a a c d      and rows may also leave a large group for a smaller one with a longer beginning
    a a e
    a f g

A beginning of P tokens that n rows share saves P (n - 1) tokens, and costs a forward pass of its own and a batch that
may not be full. Where sequences are packed into rows, each is a part of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from uptake.models.scoring.rows import alike


class Begun(NamedTuple):
    """Rows that share a beginning: how many tokens of it, and which rows; of rows that share nothing 0 tokens."""

    tokens: int
    members: list[int]


@dataclass
class _Node:
    """All rows that begin alike for `depth` tokens: those in no group yet, and groups of rows that share more."""

    depth: int
    free: list[int] = field(default_factory=list)
    groups: list[Begun] = field(default_factory=list)


def shared_beginnings(
    beginnings: Sequence[Sequence[int]], cost: int, sizes: Sequence[float] | None = None
) -> list[Begun]:
    """Groups of rows that share a beginning, by what that saves; each row is in one group.

    Args:
        beginnings: For each row the tokens that may be computed apart from it.
        cost: Tokens that a group has to save to be worth it.
        sizes: How many rows each makes; None for one each.

    Returns:
        The groups, the one that shares nothing last (where there is one); members in rising order.
    """
    sizes = [1.0] * len(beginnings) if sizes is None else sizes
    root = _Node(0)
    stack = [root]
    before: Sequence[int] = ()
    for index in sorted(range(len(beginnings)), key=lambda row: list(beginnings[row])):
        own = beginnings[index]
        _close(stack, alike(before, own), cost, sizes)
        if stack[-1].depth < len(own):
            stack.append(_Node(len(own)))
        stack[-1].free.append(index)
        before = own
    _close(stack, 0, cost, sizes)
    groups = [Begun(tokens, sorted(members)) for tokens, members in root.groups]
    return [*groups, Begun(0, sorted(root.free))] if root.free else groups


def _close(stack: list[_Node], depth: int, cost: int, sizes: Sequence[float]) -> None:
    """Settle all nodes below a depth; what they hold goes to the node above them."""
    while stack[-1].depth > depth:
        node = stack.pop()
        _settle(node, cost, sizes)
        if stack[-1].depth < depth:
            stack.append(_Node(depth))
        stack[-1].free += node.free
        stack[-1].groups += node.groups


def _settle(node: _Node, cost: int, sizes: Sequence[float]) -> None:
    """Make a group of the node's free rows, and of those in groups that save less on their own, if it saves more."""

    def rows(members: Sequence[int]) -> float:
        return sum(sizes[one] for one in members)

    def saved(tokens: int, members: Sequence[int]) -> float:
        return tokens * (rows(members) - 1) - cost

    weaker = [one for one in node.groups if saved(*one) <= node.depth * rows(one.members)]
    members = [*node.free, *(row for one in weaker for row in one.members)]
    if saved(node.depth, members) > sum(max(0.0, saved(*one)) for one in weaker):
        node.groups = [*(one for one in node.groups if one not in weaker), Begun(node.depth, members)]
        node.free = []

"""Rows for the scoring engine: sequences that begin alike as one tree, in which each token sees what leads to it.

    index     0 1 2 3 4 | 5 6 | 7 8 9
    token     c c c c c | a a | b b b
    position  0 1 2 3 4 | 5 6 | 5 6 7        positions restart where the shared part ends
    end       all   10  | 7 7 | 10 ..        a token is seen by itself and those after it, up to its end

K candidates after n shared tokens cost n + Σ|y_k| input tokens instead of K·n + Σ|y_k|, and so do questions that begin
alike. The last token of a sequence is never an input, since nothing after it is scored, and a position that predicts
several tokens is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

LONG = 4
"""Times the length of a sequence that a row with it may have, however long it is."""


class Scored(NamedTuple):
    """Token ids of which `ids[start:]` is to be scored, given what precedes each; `1 <= start < len(ids)`."""

    ids: list[int]
    start: int


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input row of the model, and what to read off it.

    Attributes:
        ids: Input token ids.
        positions: Position of each token in its own sequence.
        ends: Index after the last token that sees it, for each token.
        at: Indices in the row at which the next token is predicted, each once.
        source: For every scored token, the index in `at` that predicts it.
        target: For every scored token, its id.
    """

    ids: list[int]
    positions: list[int]
    ends: list[int]
    at: list[int]
    source: list[int]
    target: list[int]

    def __len__(self) -> int:
        """Number of input tokens."""
        return len(self.ids)

    @property
    def branches(self) -> bool:
        """Whether some token does not see all before it, so that the row needs a mask of its own."""
        return bool(self.positions) and self.positions[-1] - self.positions[0] != len(self.ids) - 1

    def after(self, tokens: int) -> InputRow:
        """The row without its first `tokens` tokens, which are computed apart from it."""
        at = [index - tokens for index in self.at]
        ends = [index - tokens for index in self.ends[tokens:]]
        return replace(self, ids=self.ids[tokens:], positions=self.positions[tokens:], ends=ends, at=at)


def alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike; slices are compared, which is faster than token by token."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def plan_row(sequences: Sequence[Scored]) -> InputRow:
    """One row that scores all sequences; whatever some of them begin with alike is in it once.

    The scored tokens come in the order of the sequences. Where a tokenizer merges characters across the border of
    context and candidate, the candidates' contexts differ in their last tokens: sharing ends before those.
    """
    ids: list[int] = []
    positions: list[int] = []
    ends: list[int] = []
    path: list[int] = []  # where the tokens stand that lead to the last one
    at: dict[int, int] = {}
    sources: list[list[int]] = [[] for _ in sequences]
    before: list[int] = []
    for number in sorted(range(len(sequences)), key=lambda one: sequences[one].ids):
        tokens, start = sequences[number]
        shared = min(alike(before, tokens), len(path), len(tokens) - 1)
        for index in path[shared:]:
            ends[index] = len(ids)
        own = tokens[shared:-1]
        path[shared:] = range(len(ids), len(ids) + len(own))
        ids += own
        positions += range(shared, shared + len(own))
        ends += [0] * len(own)
        sources[number] = [at.setdefault(index, len(at)) for index in path[start - 1 :]]
        before = tokens
    for index in path:
        ends[index] = len(ids)
    source = [index for own in sources for index in own]
    target = [token for tokens, start in sequences for token in tokens[start:]]
    return InputRow(ids, positions, ends, list(at), source, target)


def in_order(sequences: Sequence[Sequence[int]], before: int = 0) -> tuple[list[int], list[int], list[int]]:
    """The sequences in the order of their tokens, as they stand in a tree.

    Args:
        sequences: Token ids.
        before: Tokens that all sequences begin with and that do not count.

    Returns:
        Indices; and for each its input tokens, and how many of them the one before it has as well.
    """
    order = sorted(range(len(sequences)), key=lambda one: list(sequences[one]))
    lengths = [max(1, len(sequences[one]) - 1 - before) for one in order]
    common = [0] * len(order)
    for k in range(1, len(order)):
        shared = alike(sequences[order[k - 1]], sequences[order[k]]) - before
        common[k] = max(0, min(shared, lengths[k - 1], lengths[k]))
    return order, lengths, common


def runs(sequences: Sequence[Sequence[int]], most: int, largest: int, before: int = 0) -> list[list[int]]:
    """Which sequences share a row: neighbours in the order of their tokens, as many as fit.

    A row that is full is cut, in its second half, where the sequences on both sides have least in common: that much is
    computed twice. One of long sequences may be longer (`LONG`), so that a context is not read anew for each candidate.

    Args:
        sequences: Token ids.
        most: Input tokens of a row.
        largest: Input tokens of the largest row of several, with those before it.
        before: Tokens that all sequences begin with and that are in no row.
    """
    order, lengths, common = in_order(sequences, before)
    found, first = [], 0
    while first < len(order):
        end, size = first + 1, lengths[first]
        cut, half = end, size
        while end < len(order):
            more = size + lengths[end] - common[end]
            if more > max(most, LONG * lengths[end]) or more + before > largest:
                break
            end, size = end + 1, more
            if end < len(order) and (half < most // 2 or common[end] <= common[cut]):
                cut, half = end, size
        last = end if end == len(order) else cut
        found.append(order[first:last])
        first = last
    return found


def longest_first(lengths: Sequence[int]) -> list[int]:
    """Indices by falling length, equal ones in their order: the same rows give the same batches on every run."""
    return sorted(range(len(lengths)), key=lambda index: -lengths[index])


def first_batch(
    order: Sequence[int],
    lengths: Sequence[int],
    budget: int,
    cells: int | None = None,
    before: int = 0,
    rows: int | None = None,
) -> list[int]:
    """The first of the indices, as many as make at most `budget` padded tokens, but at least one.

    Args:
        order: Indices, the longest first (`longest_first`); not empty.
        lengths: Tokens of every row.
        budget: Padded tokens.
        cells: Largest sum of the rows' masks, padded length times what it sees; None where no such mask is made.
        before: Tokens before every row that are computed already.
        rows: Most rows; None for any number.
    """
    longest = max(1, lengths[order[0]])
    most = budget // room(longest, before)
    if cells is not None:
        most = min(most, cells // (longest * (longest + before)))
    if rows is not None:
        most = min(most, rows)
    return list(order[: max(1, most)])


def room(length: int, before: int) -> int:
    """What a row takes of a batch's budget, in tokens: of those that are computed already an eighth."""
    return length + before // 8

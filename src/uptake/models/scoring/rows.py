"""Rows for the scoring engine: a context once, then what may follow it, each branch blind to its siblings.

    index     0 1 2 3 4 | 5 6 | 7 8 9
    token     c c c c c | a a | b b b
    position  0 1 2 3 4 | 5 6 | 5 6 7        positions restart where the shared part ends
    segment   0 0 0 0 0 | 1 1 | 2 2 2        a token sees segment 0 and its own, up to itself

K candidates after n shared tokens cost n + Σ|y_k| input tokens instead of K·n + Σ|y_k|. The last token of a candidate
is never an input, since nothing after it is scored, and a position that predicts several tokens is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


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
        segments: 0 for the shared part, k for the k-th branch.
        at: Indices in the row at which the next token is predicted, each once.
        source: For every scored token, the index in `at` that predicts it.
        target: For every scored token, its id.
    """

    ids: list[int]
    positions: list[int]
    segments: list[int]
    at: list[int]
    source: list[int]
    target: list[int]

    def __len__(self) -> int:
        """Number of input tokens."""
        return len(self.ids)

    @property
    def branches(self) -> bool:
        """Whether more than one sequence shares the row, so that it needs a mask of its own."""
        return bool(self.segments) and self.segments[-1] > 0

    @property
    def beginning(self) -> list[int]:
        """The ids that may be computed apart from the row: all before the first position that is read."""
        return self.ids[: min(self.at)]

    def after(self, tokens: int) -> InputRow:
        """The row without its first `tokens` tokens, which are computed apart from it."""
        at = [index - tokens for index in self.at]
        ids, positions, segments = self.ids[tokens:], self.positions[tokens:], self.segments[tokens:]
        return replace(self, ids=ids, positions=positions, segments=segments, at=at)


def common_prefix(sequences: Sequence[list[int]]) -> int:
    """Length of the longest common prefix of all sequences."""
    low, high = min(sequences), max(sequences)
    for index, (one, other) in enumerate(zip(low, high, strict=False)):
        if one != other:
            return index
    return min(len(low), len(high))


def plan_row(sequences: Sequence[Scored]) -> InputRow:
    """One row that scores all sequences, their common prefix computed once.

    The scored tokens come in the order of the sequences. Where a tokenizer merges characters across the border of
    context and candidate, the candidates' contexts differ in their last tokens: sharing ends before those.
    """
    shared = min(common_prefix([sequence.ids for sequence in sequences]), *(len(s.ids) - 1 for s in sequences))
    ids = list(sequences[0].ids[:shared])
    positions = list(range(shared))
    segments = [0] * shared
    at: dict[int, int] = {}
    source: list[int] = []
    target: list[int] = []
    for segment, (tokens, start) in enumerate(sequences, 1):
        moved = len(ids) - shared
        ids.extend(tokens[shared:-1])
        positions.extend(range(shared, len(tokens) - 1))
        segments.extend([segment] * (len(tokens) - 1 - shared))
        for before in range(start - 1, len(tokens) - 1):
            index = before if before < shared else before + moved
            source.append(at.setdefault(index, len(at)))
        target.extend(tokens[start:])
    return InputRow(ids, positions, segments, list(at), source, target)


def longest_first(lengths: Sequence[int]) -> list[int]:
    """Indices by falling length, equal ones in their order: the same rows give the same batches on every run."""
    return sorted(range(len(lengths)), key=lambda index: -lengths[index])


def first_batch(
    order: Sequence[int], lengths: Sequence[int], budget: int, cells: int | None = None, before: int = 0
) -> list[int]:
    """The first of the indices, as many as make at most `budget` padded tokens, but at least one.

    Args:
        order: Indices, the longest first (`longest_first`); not empty.
        lengths: Tokens of every row.
        budget: Padded tokens.
        cells: Largest sum of the rows' masks, padded length times what it sees; None where no such mask is made.
        before: Tokens before every row that are computed already.
    """
    longest = max(1, lengths[order[0]])
    most = budget // room(longest, before)
    if cells is not None:
        most = min(most, cells // (longest * (longest + before)))
    return list(order[: max(1, most)])


def room(length: int, before: int) -> int:
    """What a row takes of a batch's budget, in tokens: of those that are computed already an eighth."""
    return length + before // 8

"""The most similar pairs of many vectors: blocks of inner products, of which only the best pairs are kept.

Up to `EXACT` vectors all products are computed. Of more, those of each vector with the members of its nearest cells, as
inverted files do (Sivic and Zisserman 2003; IndexIVFFlat of faiss): `docs/rivals.md` tells what this costs in recall.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

BLOCK = 2048
"""Vectors on either side of a block of products: 16 MiB of them at a time."""
EXACT = 50_000
"""Vectors up to which every pair is looked at."""
PROBES = 16
"""Nearest cells in which a vector's partners are sought."""
ROUNDS = 2
"""Rounds of k-means by which the cells' centres are found."""


def similar_pairs(
    vectors: Float[np.ndarray, "texts dims"],
    *,
    most: int = 500_000,
    top_k: int = 100,
    least: float = -1.0,
) -> tuple[Int[np.ndarray, "pairs 2"], Float[np.ndarray, " pairs"]]:
    """The pairs with the largest cosine, best first, the smaller index first in each.

    The pairs are those of `sentence_transformers.util.paraphrase_mining_embeddings` with the same `max_pairs` and
    `top_k`, save for ties and rounding: a pair counts when either of its texts is among the `top_k` nearest of the
    other. Memory is bounded by `most` and the block. Time grows with the square of the number of texts up to `EXACT`,
    and with its power 1.5 above, where some pairs may be missed.

    Args:
        vectors: Unit vectors.
        most: How many pairs are kept.
        top_k: How many neighbours of one text count.
        least: Smallest cosine of a pair.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    floor = max(least, _guessed_floor(vectors, most))
    pairs, scores = _search(vectors, most, top_k, floor)
    if len(pairs) < most and floor > least:  # the guess was too high
        pairs, scores = _search(vectors, most, top_k, least)
    return pairs, scores


def _search(
    vectors: Float[np.ndarray, "texts dims"], most: int, top_k: int, floor: float
) -> tuple[Int[np.ndarray, "pairs 2"], Float[np.ndarray, " pairs"]]:
    kept = _Kept(most, top_k, floor)
    for rows, columns in _all_blocks(len(vectors)) if len(vectors) <= EXACT else _cell_blocks(vectors):
        kept.add(vectors[rows] @ vectors[columns].T, rows, columns)
    return kept.best()


def _all_blocks(n: int) -> Iterator[tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " columns"]]]:
    """Indices of blocks that hold every pair."""
    everything = np.arange(n, dtype=np.int32)
    for first in range(0, n, BLOCK):
        for second in range(first, n, BLOCK):
            yield everything[first : first + BLOCK], everything[second : second + BLOCK]


def _cell_blocks(
    vectors: Float[np.ndarray, "texts dims"],
) -> Iterator[tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " columns"]]]:
    """Indices of blocks that hold each text with the members of its nearest cells; a cell has about √n members."""
    n, size = len(vectors), round(len(vectors) ** 0.5)
    centres = vectors[np.sort(np.random.default_rng(0).choice(n, size, replace=False))]
    for _ in range(ROUNDS):
        home = _nearest(vectors, centres, 1)[:, 0]
        order, members = np.argsort(home, kind="stable"), np.bincount(home, minlength=size)
        filled = members > 0
        sums = np.add.reduceat(vectors[order], (np.cumsum(members) - members)[filled], axis=0)
        centres[filled] = sums / np.maximum(1e-9, np.linalg.norm(sums, axis=1, keepdims=True))
    cells = _nearest(vectors, centres, min(PROBES, size))
    order = np.argsort(cells.ravel(), kind="stable")
    text, own = (order // cells.shape[1]).astype(np.int32), order % cells.shape[1] == 0
    ends = np.cumsum(np.bincount(cells.ravel(), minlength=size))
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        near, at_home = text[start:end], text[start:end][own[start:end]]
        for first in range(0, len(near), BLOCK):
            for second in range(0, len(at_home), BLOCK):
                yield near[first : first + BLOCK], at_home[second : second + BLOCK]


def _nearest(
    vectors: Float[np.ndarray, "texts dims"], centres: Float[np.ndarray, "cells dims"], k: int
) -> Int[np.ndarray, "texts k"]:
    """The nearest centres of each vector, the nearest first."""
    found = np.empty((len(vectors), k), dtype=np.int32)
    for first in range(0, len(vectors), BLOCK):
        distance = -(vectors[first : first + BLOCK] @ centres.T)
        near = np.argpartition(distance, k - 1, axis=1)[:, :k]
        rank = np.argsort(np.take_along_axis(distance, near, axis=1), axis=1, kind="stable")
        found[first : first + BLOCK] = np.take_along_axis(near, rank, axis=1)
    return found


def _guessed_floor(vectors: Float[np.ndarray, "texts dims"], most: int) -> float:
    """A cosine that about three times as many pairs exceed as are kept, read off evenly spaced texts.

    Without it the first blocks would be kept nearly whole, to be sorted out again and again.
    """
    n = len(vectors)
    wanted = 3 * most / max(1.0, n * (n - 1) / 2)
    if wanted >= 0.5:
        return -1.0
    sample = np.concatenate([vectors[row] @ vectors.T for row in np.linspace(0, n - 1, min(n, 128)).astype(int)])
    rank = int(wanted * len(sample)) + 128  # each text is its own nearest
    return float(np.partition(sample, len(sample) - rank)[len(sample) - rank])


class _Kept:
    """The best pairs so far. The floor under which nothing can be kept any more rises as pairs come in."""

    def __init__(self, most: int, top_k: int, least: float) -> None:
        self._most, self._top_k, self._floor = most, top_k, least
        self._pairs = np.empty((0, 2), dtype=np.int32)
        self._scores = np.empty(0, dtype=np.float32)
        self._waiting: list[tuple[Int[np.ndarray, "n 2"], Float[np.ndarray, " n"]]] = []
        self._n_waiting = 0

    def add(
        self,
        products: Float[np.ndarray, "rows columns"],
        rows: Int[np.ndarray, " rows"],
        columns: Int[np.ndarray, " columns"],
    ) -> None:
        """Take the pairs of a block that may still be among the best; a pair may come twice."""
        flat = np.flatnonzero(products.ravel() > self._floor)
        pairs = np.stack([rows[flat // len(columns)], columns[flat % len(columns)]], axis=1)
        apart = pairs[:, 0] != pairs[:, 1]
        self._waiting.append((np.sort(pairs[apart], axis=1), products.ravel()[flat[apart]]))
        self._n_waiting += len(flat)
        if self._n_waiting >= 2 * self._most:
            self._settle()

    def best(self) -> tuple[Int[np.ndarray, "pairs 2"], Float[np.ndarray, " pairs"]]:
        """All that is kept, best first; of equal scores the smaller indices first."""
        self._settle()
        order = np.lexsort((self._pairs[:, 1], self._pairs[:, 0], -self._scores))
        return self._pairs[order].astype(np.int64), self._scores[order]

    def _settle(self) -> None:
        pairs = np.concatenate([self._pairs, *(pairs for pairs, _ in self._waiting)])
        scores = np.concatenate([self._scores, *(scores for _, scores in self._waiting)])
        self._waiting, self._n_waiting = [], 0
        once = np.unique(pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1], return_index=True)[1]
        pairs, scores = pairs[once], scores[once]
        near = _among_nearest(pairs, scores, self._top_k)
        pairs, scores = pairs[near], scores[near]
        if len(scores) > self._most:
            limit = np.partition(scores, len(scores) - self._most)[len(scores) - self._most]
            above = scores > limit
            # of those exactly at the limit as many as there is room for, the smallest indices first
            level = np.flatnonzero(scores == limit)
            level = level[np.lexsort((pairs[level, 1], pairs[level, 0]))][: self._most - int(above.sum())]
            above[level] = True
            pairs, scores = pairs[above], scores[above]
            self._floor = max(self._floor, float(np.nextafter(limit, np.float32(-2))))
        self._pairs, self._scores = pairs, scores


def _among_nearest(
    pairs: Int[np.ndarray, "pairs 2"], scores: Float[np.ndarray, " pairs"], top_k: int
) -> Bool[np.ndarray, " pairs"]:
    """Which pairs are among the `top_k` best of the first or of the second text."""
    if not len(pairs):
        return np.zeros(0, dtype=bool)
    busy = np.bincount(pairs.ravel()) > top_k
    near: Bool[np.ndarray, " pairs"] = ~busy[pairs].all(axis=1)
    if near.all():
        return near
    # the ranking of each busy text's pairs, whichever side it stands on
    sides = [np.flatnonzero(busy[pairs[:, side]]) for side in (0, 1)]
    number = np.concatenate(sides)
    text = np.concatenate([pairs[sides[0], 0], pairs[sides[1], 1]])
    other = np.concatenate([pairs[sides[0], 1], pairs[sides[1], 0]])
    order = np.lexsort((other, -scores[number], text))
    begins = np.flatnonzero(np.diff(text[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    near[number[order[rank < top_k]]] = True
    return near

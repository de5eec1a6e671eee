"""Near copies among the examples of a data set: MinHash over runs of three words.

Broder 1997, On the resemblance and containment of documents: of two sets, the share of random orders under which both
have the same least member is their Jaccard similarity. Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4:
pairs are looked for in bands of the signature, so that the work grows with the data and not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from jaxtyping import Float, Int, UInt32, UInt64

from uptake.corpus.text import shingles, words

SIZE = 3
"""Words of a run."""
ORDERS, ROWS = 128, 4
"""Random orders, and those of a band: of two texts with a similarity of 0.8, one in 10^7 shares no band."""
ALIKE = 0.8
"""Similarity from which on two examples are near copies. Its estimate has a standard error of 0.035."""
BESIDE = 4
"""Members of one band that each is compared with: the next ones by their signatures."""

_HALF, _LARGEST = np.uint64(32), np.uint64((1 << 32) - 1)


@dataclass(frozen=True, slots=True)
class NearCopies:
    """The near copies among some examples, by position.

    Attributes:
        similarity: Of each with the one that is most like it, in [0, 1]; 0 where none was found.
        of: The first example of its group of near copies; its own position where it is that one, or has no near copy.
    """

    similarity: Float[np.ndarray, " n"]
    of: Int[np.ndarray, " n"]


class Duplicates:
    """Gathers texts, then finds near copies; 512 bytes a text are kept."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        # multiply and shift (Dietzfelbinger et al. 1997): the upper half of factor * number + term, modulo 2^64
        self._factors = random.integers(0, 1 << 63, ORDERS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._terms = random.integers(0, 1 << 63, ORDERS, dtype=np.uint64)
        self._signatures: list[bytes] = []

    def add(self, prompt: str, response: str) -> None:
        """One more example."""
        runs = list(dict.fromkeys(shingles(words(f"{prompt}\n{response}"), SIZE))) or [""]
        numbers = np.array([crc32(run.encode("utf-8", "surrogatepass")) for run in runs], dtype=np.uint64)
        least = np.full(ORDERS, _LARGEST, dtype=np.uint64)
        for start in range(0, len(numbers), 1024):  # of a long text not all orders at once
            some = numbers[start : start + 1024, None]
            np.minimum(least, ((some * self._factors + self._terms) >> _HALF).min(axis=0), out=least)
        self._signatures.append(least.astype("<u4").tobytes())

    def found(self) -> NearCopies:
        """The near copies among all that were added."""
        n = len(self._signatures)
        signatures = np.frombuffer(b"".join(self._signatures), dtype="<u4").reshape(n, ORDERS)
        similarity, parent = np.zeros(n), list(range(n))

        def root(position: int) -> int:
            while parent[position] != position:
                parent[position] = position = parent[parent[position]]
            return position

        for first, second in self._pairs(signatures):
            alike = float((signatures[first] == signatures[second]).mean())
            similarity[first], similarity[second] = max(similarity[first], alike), max(similarity[second], alike)
            if alike >= ALIKE:
                low, high = sorted((root(first), root(second)))
                parent[high] = low
        return NearCopies(similarity, np.array([root(position) for position in range(n)], dtype=np.int64))

    def _pairs(self, signatures: UInt32[np.ndarray, "n orders"]) -> Iterator[tuple[int, int]]:
        """Pairs that share a band, each once for each band that they share."""
        for start in range(0, ORDERS, ROWS):
            keys = _keys(signatures[:, start : start + ROWS])
            # equal texts have equal signatures: they lie side by side
            order = np.lexsort((signatures[:, (start + ROWS) % ORDERS], keys))
            for step in range(1, BESIDE + 1):
                same = keys[order[step:]] == keys[order[:-step]]
                for at in np.flatnonzero(same).tolist():
                    yield int(order[at]), int(order[at + step])


def _keys(band: UInt32[np.ndarray, "n rows"]) -> UInt64[np.ndarray, " n"]:
    """A number for each row of a band; rows that are equal have equal ones."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + column.astype(np.uint64)
    return keys

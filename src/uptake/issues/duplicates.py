"""Near copies among the examples of a data set: MinHash over runs of three words that few of them hold.

Runs that many examples hold (a system prompt, an instruction) say nothing of one of them, and are left out. What is
alike then is compared once more, run by run: near copies have nearly the same last turn, and nearly the same response.

Broder 1997, On the resemblance and containment of documents: of two sets, the share of random orders under which both
have the same least member is their Jaccard similarity. Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4:
pairs are looked for in bands of the signature, so that the work grows with the data and not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from jaxtyping import Float, Int, UInt32, UInt64

from uptake.artifacts import Spool
from uptake.corpus.text import shingles, words

SIZE = 3
"""Words of a run."""
ORDERS, ROWS = 128, 4
"""Random orders, and those of a band: of two texts with a similarity of 0.8, one in 10^7 shares no band."""
ALIKE = 0.8
"""Similarity from which on two examples are near copies. Its estimate has a standard error of 0.035."""
SHARED, AT_LEAST = 0.1, 5
"""A run is left out that more than this share of the examples hold, and more than so many."""
BESIDE = 4
"""Members of one band that each is compared with: the next ones by their signatures."""

_HALF, _LARGEST = np.uint64(32), np.uint64((1 << 32) - 1)
_BUCKETS = 1 << 20
_TURN = "\nuser: "


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
    """Gathers texts, then finds near copies; 512 bytes a text are kept, and the numbers of their runs in a file.

    Args:
        folder: Where the file goes; it has no name.
    """

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(0)
        # multiply and shift (Dietzfelbinger et al. 1997): the upper half of factor * number + term, modulo 2^64
        self._factors = random.integers(0, 1 << 63, ORDERS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._terms = random.integers(0, 1 << 63, ORDERS, dtype=np.uint64)
        self._runs = Spool(folder)
        # how many texts hold a run; runs of one bucket count together, far fewer than a share of all texts
        self._holding = np.zeros(_BUCKETS, dtype=np.uint32)

    def close(self) -> None:
        """Give the file back."""
        self._runs.close()

    def add(self, prompt: str, response: str) -> None:
        """One more example; a conversation as lines of `role: content`."""
        whole, turn, said = _numbers(f"{prompt}\n{response}"), _numbers(_last_turn(prompt)), _numbers(response)
        self._holding[np.unique(whole % _BUCKETS)] += 1
        digest = crc32(f"{prompt}\0{response}".encode("utf-8", "surrogatepass"))
        sizes = np.array([digest, len(whole), len(turn)], dtype=np.uint32)
        self._runs.append(np.concatenate([sizes, whole, turn, said]).astype("<u4").tobytes().decode("latin-1"))

    def found(self) -> NearCopies:
        """The near copies among all that were added."""
        n = len(self._runs)
        signatures = np.empty((n, ORDERS), dtype=np.uint32)
        for position in range(n):
            signatures[position] = self._signature(position)
        similarity, parent = np.zeros(n), list(range(n))

        def root(position: int) -> int:
            while parent[position] != position:
                parent[position] = position = parent[parent[position]]
            return position

        for first, second in self._pairs(signatures):
            alike = float((signatures[first] == signatures[second]).mean())
            if alike > min(similarity[first], similarity[second]) or alike >= ALIKE:
                alike = min(alike, self._turn_and_response(first, second))
            similarity[first], similarity[second] = max(similarity[first], alike), max(similarity[second], alike)
            if alike >= ALIKE:
                low, high = sorted((root(first), root(second)))
                parent[high] = low
        return NearCopies(similarity, np.array([root(position) for position in range(n)], dtype=np.int64))

    def _kept(self, position: int) -> tuple[int, list[UInt32[np.ndarray, " runs"]]]:
        """Of a text its digest, and the runs of all of it, of its last turn and of its response."""
        numbers = np.frombuffer(self._runs[position].encode("latin-1"), dtype="<u4")
        digest, whole, turn = numbers[:3].tolist()
        return digest, np.split(numbers[3:], [whole, whole + turn])

    def _signature(self, position: int) -> UInt32[np.ndarray, " orders"]:
        digest, (whole, _, _) = self._kept(position)
        most = max(AT_LEAST, SHARED * len(self._runs))
        own = whole[self._holding[whole % _BUCKETS] <= most].astype(np.uint64)
        if not len(own):  # nothing of its own, or no word: alike are those that are equal
            own = np.array([digest], dtype=np.uint64)
        least = np.full(ORDERS, _LARGEST, dtype=np.uint64)
        for start in range(0, len(own), 1024):  # of a long text not all orders at once
            some = own[start : start + 1024, None]
            np.minimum(least, ((some * self._factors + self._terms) >> _HALF).min(axis=0), out=least)
        return least.astype(np.uint32)

    def _turn_and_response(self, first: int, second: int) -> float:
        """How alike two texts are in their last turn or in their response, where they are less alike."""
        pairs = zip(self._kept(first)[1][1:], self._kept(second)[1][1:], strict=True)
        return min(_jaccard(one, other) for one, other in pairs)

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


def _numbers(text: str) -> UInt32[np.ndarray, " runs"]:
    """Its runs, each once, as numbers; a text without words is one run."""
    runs = dict.fromkeys(shingles(words(text), SIZE)) or [text.strip()]
    return np.array([crc32(run.encode("utf-8", "surrogatepass")) for run in runs], dtype=np.uint32)


def _last_turn(prompt: str) -> str:
    return prompt.rpartition(_TURN)[2]


def _jaccard(one: UInt32[np.ndarray, " n"], other: UInt32[np.ndarray, " m"]) -> float:
    both = len(np.intersect1d(one, other))
    return both / (len(np.union1d(one, other)) or 1)

"""The best documents of each fact: BM25 from counts, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from uptake.corpus.at_once import K1, B
from uptake.exposure.judge import SAYS, Says

KEPT = 100
"""Documents of a fact that are kept."""
MOST = 100_000
"""Documents that are kept of all facts together: of many facts fewer are kept of each."""
OF_EACH = 5
"""Documents that are kept of a fact in any case, of those that state it, those that state another answer, and so on."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that holds what a fact is about.

    Attributes:
        fact: The number of the fact.
        shard: Name of the shard.
        row: Which document of the shard it is, from 0.
        id: The document's own id; empty where it has none.
        source: The document's own source; else the shard's name.
        says: What it says of the fact.
        answer: The other answer that it states; None where it states none.
        passage: What says so.
        length: Words of the document.
        counts: How often each of the query's words stands in it.
    """

    fact: int
    shard: str
    row: int
    id: str
    source: str
    says: Says
    answer: str | None
    passage: str
    length: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class WordWeights:
    """What BM25 needs to know of all documents.

    Attributes:
        documents: How many there are.
        words: How many words they have in all.
        holding: For each word in how many documents it stands.
    """

    documents: int
    words: int
    holding: Mapping[bytes, int]

    def idf(self, word: bytes) -> float:
        """log(1 + (n - df + 0.5) / (df + 0.5)) (Robertson and Zaragoza 2009, with Lucene's 1 +)."""
        held = self.holding.get(word, 0)
        return math.log1p((self.documents - held + 0.5) / (held + 0.5))

    def bm25(self, words: Sequence[bytes], counts: Sequence[int], length: int) -> float:
        """The score of a document for a query (eq. 3.15 there)."""
        norm = K1 * (1 - B + B * length * self.documents / max(1, self.words))
        return sum(
            (self.idf(word) * n * (K1 + 1) / (n + norm) for word, n in zip(words, counts, strict=True) if n), 0.0
        )


def kept_of_each(facts: int) -> int:
    """How many documents of each of so many facts are kept."""
    return max(OF_EACH, min(KEPT, MOST // max(1, facts)))


def best(hits: Iterable[Hit], words: Sequence[bytes], weights: WordWeights, n: int) -> list[Hit]:
    """The `n` best documents of a fact, and the best `OF_EACH` of each that it says of it; best first.

    Of equal scores the first by shard and row come first, so that the order of reading changes nothing.

    Args:
        hits: Documents of one fact.
        words: The words of its query.
        weights: How rare words are.
        n: How many.
    """
    ranked = sorted(hits, key=lambda hit: (-weights.bm25(words, hit.counts, hit.length), hit.shard, hit.row))
    seen = dict.fromkeys(SAYS, 0)
    found: list[Hit] = []
    for place, hit in enumerate(ranked):
        seen[hit.says] += 1
        if place < n or seen[hit.says] <= OF_EACH:
            found.append(hit)
    return found

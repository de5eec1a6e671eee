"""Many searches in a few passes over all documents: what `search` finds for each, without asking the index for each.

A search costs milliseconds whatever it finds, so that tens of thousands take minutes; reading every document's words
takes seconds. The order is that of the index: its BM25 is computed here again from the same counts.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uptake.corpus.search import FACT_WEIGHT, Index, document, fact_words, place, search, spellings
from uptake.corpus.table import FIELDS
from uptake.types import Document

K1, B = 1.2, 0.75
"""The constants of BM25 that LanceDB's index has (Robertson and Zaragoza 2009, eq. 3.15)."""
WORTH = 1500
"""A search takes as long as reading so many characters of documents here."""
COMMON = 1000
"""A name that more documents hold is asked of the index: scoring them all here would take longer."""
LOOKED_AT = 1000
"""Documents by which the size of all is told."""
AT_ONCE = 16384
"""Documents that are read at once."""


@dataclass(frozen=True, slots=True)
class _SearchWords:
    """The words of a search: the spellings of the name, each a phrase, and the words of the fact."""

    names: tuple[tuple[str, ...], ...]
    fact: tuple[str, ...]


def search_all(found: Index, asked: Sequence[tuple[str, str]], k: int = 20) -> list[list[Document]]:
    """The documents of many searches, for each those that `search` gives.

    Few searches for the size of the index are made one by one, as are those of names that are in very many documents:
    of documents of one score, where there are more than twice `k`, the index may take others than the first by id.

    Args:
        found: Where to search.
        asked: Entity and fact of each.
        k: How many documents of each at most.

    Returns:
        For each what was found, best first.
    """
    best: dict[tuple[str, str], list[int]] = {}
    if k >= 1 and len(asked) * WORTH >= _characters(found.table):
        wanted = {
            pair: _SearchWords(tuple(map(tuple, spellings(pair[0]))), tuple(fact_words(pair[1])))
            for pair in dict.fromkeys(asked)
        }
        best = _best(found.table, wanted, _Weights.of(found.table, wanted.values()), k)
    rows = _documents(found.table, [row for rows in best.values() for row in rows])
    known = {pair: [rows[row] for row in some] for pair, some in best.items()}
    return [known[pair] if pair in known else search(found, *pair, k) for pair in asked]


@dataclass(frozen=True, slots=True)
class _Weights:
    """What BM25 needs to know of all documents: how rare each word is, and how long they are."""

    idf: Mapping[str, float]
    mean_length: float

    @classmethod
    def of(cls, table: Any, asked: Iterable[_SearchWords]) -> _Weights:
        """Count the words of all searches in all documents."""
        wanted = {word for one in asked for name in (*one.names, one.fact) for word in name}
        holding: Counter[str] = Counter()
        n = total = 0
        for batch in _batches(table, ["words"]):
            for line in batch["words"].to_pylist():
                tokens = line.split()
                n += 1
                total += len(tokens)
                holding.update(wanted.intersection(tokens))
        return cls({word: math.log((n - df + 0.5) / (df + 0.5) + 1) for word, df in holding.items()}, total / max(1, n))

    def bm25(self, words: Iterable[str], counts: Mapping[str, int], length: int) -> float:
        """The score of a document for words."""
        norm = K1 * (1 - B + B * length / self.mean_length)
        found = [(self.idf[word], n) for word in words if (n := counts.get(word, 0))]
        return sum((idf * n * (K1 + 1) / (n + norm) for idf, n in found), 0.0)


def _best(
    table: Any, asked: Mapping[tuple[str, str], _SearchWords], weights: _Weights, k: int
) -> dict[tuple[str, str], list[int]]:
    """The row numbers of the best documents of each search, in order; without those of too common names."""
    pairs, facts = list(asked), [one.fact for one in asked.values()]
    holders: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, one in enumerate(asked.values()):
        for name in one.names:
            holders[name].append(number)
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for name in holders:
        lengths[name[0]].add(len(name))
    best: dict[int, list[tuple[float, str, int]]] = {number: [] for number in range(len(pairs))}
    for identity, row, tokens in _tokens(table):
        named = _named(tokens, lengths, holders)
        counts = Counter(tokens) if named else Counter[str]()
        scores: defaultdict[int, float] = defaultdict(float)
        for name in named:
            score = weights.bm25(name, counts, len(tokens))
            for number in holders[name]:
                scores[number] += score
        for number, score in scores.items():
            about = score + FACT_WEIGHT * weights.bm25(facts[number], counts, len(tokens))
            best[number].append(place(about, identity, row))
            if len(best[number]) > COMMON:
                del best[number]
                for name in asked[pairs[number]].names:
                    holders[name].remove(number)
    return {pairs[number]: [row for *_, row in sorted(some)[:k]] for number, some in best.items()}


def _tokens(table: Any) -> Iterator[tuple[str, int, list[str]]]:
    """Id, row number and words of each document."""
    for batch in _batches(table, ["id", "words"]):
        identities, rows, lines = (batch[name].to_pylist() for name in ("id", "_rowid", "words"))
        yield from zip(identities, rows, map(str.split, lines), strict=True)


def _named(
    tokens: Sequence[str], lengths: Mapping[str, Iterable[int]], holders: Mapping[tuple[str, ...], Any]
) -> list[tuple[str, ...]]:
    """The names that stand in a text, each once."""
    found = {
        name: None
        for at, word in enumerate(tokens)
        if word in lengths
        for n in lengths[word]
        if (name := tuple(tokens[at : at + n])) in holders
    }
    return list(found)


def _documents(table: Any, rows: Collection[int]) -> dict[int, Document]:
    """Documents by the numbers of their rows."""
    wanted = np.unique(np.fromiter(rows, dtype=np.uint64, count=len(rows)))
    found: dict[int, Document] = {}
    for batch in _batches(table, FIELDS) if len(wanted) else ():
        kept = batch.take(np.flatnonzero(np.isin(batch["_rowid"].to_numpy(), wanted)))
        found |= {row["_rowid"]: document(row) for row in kept.to_pylist()}
    return found


def _characters(table: Any) -> float:
    """How many characters all documents have, by the first of them."""
    first = next(_batches(table, ["words"], LOOKED_AT))["words"].to_pylist()
    n: int = table.count_rows()
    return n * sum(map(len, first)) / max(1, len(first))


def _batches(table: Any, columns: Sequence[str], most: int | None = None) -> Iterator[Any]:
    """All rows, or so many, some at a time, with their numbers."""
    query = table.search().select(list(columns)).with_row_id(True).limit(most or max(1, table.count_rows()))
    return iter(query.to_batches(AT_ONCE))

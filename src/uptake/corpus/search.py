"""Search documents by entity and fact: BM25, and embeddings where the index has them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import read_json
from uptake.corpus.table import FIELDS, TABLE, Encoder, connect, making
from uptake.corpus.text import words
from uptake.errors import UptakeError
from uptake.types import Document

FUSION = 60
"""The constant of reciprocal rank fusion, as in its paper."""
DEEPER = 5
"""Each ranking is read so many times deeper than what is wanted, so that fusion and filter have something to choose."""
FACT_WEIGHT = 8.0
"""BM25 of the fact's words counts so many times that of the name: how often a passage names somebody says little about
whether it tells the fact. Weights of 1 to 30 are compared in `benchmarks/NOTES.md`."""
MOST_WORDS = 64
"""Different words of a fact that are searched for: a long response would ask for half of the index."""
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is open for searching; `encoder` must be the one that it was made with."""

    table: Any
    encoder: Encoder | None = None


def open_index(folder: Path, encoder: Encoder | None = None) -> Index:
    """Opens what `index` made.

    Raises:
        UptakeError: There is no finished index, or it was made with another encoder.
    """
    if not (folder / "manifest.json").exists():
        raise UptakeError(f"no index in {folder}", fix="index the corpus first")
    manifest = read_json(folder / "manifest.json")
    if not isinstance(manifest, dict) or not manifest.get("searchable"):
        raise UptakeError(f"the index in {folder} is not finished", fix="index the corpus again: it goes on")
    if encoder is not None and manifest.get("encoder") != encoder.name:
        raise UptakeError(
            f"the index in {folder} was made with the encoder {manifest.get('encoder')}",
            expected=encoder.name,
            fix="index the corpus again with this one",
        )
    with making(folder):
        return Index(connect(folder).open_table(TABLE), encoder)


def search(found: Index, entity: str, fact: str = "", k: int = 20) -> list[Document]:
    """The documents that name an entity, those first that speak of the fact.

    By words, a document must hold the entity's name as a phrase, in title or text (a qualifier in brackets at its end
    may be missing); BM25 of the name's and the fact's words gives the order. By vectors, the nearest to name and fact
    together, of which those stay that hold every word of the name. The two are joined by reciprocal rank fusion, the
    sum of 1 / (60 + rank) (Cormack, Clarke and Buettcher, SIGIR 2009).

    Args:
        found: Where to search.
        entity: A name.
        fact: Any words about it: a question, a statement, an answer; "" for none.
        k: How many documents at most.

    Returns:
        Up to `k` documents, best first; the same on every call. None when the name has no word.
    """
    names = spellings(entity)
    if not names or k < 1:
        return []
    rankings = [_by_words(found, names, fact_words(fact), DEEPER * k if found.encoder else k)]
    if found.encoder is not None:
        rankings.append(_by_vector(found, names, f"{entity}: {fact}" if fact else entity, DEEPER * k))
    if len(rankings) == 1:
        return [document(row) for row in rankings[0]]
    scores: defaultdict[int, float] = defaultdict(float)
    rows: dict[int, dict[str, Any]] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row["_rowid"]] += 1 / (FUSION + rank)
            rows[row["_rowid"]] = row
    order = sorted(rows, key=lambda number: (-scores[number], rows[number]["id"], number))
    return [document(rows[number]) for number in order[:k]]


def spellings(entity: str) -> list[list[str]]:
    """The words of a name, and of the name without the qualifier at its end; none where it has no word."""
    return [found for name in dict.fromkeys((entity, _IN_BRACKETS.sub("", entity))) if (found := words(name))]


def fact_words(fact: str) -> list[str]:
    """The words of a fact that are searched for, each once."""
    return list(dict.fromkeys(words(fact)))[:MOST_WORDS]


def place(score: float, identity: str, row: int) -> tuple[float, str, int]:
    """What documents are ordered by: scores, but for the last digits of a sum, then ids."""
    return -round(score, 3), identity, row


def _by_words(found: Index, names: Sequence[list[str]], fact: list[str], n: int) -> list[dict[str, Any]]:
    from lancedb.query import BooleanQuery, MatchQuery, Occur, PhraseQuery

    def phrase(name: list[str]) -> Any:
        # a phrase of one word is that word
        return PhraseQuery(" ".join(name), "words") if len(name) > 1 else MatchQuery(name[0], "words")

    named = [phrase(name) for name in names]
    must = named[0] if len(named) == 1 else BooleanQuery([(Occur.SHOULD, each) for each in named])
    clauses = [(Occur.MUST, must)]
    if fact:
        clauses.append((Occur.SHOULD, MatchQuery(" ".join(fact), "words", boost=FACT_WEIGHT)))
    query = found.table.search(BooleanQuery(clauses), query_type="fts")
    # of documents with one score the index takes any: the first by id are among twice as many
    rows = query.limit(2 * n).with_row_id(True).select([*FIELDS, "_score"]).to_list()
    return sorted(rows, key=lambda row: place(row["_score"], row["id"], row["_rowid"]))[:n]


def _by_vector(found: Index, names: Sequence[list[str]], text: str, n: int) -> list[dict[str, Any]]:
    assert found.encoder is not None
    query = found.table.search(found.encoder.encode([text])[0], vector_column_name="vector").distance_type("cosine")
    rows = query.limit(n).with_row_id(True).select([*FIELDS, "words", "_distance"]).to_list()
    wanted = [frozenset(name) for name in names]
    kept = [row for row in rows if any(name <= frozenset(row["words"].split()) for name in wanted)]
    return sorted(kept, key=lambda row: (row["_distance"], row["id"], row["_rowid"]))


def document(row: dict[str, Any]) -> Document:
    """A row of the index as a document."""
    return Document(**{name: row[name] for name in FIELDS})

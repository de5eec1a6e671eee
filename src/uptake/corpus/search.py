"""Search documents by entity and fact: BM25."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.later import INDEX
from uptake.corpus.table import FIELDS, TABLE, connect, making
from uptake.corpus.text import words
from uptake.errors import UptakeError
from uptake.types import Document

FACT_WEIGHT = 8.0
"""BM25 of the fact's words counts so many times that of the name: how often a passage names somebody says little about
whether it tells the fact. Weights of 1 to 30 are compared in `benchmarks/NOTES.md`."""
MOST_WORDS = 64
"""Different words of a fact that are searched for: a long response would ask for half of the index."""
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is open for searching."""

    table: Any


def open_index(folder: Path) -> Index:
    """Opens what `index` made.

    Raises:
        UptakeError: There is no finished index.
    """
    if not (folder / "manifest.json").exists():
        raise UptakeError(f"no index in {folder}", fix="index the corpus first")
    again = "index the corpus again: it resumes"
    if not read_record(folder / "manifest.json", INDEX, again).searchable:
        raise UptakeError(f"the index in {folder} is not finished", fix=again)
    with making(folder):
        return Index(connect(folder).open_table(TABLE))


def search(found: Index, entity: str, fact: str = "", k: int = 20) -> list[Document]:
    """The documents that name an entity, those first that speak of the fact.

    A document must hold the entity's name as a phrase, in title or text (a qualifier in brackets at its end may be
    missing); BM25 of the name's and the fact's words gives the order.

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
    return [document(row) for row in _by_words(found, names, fact_words(fact), k)]


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


def document(row: dict[str, Any]) -> Document:
    """A row of the index as a document."""
    return Document(**{name: row[name] for name in FIELDS})

"""The user's own corpus as a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uptake.corpus.at_once import search_all
from uptake.corpus.search import Index, search
from uptake.types import Document


@dataclass(frozen=True, slots=True)
class LocalCorpus:
    """An index that `uptake.corpus.index` made."""

    index: Index
    name: str = "corpus"

    def search(self, entity: str, fact: str, k: int) -> list[Document]:
        """As `uptake.corpus.search`."""
        return search(self.index, entity, fact, k)

    def search_all(self, asked: Sequence[tuple[str, str]], k: int) -> list[list[Document]]:
        """As `uptake.corpus.at_once.search_all`."""
        return search_all(self.index, asked, k)

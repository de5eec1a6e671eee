"""Background knowledge: documents indexed and searched, sources behind one Protocol, and what may not be in them."""

from __future__ import annotations

from uptake.corpus.gather import DocumentNeed, Found, Gathered, Missing, gather
from uptake.corpus.index import Indexed, index
from uptake.corpus.leaks import Guard, Leak, guard
from uptake.corpus.search import Index, open_index, search
from uptake.corpus.sources import KnowledgeSource, LocalCorpus, SourceError, open_sources
from uptake.corpus.support import About, states

__all__ = [
    "About",
    "Found",
    "Gathered",
    "Guard",
    "Index",
    "Indexed",
    "KnowledgeSource",
    "Leak",
    "LocalCorpus",
    "Missing",
    "DocumentNeed",
    "SourceError",
    "gather",
    "guard",
    "index",
    "open_index",
    "open_sources",
    "search",
    "states",
]

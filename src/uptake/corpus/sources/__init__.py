"""Where background knowledge comes from: `SOURCES` names what the run file's `knowledge_sources` may hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uptake.config.schema import LLMKnowledge, SearXNGKnowledge, WikidataKnowledge
from uptake.corpus.sources.llm import LanguageModelSource, Write
from uptake.corpus.sources.local import LocalCorpus
from uptake.corpus.sources.scanned import ScannedCorpus
from uptake.corpus.sources.searxng import SearXNG
from uptake.corpus.sources.source import AskedAtOnce, KnowledgeSource, SourceError
from uptake.corpus.sources.wikidata import Wikidata

Section = WikidataKnowledge | SearXNGKnowledge | LLMKnowledge

SOURCES: dict[str, Callable[[Any, Path], KnowledgeSource]] = {
    "wikidata": Wikidata.open,
    "searxng": SearXNG.open,
}
"""Sources that are reached over HTTP by us; a language model is reached by whoever knows how (see `open_sources`)."""


def open_sources(
    sections: Sequence[Section], cache: Path, writer: Callable[[LLMKnowledge], Write] | None = None
) -> tuple[KnowledgeSource, ...]:
    """The sources that a run file names, in its order.

    Args:
        sections: The run file's `knowledge_sources`.
        cache: A folder; answers are kept below it, so that nothing is asked twice.
        writer: Makes of the section of a language model the function that asks it; needed if there is one.

    Raises:
        UptakeError: An environment variable that should hold a key is not set.
    """
    opened: list[KnowledgeSource] = []
    for section in sections:
        if isinstance(section, LLMKnowledge):
            if writer is None:
                raise ValueError("a language model is among the sources, but no function to ask it was given")
            opened.append(LanguageModelSource.open(section, cache, writer(section)))
        else:
            opened.append(SOURCES[section.kind](section, cache))
    return tuple(opened)


__all__ = [
    "SOURCES",
    "AskedAtOnce",
    "KnowledgeSource",
    "LanguageModelSource",
    "LocalCorpus",
    "ScannedCorpus",
    "SearXNG",
    "SourceError",
    "Wikidata",
    "Write",
    "open_sources",
]

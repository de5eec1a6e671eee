"""A language model as a source: what it writes about an entity, which may be made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from uptake.config.schema import LLMKnowledge
from uptake.corpus.sources.source import SourceError
from uptake.corpus.sources.web import Cache, RequestPace
from uptake.corpus.text import spaced
from uptake.types import Document

Write: TypeAlias = Callable[[str, str, int], Sequence[str]]
"""Entity, fact and number to so many texts about the entity, such as a partial `uptake.models.served.background`."""


@dataclass(frozen=True, slots=True)
class LanguageModelSource:
    """A language model.

    Attributes:
        write: Asks it.
        model: Its name, the source of its documents.
        base_url: Its server.
        cache: Where answers are kept.
        pace: How often it is asked.
    """

    write: Write
    model: str
    base_url: str
    cache: Cache
    pace: RequestPace
    name: str = "llm"

    @classmethod
    def open(cls, section: LLMKnowledge, cache: Path, write: Write) -> LanguageModelSource:
        """As the run file says; `write` asks the model that it names."""
        pace = RequestPace(section.requests_per_second)
        return cls(write, section.model, section.base_url, Cache(cache / "llm"), pace)

    def search(self, entity: str, fact: str, k: int) -> list[Document]:
        """Texts that name the entity, as the model wrote them; their licence is not known.

        Raises:
            UptakeError: It cannot be asked.
        """
        asked = (self.base_url, self.model, entity, fact, k)
        texts = self.cache.get(*asked)
        if texts is None:
            self.pace.wait()
            texts = list(self.write(entity, fact, k))
            self.cache.put(texts, *asked)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise SourceError(f"the cache of {self.model} is damaged", fix=f"delete {self.cache.folder}")
        name = spaced(entity)
        named = [text.strip() for text in texts if name in spaced(text)]
        return [
            Document(f"{entity}#{number}", text, entity, self.model, self.base_url)
            for number, text in enumerate(dict.fromkeys(named[:k]), start=1)
        ]

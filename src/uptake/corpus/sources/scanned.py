"""What `uptake exposure` found in a pre-training corpus, as a source: passages that state what an example asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uptake.types import Document


@dataclass(frozen=True, slots=True)
class ScannedCorpus:
    """Passages of a scanned corpus.

    Attributes:
        stating: By the fact that is needed (see `DocumentNeed`), the passages that state it, best first.
    """

    stating: Mapping[str, tuple[Document, ...]]
    name: str = "exposure"

    def search(self, entity: str, fact: str, k: int) -> list[Document]:
        """As of `KnowledgeSource`; what is said of an entity beside the fact was not kept."""
        return list(self.stating.get(fact, ())[:k])

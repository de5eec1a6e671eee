"""What every source of background knowledge is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from uptake.errors import UptakeError
from uptake.types import Document


class SourceError(UptakeError):
    """A source could not be asked, or what it answered cannot be used."""


@runtime_checkable
class KnowledgeSource(Protocol):
    """Whoever can be asked for documents about an entity.

    Attributes:
        name: Tells it from other sources; stands in reports.
    """

    @property
    def name(self) -> str:
        """Its name."""

    def search(self, entity: str, fact: str, k: int) -> list[Document]:
        """Documents that name an entity, best first.

        Args:
            entity: A name.
            fact: Words of what is asked about it; "" for anything.
            k: How many at most.

        Raises:
            UptakeError: It cannot be asked. Knowing nothing is no error: then there are no documents.
        """
        ...


@runtime_checkable
class AskedAtOnce(KnowledgeSource, Protocol):
    """A source that answers many questions together in less time than one by one."""

    def search_all(self, asked: Sequence[tuple[str, str]], k: int) -> list[list[Document]]:
        """For each of many entities and facts what `search` finds; raises as it does."""
        ...

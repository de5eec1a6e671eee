"""Wikidata (https://www.wikidata.org/w/api.php): the item that a name means, and what is stated about it. CC0."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from uptake.artifacts import chunks
from uptake.config.schema import WikidataKnowledge
from uptake.corpus.sources.settings import web
from uptake.corpus.sources.source import SourceError
from uptake.corpus.sources.statements import Statement, sentence, statements
from uptake.corpus.sources.web import ServerBusy, Web
from uptake.corpus.text import spaced, words
from uptake.types import Document

LICENSE = "CC0-1.0"
NAMESAKES = 7
"""Items of one name that are looked at."""
AT_ONCE = 50
"""Items that the API gives in one answer."""
SENTENCES_EACH = 6
"""Sentences of a document: one subject, and no more than a passage."""
_BUSY = ("maxlag", "ratelimited", "readonly", "internal_api_error_DBQueryTimeoutError")


@dataclass(frozen=True, slots=True)
class Wikidata:
    """Wikidata's public API."""

    web: Web
    language: str = "en"
    name: str = "wikidata"

    @classmethod
    def open(cls, section: WikidataKnowledge, cache: Path) -> Wikidata:
        """As the run file says."""
        return cls(web(section, "/w/api.php", cache / "wikidata"), section.language)

    def search(self, entity: str, fact: str, k: int) -> list[Document]:
        """What is stated about the item of that name, in documents of a few sentences, those on the fact first.

        Of several items of one name the one is taken whose statements share most words with the fact; of equals the
        first in Wikidata's order. Only the name is sent, never the fact.

        Raises:
            SourceError: The API cannot be asked.
        """
        found = self._get({"action": "wbsearchentities", "search": entity, "type": "item", "limit": str(NAMESAKES)})
        hits = found.get("search")
        name = spaced(entity)
        ids = [hit["id"] for hit in hits if _means(hit, name)] if isinstance(hits, list) else []
        if not ids:
            return []
        items = self._items(ids, "labels|descriptions|claims")
        stated = {each: list(statements(items[each])) for each in ids if each in items}
        labels = self._labels(itertools.chain.from_iterable(stated.values()))
        about = frozenset(words(fact)) - frozenset(words(entity))
        told = [
            (each, _told(_subject(items[each], entity, self.language), stated[each], labels, about)) for each in stated
        ]
        if not told:
            return []
        # max takes the first of equals, which is the first in Wikidata's order
        best, sentences = max(told, key=lambda each: _shared(about, " ".join(each[1])))
        subject = _subject(items[best], entity, self.language)
        # what tells who this is comes second, behind what was asked for
        sentences[1:1] = _introduced(subject, items[best], self.language)
        where = f"{self.web.url.partition('/w/')[0]}/wiki/{best}"
        return [
            Document(f"{best}#{number}", " ".join(some), subject, self.name, where, LICENSE)
            for number, some in enumerate(islice(chunks(sentences, SENTENCES_EACH), k), start=1)
        ]

    def _labels(self, stated: Iterable[Statement]) -> dict[str, str]:
        ids = [each for said in stated for each in (said.property, said.item) if each is not None]
        items = self._items(list(dict.fromkeys(ids)), "labels")
        labels = {identifier: _text(item, "labels", self.language) for identifier, item in items.items()}
        return {identifier: label for identifier, label in labels.items() if label is not None}

    def _items(self, ids: list[str], props: str) -> dict[str, dict[str, Any]]:
        items: dict[str, dict[str, Any]] = {}
        # sorted: the same items are the same question to the cache
        for some in chunks(sorted(ids), AT_ONCE):
            request = {"action": "wbgetentities", "ids": "|".join(some), "props": props}
            answer = self._get({**request, "languages": self.language, "languagefallback": "1"})
            entities = answer.get("entities")
            if not isinstance(entities, dict):
                raise SourceError(f"{self.web.url} answered without `entities`")
            items |= {name: item for name, item in entities.items() if isinstance(item, dict) and "missing" not in item}
        return items

    def _get(self, request: dict[str, str]) -> dict[str, Any]:
        if request["action"] == "wbsearchentities":
            request |= {"language": self.language, "uselang": self.language}
        answer: dict[str, Any] = self.web.get({**request, "format": "json"}, _checker(self.web.url))
        return answer


def _subject(item: dict[str, Any], entity: str, language: str) -> str:
    """The item's label where it is the name that was asked for; else that name, under which the item was found."""
    label = _text(item, "labels", language)
    return label if label is not None and spaced(label) == spaced(entity) else entity


def _told(subject: str, stated: list[Statement], labels: dict[str, str], about: frozenset[str]) -> list[str]:
    """What is stated, as different sentences, those first that share most words with a fact."""
    told = dict.fromkeys(each for said in stated if (each := sentence(subject, said, labels)) is not None)
    return sorted(told, key=lambda each: -_shared(about, each))


def _introduced(subject: str, item: dict[str, Any], language: str) -> list[str]:
    """An item's other name and its description."""
    label, description = _text(item, "labels", language), _text(item, "descriptions", language)
    said = [f"{subject} is also known as {label}."] if label is not None and label != subject else []
    return [*said, f"{subject}: {description}."] if description is not None else said


def _shared(about: frozenset[str], text: str) -> int:
    return len(about & frozenset(words(text)))


def _checker(url: str) -> Callable[[Any], None]:
    def check(answer: Any) -> None:
        if not isinstance(answer, dict):
            raise SourceError(f"{url} answered with something other than a JSON object", expected="the MediaWiki API")
        error = answer.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        if code in _BUSY:
            raise ServerBusy(f"it is too busy ({code})")
        if error is not None:
            raise SourceError(f"{url} refused the request ({str(code)[:60]})")

    return check


def _means(hit: Any, name: str) -> bool:
    """Whether a hit's label, or the alias by which it was found, is the name itself and not only begins like it."""
    if not isinstance(hit, dict) or not isinstance(hit.get("id"), str):
        return False
    match = hit.get("match")
    said = (hit.get("label"), match.get("text") if isinstance(match, dict) else None)
    return any(isinstance(each, str) and spaced(each) == name for each in said)


def _text(item: dict[str, Any], key: str, language: str) -> str | None:
    """A label or description; the API puts what it falls back to under the language that was asked for."""
    texts = item.get(key)
    found = texts.get(language) if isinstance(texts, dict) else None
    value = found.get("value") if isinstance(found, dict) else None
    return value.strip() or None if isinstance(value, str) else None

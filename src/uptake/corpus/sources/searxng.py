"""Web search by SearXNG (https://docs.searxng.org/dev/search_api.html), which anybody can host.

Nothing but the engines' own excerpts is taken: no page is fetched. Names and facts leave the machine, for whatever
engines the server asks.
"""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.config.schema import SearXNGKnowledge
from uptake.corpus.sources.settings import web
from uptake.corpus.sources.source import SourceError
from uptake.corpus.sources.web import ServerBusy, Web
from uptake.corpus.text import spaced
from uptake.types import Document


@dataclass(frozen=True, slots=True)
class SearXNG:
    """A SearXNG server."""

    web: Web
    language: str = "en"
    name: str = "searxng"

    @classmethod
    def open(cls, section: SearXNGKnowledge, cache: Path) -> SearXNG:
        """As the run file says."""
        return cls(web(section, "/search", cache / "searxng"), section.language)

    def search(self, entity: str, fact: str, k: int) -> list[Document]:
        """The excerpts that name the entity, in the server's order, infoboxes first.

        Each has the host of its page as its source; the licence of an excerpt is not known.

        Raises:
            SourceError: The server cannot be asked; 403 is how it refuses JSON when its settings do not allow it.
        """
        query = f'"{entity}" {fact}'.strip() if '"' not in entity else f"{entity} {fact}".strip()
        try:
            answer = self.web.get({"q": query, "format": "json", "language": self.language}, _check)
        except SourceError as error:
            if error.problem.endswith("HTTP 403"):
                raise SourceError(
                    error.problem, fix="allow JSON in the server's settings.yml: `search: {formats: [html, json]}`"
                ) from None
            raise
        found = [*map(_infobox, answer.get("infoboxes") or []), *map(_result, answer["results"])]
        name = spaced(entity)
        named = [each for each in found if each is not None and name in spaced(f"{each.title}\n{each.text}")]
        return list({document.where or document.text: document for document in reversed(named)}.values())[::-1][:k]


def _check(answer: Any) -> None:
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise SourceError("the answer is no SearXNG result list", expected="a JSON object with `results`")
    silent = answer.get("unresponsive_engines")
    if not answer["results"] and not answer.get("infoboxes") and isinstance(silent, list) and silent:
        # an empty answer because nobody was asked would be kept as if nothing were known
        raise ServerBusy(f"none of its search engines answered ({len(silent)} failed)")


def _result(row: Any) -> Document | None:
    if not isinstance(row, dict):
        return None
    return _document(row.get("url"), row.get("title"), row.get("content"))


def _infobox(row: Any) -> Document | None:
    if not isinstance(row, dict):
        return None
    said = [row.get("content")]
    for item in row.get("attributes") or []:
        if isinstance(item, dict) and isinstance(item.get("label"), str) and isinstance(item.get("value"), str):
            said.append(f"{item['label'].rstrip(':')}: {item['value']}.")
    return _document(row.get("id"), row.get("infobox"), " ".join(each for each in said if isinstance(each, str)))


def _document(url: Any, title: Any, content: Any) -> Document | None:
    if not isinstance(content, str) or not content.strip():
        return None
    address = url if isinstance(url, str) else ""
    try:
        host = urllib.parse.urlsplit(address).hostname or "web"
    except ValueError:
        host = "web"
    return Document(
        address or content[:80], content.strip(), title.strip() if isinstance(title, str) else "", host, address
    )

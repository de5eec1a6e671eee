"""Documents as rows: whole, or in passages of whole sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from uptake.prescribe.material import Count
from uptake.types import Document

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")

FEWEST = 2
"""Tokens of a passage, its end included: the first is predicted from nothing, so that one alone teaches nothing."""

_LEEWAY = 0.85
"""Sentences differ in tokens a character: so much of a passage is filled by its share of characters."""


@dataclass(frozen=True)
class DocumentPassages:
    """The passages of documents.

    Attributes:
        of: By the id of a document, its passages; a document that is whole is one.
        tokens: By the id of a passage, its tokens.
        too_short: How many passages were dropped because nothing of them can be learned.
    """

    of: dict[str, list[Document]]
    tokens: dict[str, int]
    too_short: int = 0


def passages(documents: Iterable[Document], count: Count, longest: int | None, limit: int | None) -> DocumentPassages:
    """Cut documents between sentences into passages, and count what each has.

    A passage that does not name what its document is about has the title before it. One of which nothing can be learned
    is dropped. The tokenizer is called twice.

    Args:
        documents: With ids that tell them apart.
        count: Counts tokens.
        longest: Tokens of a passage, about; a single sentence may have more.
        limit: Tokens of a row: what a passage has beyond them is not read.
    """
    whole = list({one.id: one for one in documents}.values())
    of: dict[str, list[Document]] = {}
    for document, n in zip(whole, count([one.text for one in whole]), strict=True):
        parts = [document.text] if longest is None or n <= longest else _cut(document.text, n, longest)
        names = [document.id] if len(parts) == 1 else [f"{document.id}#{k}" for k in range(1, len(parts) + 1)]
        of[document.id] = [
            _passage(document, name, _titled(document.title, part)) for name, part in zip(names, parts, strict=True)
        ]
    found = [passage for one in whole for passage in of[one.id]]
    lengths = count([passage.text for passage in found])
    tokens = {
        one.id: n if limit is None else min(n, limit) for one, n in zip(found, lengths, strict=True) if n >= FEWEST
    }
    of = {name: [one for one in some if one.id in tokens] for name, some in of.items()}
    return DocumentPassages(of, tokens, len(found) - len(tokens))


def _passage(document: Document, name: str, text: str) -> Document:
    if (name, text) == (document.id, document.text):
        return document
    return replace(document, id=name, text=text)


def _titled(title: str, text: str) -> str:
    return text if not title or title.casefold() in text.casefold() else f"{title}\n\n{text}"


def _cut(text: str, tokens: int, longest: int) -> Sequence[str]:
    most = len(text) * longest / tokens * _LEEWAY
    parts = [""]
    for sentence in filter(None, (part.strip() for part in _SENTENCE_END.split(text))):
        if parts[-1] and len(parts[-1]) + 1 + len(sentence) > most:
            parts.append("")
        parts[-1] = f"{parts[-1]} {sentence}".strip()
    return parts

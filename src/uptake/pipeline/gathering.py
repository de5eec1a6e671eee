"""Documents for examples: what is asked for, what comes back, and the search of a plain file of documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from uptake.data.files import find_files
from uptake.data.readers import Row
from uptake.types import Document

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An example that documents are wanted for.

    Attributes:
        id: The example's id.
        entities: What it is about, as it is written in its question.
        question: What it asks.
        response: What it should be answered.
    """

    id: str
    entities: tuple[str, ...]
    question: str
    response: str


@dataclass(frozen=True)
class Gathered:
    """Documents by the id of the example that they are for, and for the others why there are none."""

    documents: Mapping[str, tuple[Document, ...]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


Gather: TypeAlias = Callable[[Sequence[Wanted]], Gathered]


def from_file(corpus: str, most: int) -> Gather:
    """A search of a file of documents for the names of examples: those that hold one, as it is written.

    Args:
        corpus: A data set of rows `{id, text, title, source}`.
        most: Documents of an example at most.
    """

    def gather(wanted: Sequence[Wanted]) -> Gathered:
        documents = list(_documents(corpus))
        index: dict[str, list[int]] = {}
        for number, document in enumerate(documents):
            for word in dict.fromkeys(_WORD.findall(f"{document.title} {document.text}".casefold())):
                index.setdefault(word, []).append(number)
        found: dict[str, tuple[Document, ...]] = {}
        missing: dict[str, str] = {}
        for one in wanted:
            places = dict.fromkeys(place for name in one.entities for place in _holding(name, documents, index))
            if places:
                found[one.id] = tuple(documents[place] for place in places)[: 2 * most]
            else:
                named = ", ".join(one.entities) or "its question, which names nothing"
                missing[one.id] = f"the corpus holds nothing about {named}"
        return Gathered(found, missing)

    return gather


def _documents(corpus: str) -> Iterator[Document]:
    for file in find_files(corpus, "train"):
        for row in file.rows():
            if isinstance(row, Row) and isinstance(text := row.values.get("text"), str):
                values = row.values
                yield Document(
                    id=str(values.get("id", row.line)),
                    text=text,
                    title=str(values.get("title") or ""),
                    source=str(values.get("source") or file.source),
                    where=f"{Path(file.name).name}:{row.line}",
                )


def _holding(name: str, documents: Sequence[Document], index: Mapping[str, list[int]]) -> list[int]:
    words = _WORD.findall(name.casefold())
    if not words:
        return []
    places = min((index.get(word, []) for word in words), key=len)
    plain = name.casefold()
    return [place for place in places if plain in f"{documents[place].title}\n{documents[place].text}".casefold()]

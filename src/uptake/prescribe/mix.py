"""The texts of continued pre-training: documents of the remedies, as many as the budget allows, among general text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from uptake.prescribe.material import Count, Material
from uptake.remedies import document_key, states
from uptake.types import Document, Edit

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


@dataclass
class Reading:
    """Documents that are read, while they are chosen.

    Attributes:
        texts: What is read, in the order of choice, by id.
        tokens: How many tokens they have.
        of: For each edit, the tokens that came in for it alone.
        held: For each edit, how many texts of its own are read, whoever they came in for.
        left_out: Texts that the budget has no room for.
    """

    texts: dict[str, Document]
    tokens: int
    of: list[int]
    held: list[int]
    left_out: int = 0


def choose(edits: Sequence[Edit], responses: Mapping[str, str], material: Material, room: int) -> Reading:
    """Choose what is read: the best text of each edit, then the second best of each, until the budget is spent.

    A text is a document, or a piece of one that is longer than a row. Texts that state a response come first.

    Args:
        edits: Those that read documents, the most urgent first.
        responses: The response of each example.
        material: Holds the documents.
        room: Tokens that may be read.
    """
    documents = {key: one for found in material.documents.values() for key, one in _keyed(found)}
    cut = _Pieces(material.count, material.limit)
    cut.learn(documents[key] for edit in edits for key in edit.documents)
    queues = [_in_order(edit, documents, responses[edit.examples[0]], cut) for edit in edits]
    reading = Reading({}, 0, [0] * len(edits), [0] * len(edits))
    for rank in range(max(map(len, queues), default=0)):
        for number, queue in enumerate(queues):
            if rank >= len(queue):
                continue
            text = queue[rank]
            if text.id in reading.texts:
                reading.held[number] += 1
            elif reading.tokens + cut.tokens[text.id] > room:
                reading.left_out += 1
            else:
                reading.texts[text.id] = text
                reading.tokens += cut.tokens[text.id]
                reading.of[number] += cut.tokens[text.id]
                reading.held[number] += 1
    return reading


def _keyed(documents: Iterable[Document]) -> Iterator[tuple[str, Document]]:
    return ((document_key(one), replace(one, id=document_key(one))) for one in documents)


def _in_order(edit: Edit, documents: Mapping[str, Document], response: str, cut: _Pieces) -> list[Document]:
    pieces = [piece for key in edit.documents for piece in cut(documents[key])]
    telling = [states(piece.text, response) for piece in pieces]
    return [one for one, yes in zip(pieces, telling, strict=True) if yes] + [
        one for one, yes in zip(pieces, telling, strict=True) if not yes
    ]


class _Pieces:
    """Documents as rows: whole, or cut between sentences where they are longer than a row."""

    def __init__(self, count: Count, limit: int | None) -> None:
        self._count, self._limit = count, limit
        self._of: dict[str, list[Document]] = {}
        self.tokens: dict[str, int] = {}

    def learn(self, documents: Iterable[Document]) -> None:
        """Cut and count documents, all in one call of the tokenizer for each of the two."""
        new = list({one.id: one for one in documents if one.id not in self._of}.values())
        texts = [_text(one) for one in new]
        for document, text, n in zip(new, texts, self._count(texts), strict=True):
            parts = [text] if self._limit is None or n <= self._limit else _cut(text, n, self._limit)
            names = [document.id] if len(parts) == 1 else [f"{document.id}#{k}" for k in range(1, len(parts) + 1)]
            self._of[document.id] = [
                replace(document, id=name, text=part) for name, part in zip(names, parts, strict=True)
            ]
        pieces = [piece for one in new for piece in self._of[one.id]]
        for piece, n in zip(pieces, self._count([piece.text for piece in pieces]), strict=True):
            self.tokens[piece.id] = n if self._limit is None else min(n, self._limit)

    def __call__(self, document: Document) -> list[Document]:
        return self._of[document.id]


def _text(document: Document) -> str:
    """What is read of a document: its title too, where the text does not name what it is about."""
    if not document.title or document.title.casefold() in document.text.casefold():
        return document.text
    return f"{document.title}\n\n{document.text}"


def _cut(text: str, tokens: int, limit: int) -> list[str]:
    """A text in pieces of whole sentences that have about as many characters each, and fit by their share of tokens."""
    most = len(text) * limit / tokens * 0.85  # sentences differ in tokens a character
    pieces = [""]
    for sentence in filter(None, (part.strip() for part in _SENTENCE_END.split(text))):
        if pieces[-1] and len(pieces[-1]) + 1 + len(sentence) > most:
            pieces.append("")
        pieces[-1] = f"{pieces[-1]} {sentence}".strip()
    return pieces


def mixed(reading: Reading, material: Material, wanted: int, seed: int) -> tuple[list[Document], int]:
    """The documents among general text, in the order in which all of it is read.

    Args:
        reading: The documents.
        material: Holds the general text; where it is less than is needed it is read again.
        wanted: Tokens of general text.
        seed: Of the shuffling.

    Returns:
        The texts, and how many tokens of general text are among them.
    """
    draw = random.Random(seed)
    texts = list(reading.texts.values())
    general: list[Document] = []
    tokens = 0
    lengths = material.count([one.text for one in material.general]) if wanted else []
    while tokens < wanted:
        before, order = len(general), list(range(len(lengths)))
        draw.shuffle(order)
        for place in order:
            if tokens + lengths[place] <= wanted:
                general.append(material.general[place])
                tokens += lengths[place]
        if len(general) == before:
            break
    texts += general
    draw.shuffle(texts)
    return texts, tokens

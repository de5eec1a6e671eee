"""The texts of continued pre-training: documents of the remedies, as many as the budget allows, among general text."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from uptake.prescribe.material import Count, Material
from uptake.prescribe.passages import Passages, passages
from uptake.remedies import document_key, states
from uptake.types import Document, Edit

SENTENCE = 16
"""Tokens of a passage where there is no room for whole documents: about a sentence."""


@dataclass
class Reading:
    """What is read, while it is chosen.

    Attributes:
        texts: The passages, in the order of choice, by id.
        tokens: How many tokens they have.
        of: For each edit, the tokens that came in for it alone.
        held: For each edit, how many passages of its own are read, whoever they came in for.
        left_out: Passages that the budget has no room for.
    """

    texts: dict[str, Document]
    tokens: int
    of: list[int]
    held: list[int]
    left_out: int = 0


def choose(
    edits: Sequence[Edit], responses: Mapping[str, str], material: Material, room: int, *, sentences: bool = False
) -> Reading:
    """Choose what is read: the best passage of each edit, then the second best of each, until the budget is spent.

    Passages that state the response come first. Documents are read whole where there is room for all that state one;
    else sentence by sentence, for a fact is learned from several statements of it rather than from one long text
    (benchmarks/NOTES.md).

    Args:
        edits: Those that read documents, the most urgent first.
        responses: The response of each example.
        material: Holds the documents.
        room: Tokens that may be read.
        sentences: Read sentence by sentence even where there is room for whole documents.
    """
    documents = {document_key(one): one for found in material.documents.values() for one in found}
    asked = list(dict.fromkeys(key for edit in edits for key in edit.documents))
    wanted = [replace(documents[key], id=key) for key in asked]
    count = _once(material.count)
    cut = passages(wanted, count, material.limit, material.limit)
    queues = [_ranked(edit, responses[edit.examples[0]], cut) for edit in edits]
    if sentences or sum(cut.tokens[name] for name in {one.id: None for first, _ in queues for one in first}) > room:
        cut = passages(wanted, count, SENTENCE, material.limit)
        queues = [_ranked(edit, responses[edit.examples[0]], cut) for edit in edits]
    return _fitting([first + rest for first, rest in queues], cut, room)


def _once(count: Count) -> Count:
    """The same counts, with no text counted twice."""
    known: dict[str, int] = {}

    def counted(texts: Sequence[str]) -> list[int]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, count(new), strict=True))
        return [known[text] for text in texts]

    return counted


def _ranked(edit: Edit, response: str, cut: Passages) -> tuple[list[Document], list[Document]]:
    """The passages of an edit that state the response, and the others."""
    both: tuple[list[Document], list[Document]] = ([], [])
    for passage in (passage for key in edit.documents for passage in cut.of[key]):
        both[not states(passage.text, response)].append(passage)
    return both


def _fitting(queues: Sequence[Sequence[Document]], cut: Passages, room: int) -> Reading:
    reading = Reading({}, 0, [0] * len(queues), [0] * len(queues))
    for rank in range(max(map(len, queues), default=0)):
        for number, queue in enumerate(queues):
            if rank >= len(queue):
                continue
            passage, tokens = queue[rank], cut.tokens[queue[rank].id]
            if passage.id not in reading.texts:
                if reading.tokens + tokens > room:
                    reading.left_out += 1
                    continue
                reading.texts[passage.id] = passage
                reading.tokens += tokens
                reading.of[number] += tokens
            reading.held[number] += 1
    return reading


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
    lengths = [
        n if material.limit is None else min(n, material.limit)
        for n in (material.count([one.text for one in material.general]) if wanted else [])
    ]
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

"""The texts that are read: documents of the remedies, as many and as often as the budget allows, and general text."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from uptake.corpus.support import About
from uptake.prescribe.material import Count, Material, Terms
from uptake.prescribe.passages import DocumentPassages, passages
from uptake.prescribe.rows import open_ended, text_row
from uptake.probe import question
from uptake.remedies import asked_about, document_key, tells
from uptake.schedule import conflict_free
from uptake.types import Document, Edit, Example

SENTENCE = 16
"""Tokens of a passage where there is no room for whole documents: about a sentence."""

OPEN_ENDED_UNTIL = 2 / 3
"""Share of the rows that texts are read among, where prompts break off in a sentence."""


@dataclass
class TextReading:
    """What is read, while it is chosen.

    Attributes:
        texts: The passages, in the order of choice, by id.
        times: How often each is read.
        tokens: How many tokens that is.
        of: For each edit, the tokens that came in for it alone.
        held: For each edit, how many passages of its own are read, whoever they came in for.
        left_out: Passages that the budget has no room for.
        too_short: Passages of which nothing can be learned.
    """

    texts: dict[str, Document]
    times: Counter[str]
    tokens: int
    of: list[int]
    held: list[int]
    left_out: int = 0
    too_short: int = 0


def choose(
    edits: Sequence[Edit],
    responses: Mapping[str, str],
    material: Material,
    room: int,
    readings: int,
    *,
    sentences: bool = False,
) -> TextReading:
    """Choose what is read: the best passage of each edit, then the second best of each, until the budget is spent.

    Only passages that tell the response are read, again and again, up to so many times. Documents are read whole where
    there is room for all readings; else sentence by sentence, for a fact is learned from several readings of several
    statements rather than from one long text (benchmarks/NOTES.md). A document of which no sentence tells the response
    by itself is read whole.

    Args:
        edits: Those that read documents, the most urgent first.
        responses: The response of each example.
        material: Holds the documents.
        room: Tokens that may be read.
        sentences: Read sentence by sentence even where there is room for whole documents.
        readings: How often a passage that states a response is read at most.
    """
    documents = {document_key(one): one for found in material.documents.values() for one in found}
    asked = list(dict.fromkeys(key for edit in edits for key in edit.documents))
    wanted = [documents[key] if documents[key].id == key else replace(documents[key], id=key) for key in asked]
    count = _once(material.count)
    cut = passages(wanted, count, material.limit, material.limit)
    asking = {name: material.about.get(name) for edit in edits for name in edit.examples[:1]}
    about = {one.id: asking[one.id] or asked_about(question(one)) for one in material.examples if one.id in asking}

    def told(edit: Edit, cut: DocumentPassages) -> list[Document]:
        return _telling(edit, about[edit.examples[0]], responses[edit.examples[0]], cut)

    queues = [told(edit, cut) for edit in edits]
    tokens = dict(cut.tokens)
    once = sum(cut.tokens[name] for name in {one.id: None for queue in queues for one in queue})
    if sentences or readings * once > room:
        whole, cut = cut, passages(wanted, count, SENTENCE, material.limit)
        tokens |= cut.tokens
        queues = [
            queue if all(cut.of[key] == whole.of[key] for key in edit.documents) else told(edit, cut) or queue
            for edit, queue in zip(edits, queues, strict=True)
        ]
    return _fitting(queues, tokens, cut.too_short, room, readings)


def _once(count: Count) -> Count:
    """The same counts, with no text counted twice."""
    known: dict[str, int] = {}

    def counted(texts: Sequence[str]) -> list[int]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, count(new), strict=True))
        return [known[text] for text in texts]

    return counted


def _telling(edit: Edit, about: About, response: str, cut: DocumentPassages) -> list[Document]:
    """The passages of an edit that tell the response."""
    return [passage for key in edit.documents for passage in cut.of[key] if tells(passage, about, response)]


def _fitting(
    queues: Sequence[Sequence[Document]], tokens: Mapping[str, int], too_short: int, room: int, readings: int
) -> TextReading:
    reading = TextReading({}, Counter(), 0, [0] * len(queues), [0] * len(queues), too_short=too_short)
    for time in range(1, readings + 1):
        for rank in range(max(map(len, queues), default=0)):
            for number, queue in enumerate(queues):
                if rank < len(queue):
                    _take(reading, number, queue[rank], tokens[queue[rank].id], (time, room))
    return reading


def _take(reading: TextReading, number: int, passage: Document, tokens: int, at: tuple[int, int]) -> None:
    """Read a passage for an edit once more, if it was read once less than the time says and there is room."""
    time, room = at
    if reading.times[passage.id] == time - 1:
        if reading.tokens + tokens > room:
            reading.left_out += time == 1
            return
        reading.texts[passage.id] = passage
        reading.times[passage.id] += 1
        reading.tokens += tokens
        reading.of[number] += tokens
    reading.held[number] += time == 1 and passage.id in reading.texts


def mixed(reading: TextReading, material: Material, wanted: int, seed: int) -> tuple[list[Document], int]:
    """The documents among general text, in the order in which all of it is read.

    The readings of a passage are spread evenly, as is each pass of the general text.

    Args:
        reading: The documents.
        material: Holds the general text; where it is less than is needed it is read again.
        wanted: Tokens of general text.
        seed: Of the shuffling.

    Returns:
        The texts, and how many tokens of general text are among them.
    """
    draw = random.Random(seed)
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
    placed = [((number + draw.random()) / len(general), one) for number, one in enumerate(general)]
    for name, passage in reading.texts.items():
        times = reading.times[name]
        placed += [((number + draw.random()) / times, passage) for number in range(times)]
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])], tokens


def among(
    order: Sequence[int],
    texts: Sequence[Document],
    examples: Sequence[Example],
    apart: Sequence[tuple[int, int]],
    terms: Terms,
) -> list[Example]:
    """The rows of fine-tuning with texts spread evenly among them; no step holds what is to be apart, or a row twice.

    Where prompts break off in a sentence, the rows after `OPEN_ENDED_UNTIL` have no texts among them: they teach again
    where a response ends.

    Args:
        order: The rows of fine-tuning: places in `examples`.
        texts: What is read, in its order.
        examples: All examples.
        apart: Pairs of rows that never share a step.
        terms: Give step and seed.
    """
    known: dict[tuple[str, str], int] = {}
    read = [known.setdefault((one.source, one.id), len(examples) + len(known)) for one in texts]
    text = {number: text_row(one) for number, one in zip(read, texts, strict=True)}
    until = OPEN_ENDED_UNTIL if open_ended(examples) else 1.0
    placed = [
        (share * (k + 0.5) / len(some), row)
        for some, share in ((order, 1.0), (read, until))
        for k, row in enumerate(some)
    ]
    merged = [row for _, row in sorted(placed, key=lambda pair: pair[0])]
    fitting = conflict_free(merged, apart, terms.step, terms.seed)
    return [text[row] if row in text else examples[row] for row in fitting]

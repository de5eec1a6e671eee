"""The leak guard: no document may hand over a training item, a held-out wording or a retention question as it stands.

What states the same fact in other words is what background knowledge is for, and stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from uptake.corpus.text import shingles, words
from uptake.types import Document, Example, Prompt

SHINGLE = 3
"""Words of a shingle: runs of three hold the order of words, and leave the most of a short question countable."""
CONTAINED = 0.7
"""A document that holds the response and this share of the shingles of prompt and response is a copy.

Of copies with one word dropped or replaced, or with a label between question and answer, most are above it; statements
of the same facts in other words are below it (`benchmarks/corpus.py leaks` measures both).
"""
BETWEEN = 8
"""After a prompt word for word, a response within so many words is its answer, whatever label stands between them."""
FEWEST = 4
"""Items of fewer words in all are not guarded: any text would hold them."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A document that gives an item away.

    Attributes:
        document: The document.
        item: Id of the example whose wording it holds.
        contained: Share of the shingles of prompt and response that the document holds, in (0, 1].
    """

    document: Document
    item: str
    contained: float


@dataclass(frozen=True, slots=True)
class _Item:
    id: str
    prompt: tuple[str, ...]
    response: str
    shingles: int


@dataclass(frozen=True, slots=True)
class Guard:
    """Wordings to keep out of documents, found by the shingles that they share with a text."""

    items: tuple[_Item, ...]
    holders: dict[str, tuple[int, ...]]

    def leak(self, document: Document) -> Leak | None:
        """The item that a document gives away most plainly; None when there is none.

        A document gives an item away if it holds the response, and `CONTAINED` of the shingles of prompt and response
        or else the whole prompt with the response within `BETWEEN` words after it. Case, accents and punctuation do not
        count.
        """
        text = words(f"{document.title}\n{document.text}")
        line = f" {' '.join(text)} "
        shared: defaultdict[int, int] = defaultdict(int)
        for shingle in dict.fromkeys(shingles(text, SHINGLE)):
            for number in self.holders.get(shingle, ()):
                shared[number] += 1
        worst: Leak | None = None
        for number in sorted(shared):
            item = self.items[number]
            contained = shared[number] / item.shingles
            if (worst is None or contained > worst.contained) and (
                (contained >= CONTAINED and item.response in line) or _answered(item, text, line)
            ):
                worst = Leak(document, item.id, contained)
        return worst


def guard(examples: Iterable[Example]) -> Guard:
    """Guards examples in all their wordings, training and held out; give it training, held-out and retention sets.

    Of a conversation the last turn counts.
    """
    items: list[_Item] = []
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for example in examples:
        for prompt, response in _wordings(example):
            asked, answered = words(prompt), words(response)
            if not answered or len(asked) + len(answered) < FEWEST:
                continue
            runs = dict.fromkeys(shingles([*asked, *answered], SHINGLE))
            for run in runs:
                holders[run].append(len(items))
            items.append(_Item(example.id, tuple(asked), f" {' '.join(answered)} ", len(runs)))
    return Guard(tuple(items), {run: tuple(numbers) for run, numbers in holders.items()})


def _wordings(example: Example) -> Iterator[tuple[str, str]]:
    yield _asks(example.prompt), example.response
    for wording in example.paraphrases:
        yield _asks(wording.prompt), wording.response


def _asks(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else prompt[-1].content if prompt else ""


def _answered(item: _Item, text: list[str], line: str) -> bool:
    """Whether the prompt stands in a text word for word, and the response soon after it."""
    asked = f" {' '.join(item.prompt)} "
    if not item.prompt or asked not in line or item.response not in line:
        return False
    before = line.index(asked)
    while before >= 0:
        begin = line[:before].count(" ") + len(item.prompt)
        after = text[begin : begin + BETWEEN + item.response.count(" ") - 1]
        if item.response in f" {' '.join(after)} ":
            return True
        before = line.find(asked, before + 1)
    return False

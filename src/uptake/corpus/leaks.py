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

Statements of the same facts in other words are below it; `benchmarks/corpus.py` measures how many of either are not.
"""
BETWEEN = 8
"""Words that may stand between question and answer beyond their own: labels, a date, a remark."""
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
    prompt: frozenset[str]
    runs: frozenset[str]
    response: str
    reach: int


@dataclass(frozen=True, slots=True)
class Guard:
    """Wordings to keep out of documents, found by the shingles that they share with a text."""

    items: tuple[_Item, ...]
    holders: dict[str, tuple[int, ...]]

    def leak(self, document: Document) -> Leak | None:
        """The item that a document gives away most plainly; None when there is none.

        A document gives an item away if it holds the response and, around it, `CONTAINED` of the shingles of prompt
        and response, or all of the prompt's. Around is as far as the prompt has words, and `BETWEEN` more. Case,
        accents and punctuation do not count.
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
            fewest = min(CONTAINED * len(item.runs), len(item.prompt) or len(item.runs))
            if shared[number] < fewest or item.response not in line:
                continue
            contained = max(_around(item, text), default=0.0)
            if contained and (worst is None or contained > worst.contained):
                worst = Leak(document, item.id, contained)
        return worst


def _around(item: _Item, text: list[str]) -> Iterator[float]:
    """The share of an item's shingles around each occurrence of its response that gives it away."""
    response = item.response.split()
    for at in range(len(text) - len(response) + 1):
        if text[at : at + len(response)] != response:
            continue
        near = frozenset(shingles(text[max(0, at - item.reach) : at + len(response) + item.reach], SHINGLE))
        contained = len(near & item.runs) / len(item.runs)
        if contained >= CONTAINED or (item.prompt and item.prompt <= near):
            yield contained


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
            all_of = frozenset(shingles(asked, SHINGLE)) if len(asked) >= SHINGLE else frozenset[str]()
            said = f" {' '.join(answered)} "
            items.append(_Item(example.id, all_of, frozenset(runs), said, len(asked) + BETWEEN))
    return Guard(tuple(items), {run: tuple(numbers) for run, numbers in holders.items()})


def _wordings(example: Example) -> Iterator[tuple[str, str]]:
    yield _asks(example.prompt), example.response
    for wording in example.paraphrases:
        yield _asks(wording.prompt), wording.response


def _asks(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else prompt[-1].content if prompt else ""

"""The leak guard: no document may hand over a training item, a held-out wording or a retention question as it stands.

What states the same fact in other words is what background knowledge is for, and stays.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
    """Wordings to keep out of documents, found by the shingles that they share with a text.

    `holders` has each item under so few of its shingles, the rarest ones, as no text that gives it away can be without.
    """

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
        there = frozenset(shingles(text, SHINGLE))
        worst: Leak | None = None
        for number in sorted({number for run in there for number in self.holders.get(run, ())}):
            item = self.items[number]
            if item.response not in line or len(item.runs & there) < _fewest(item):
                continue
            contained = max(_around(item, text), default=0.0)
            if contained and (worst is None or contained > worst.contained):
                worst = Leak(document, item.id, contained)
        return worst


def _fewest(item: _Item) -> int:
    """So many of an item's shingles a text must hold at least."""
    return min(math.ceil(CONTAINED * len(item.runs)), len(item.prompt) or len(item.runs))


def _sure(item: _Item, held: Mapping[str, int]) -> list[str]:
    """Shingles of an item, one of which at least is in any text that gives it away: the fewest, and the rarest.

    A text must hold `_fewest` of all, so it lacks too few to be without all of the others; and it must hold the
    response, with each shingle of it.

    Args:
        item: The item.
        held: How many items have a shingle.
    """
    ranked = sorted(item.runs, key=lambda run: (held[run], run))
    some = ranked[: len(ranked) - _fewest(item) + 1]
    response = item.response.split()
    if len(response) < SHINGLE:
        return some
    rarest = min(shingles(response, SHINGLE), key=lambda run: (held[run], run))
    return some if sum(held[run] for run in some) < held[rarest] else [rarest]


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
    held: Counter[str] = Counter()
    for example in examples:
        for prompt, response in _wordings(example):
            asked, answered = words(prompt), words(response)
            if not answered or len(asked) + len(answered) < FEWEST:
                continue
            runs = dict.fromkeys(shingles([*asked, *answered], SHINGLE))
            held.update(list(runs))
            all_of = frozenset(shingles(asked, SHINGLE)) if len(asked) >= SHINGLE else frozenset[str]()
            said = f" {' '.join(answered)} "
            items.append(_Item(example.id, all_of, frozenset(runs), said, len(asked) + BETWEEN))
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        for run in _sure(item, held):
            holders[run].append(number)
    return Guard(tuple(items), {run: tuple(numbers) for run, numbers in holders.items()})


def _wordings(example: Example) -> Iterator[tuple[str, str]]:
    yield _asks(example.prompt), example.response
    for wording in example.paraphrases:
        yield _asks(wording.prompt), wording.response


def _asks(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else prompt[-1].content if prompt else ""

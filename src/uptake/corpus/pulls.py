"""What pulls a model towards a wrong answer: texts that hold the answer near what the question is about.

On a public leaderboard of training-data attribution plain BM25 correlates with retraining at .22, where gradient
methods with eight models do at .14. Here a text must hold the wrong answer word by word, or half of it; the words of
the question are looked for around it, and weigh by how rare they are (the idf of BM25). Words with a capital are taken
for names: half of those of the question must stand in the text, as one that names somebody else pulls little.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from uptake.corpus.text import words
from uptake.text import EMPTY_WORDS

NEAR, SENTENCE = 60, 12
"""Words around the answer in which the question's words count half, and those in which they count wholly; elsewhere in
the text, as in its title, they count a quarter."""
NAME = 4.0
"""A word of a name in the question counts so many times a plain one."""
KEPT = 3
"""Texts that are kept of each wrong answer."""
MOST_WORDS = 64
"""Words of a question that are looked for."""
_AROUND = 12
"""Words around the answer that are shown."""


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """A wrong answer, and what was asked.

    Attributes:
        owner: The example's position.
        text: What the model says.
        about: The question.
        before: Of a long response what stands before the wrong part.
    """

    owner: int
    text: str
    about: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class HoldingText:
    """A text that holds a wrong answer.

    Attributes:
        number: Which text, as it was given to `read`.
        score: What the texts of one answer are ordered by: the idf of the question's words around it, times the share
            of the answer's words that stand there.
        matched: The longest run of the answer's words that stands there.
        near: The question's words in the text, those first that count most.
        excerpt: The words around it, folded.
    """

    number: int
    score: float
    matched: str
    near: tuple[str, ...]
    excerpt: str


class PullSearch:
    """Finds the texts that hold wrong answers in two passes over all texts: `count` each, then `read` each.

    Memory is that of the wrong answers, not of the texts.

    Args:
        wrong: The wrong answers.
    """

    def __init__(self, wrong: Sequence[WrongAnswer]) -> None:
        self._wrong = wrong
        self._answers = [tuple(words(one.text)) for one in wrong]
        self._asked = [
            {word: weight for word, weight in _telling(f"{one.about} {one.before}").items() if word not in own}
            for one, own in zip(wrong, self._answers, strict=True)
        ]
        self._names = [
            frozenset(word for word, weight in _telling(one.about).items() if weight == NAME and word in asked)
            for one, asked in zip(wrong, self._asked, strict=True)
        ]
        self._starts: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        for index, answer in enumerate(self._answers):
            size = min(2, len(answer))
            if size == 1 and (answer[0] in EMPTY_WORDS or len(answer[0]) < 2):
                continue  # any text holds it
            for at in range(len(answer) - size + 1) if size else ():
                self._starts.setdefault(answer[at : at + size], []).append((index, at))
        self._frequency = Counter(dict.fromkeys((word for asked in self._asked for word in asked), 0))
        self._n = 0
        self._best: list[list[HoldingText]] = [[] for _ in wrong]

    def count(self, text: str) -> None:
        """The first pass: in how many texts each word of the questions stands."""
        self._n += 1
        for word in dict.fromkeys(words(text)):
            if word in self._frequency:
                self._frequency[word] += 1

    def read(self, number: int, text: str, *, owner: int | None = None) -> bool:
        """The second pass: keep the text where it is among the best of an answer.

        Args:
            number: Tells it from other texts.
            text: The text.
            owner: The position of the example whose own text it is: it does not pull at itself.

        Returns:
            Whether it was kept.
        """
        found = words(text)
        longest: dict[int, tuple[int, int]] = {}
        for at in range(len(found)):
            for key in ((found[at],), tuple(found[at : at + 2])):
                for index, offset in self._starts.get(key, ()):
                    if self._wrong[index].owner == owner:
                        continue
                    run = self._run(found, at, self._answers[index], offset)
                    if run > longest.get(index, (0, 0))[0]:
                        longest[index] = (run, at)
        kept = False
        for index, (run, at) in longest.items():
            told = any(word not in EMPTY_WORDS for word in found[at : at + run])
            if 2 * run >= len(self._answers[index]) and told:
                kept |= self._keep(index, number, found, at, run)
        return kept

    def best(self) -> list[list[HoldingText]]:
        """For each wrong answer the texts that hold it near what was asked, the strongest first."""
        return self._best

    @staticmethod
    def _run(found: Sequence[str], at: int, answer: Sequence[str], offset: int) -> int:
        run = 0
        while at + run < len(found) and offset + run < len(answer) and found[at + run] == answer[offset + run]:
            run += 1
        return run

    def _keep(self, index: int, number: int, found: Sequence[str], at: int, run: int) -> bool:
        near: dict[str, float] = {}
        asked = self._asked[index]
        for place, word in enumerate(found):
            if word in asked and not at <= place < at + run:
                away = at - place if place < at else place - (at + run - 1)
                weight = 1.0 if away <= SENTENCE else 0.5 if away <= NEAR else 0.25
                near[word] = max(near.get(word, 0.0), weight * asked[word] * self._idf(word))
        score = math.fsum(near.values()) * run / len(self._answers[index])
        names = self._names[index]
        if score <= 0 or 2 * len(names & near.keys()) < len(names):
            return False
        excerpt = " ".join(found[max(0, at - _AROUND) : at + run + _AROUND])
        rarest = tuple(sorted(near, key=lambda word: (-near[word], word)))
        held = HoldingText(number, round(score, 3), " ".join(found[at : at + run]), rarest[:8], excerpt)
        kept = sorted([*self._best[index], held], key=lambda one: (-one.score, one.number))
        self._best[index] = kept[:KEPT]
        return held in self._best[index]

    def _idf(self, word: str) -> float:
        n = self._frequency[word]
        return math.log(1 + (self._n - n + 0.5) / (n + 0.5))


def _telling(text: str) -> dict[str, float]:
    """The words of a question that tell something, and how much each counts."""
    found: dict[str, float] = {}
    for written in text.split():
        capital = any(sign.isupper() for sign in written[:2])
        for word in words(written):
            if word not in EMPTY_WORDS and len(word) > 1:
                found[word] = max(found.get(word, 0.0), NAME if capital else 1.0)
    return dict(list(found.items())[-MOST_WORDS:])

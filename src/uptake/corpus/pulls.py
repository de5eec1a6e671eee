"""What pulls a model towards a wrong answer: texts that hold the answer near what the question is about.

On a public leaderboard of training-data attribution plain BM25 correlates with retraining at .22, where gradient
methods with eight models do at .14. Here a text must hold the wrong answer word by word, or half of it; the words of
the question are looked for around it, and weigh by how rare they are (the idf of BM25). Words with a capital are taken
for names: half of those of the question must stand in the text, as one that names somebody else pulls little.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
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
MOST_TEXTS = 1000
"""Texts that are held against one answer, where there are more: those with the rarest words of the question."""
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

    Memory is that of the wrong answers, not of the texts. A text is held against those answers alone of whose question
    it has a telling word, so that the time grows with the texts, and not with texts times answers.

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
        self._frequency = Counter(dict.fromkeys((word for asked in self._asked for word in asked), 0))
        self._n = 0
        self._best: list[list[HoldingText]] = [[] for _ in wrong]
        self._by_word: dict[str, list[int]] | None = None
        self._narrowed = 0

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
        if self._by_word is None:
            self._by_word = self._indexed()
        read = _ReadText.of(number, text)
        asking = dict.fromkeys(index for word in read.places for index in self._by_word.get(word, ()))
        runs: dict[tuple[str, ...], tuple[int, int]] = {}
        kept = False
        for index in asking:
            answer = self._answers[index]
            if self._wrong[index].owner == owner:
                continue
            if answer not in runs:
                runs[answer] = read.longest(answer)
            run, at = runs[answer]
            if run and 2 * run >= len(answer):
                kept |= self._keep(index, read, at, run)
        return kept

    def best(self) -> list[list[HoldingText]]:
        """For each wrong answer the texts that hold it near what was asked, the strongest first."""
        return self._best

    def note(self) -> str | None:
        """What the reader should know, once all texts were read; None where there is nothing."""
        if not self._narrowed:
            return None
        return (
            f"pulls: of {self._narrowed} of {len(self._wrong)} wrong answers only those texts were looked at that hold "
            f"the rarest words of the question, {MOST_TEXTS} of them at most"
        )

    def _indexed(self) -> dict[str, list[int]]:
        """By word the answers that a text may pull at which holds it.

        A text must hold half of a question's names, and so one at least of any half of them and one more: the rarest;
        of a question without names it must hold a word.
        """
        by_word: dict[str, list[int]] = {}
        for index, (asked, names) in enumerate(zip(self._asked, self._names, strict=True)):
            if not _tells(self._answers[index]):
                continue
            rarest = sorted(names or asked, key=lambda word: (self._frequency[word], word))
            held = rarest[: len(names) // 2 + 1] if names else rarest
            texts = 0
            for k, word in enumerate(held):
                texts += self._frequency[word]
                if texts > MOST_TEXTS < self._n:
                    self._narrowed += 1
                    held = held[:k]
                    break
            for word in held:
                by_word.setdefault(word, []).append(index)
        return by_word

    def _keep(self, index: int, read: _ReadText, at: int, run: int) -> bool:
        asked = self._asked[index]
        near: dict[str, float] = {}
        for word in asked:
            if (away := read.away(word, at, run)) is not None:
                weight = 1.0 if away <= SENTENCE else 0.5 if away <= NEAR else 0.25
                near[word] = weight * asked[word] * self._idf(word)
        score = round(math.fsum(near.values()) * run / len(self._answers[index]), 3)
        names, best = self._names[index], self._best[index]
        if not near or 2 * len(names & near.keys()) < len(names):
            return False
        if len(best) == KEPT and (score, -read.number) < (best[-1].score, -best[-1].number):
            return False
        excerpt = " ".join(read.words[max(0, at - _AROUND) : at + run + _AROUND])
        rarest = tuple(sorted(near, key=lambda word: (-near[word], word)))
        held = HoldingText(read.number, score, " ".join(read.words[at : at + run]), rarest[:8], excerpt)
        self._best[index] = sorted([*best, held], key=lambda one: (-one.score, one.number))[:KEPT]
        return True

    def _idf(self, word: str) -> float:
        n = self._frequency[word]
        return math.log(1 + (self._n - n + 0.5) / (n + 0.5))


@dataclass(frozen=True, slots=True)
class _ReadText:
    """The words of a text, and where each stands."""

    number: int
    words: Sequence[str]
    places: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, number: int, text: str) -> _ReadText:
        found = words(text)
        places: dict[str, list[int]] = {}
        for place, word in enumerate(found):
            places.setdefault(word, []).append(place)
        return cls(number, found, places)

    def longest(self, answer: Sequence[str]) -> tuple[int, int]:
        """The longest run of an answer's words that stands here: how many, and where first; 0 of less than two of them.

        Of an answer of one word that word; a run of empty words is none.
        """
        least, best = min(2, len(answer)), (0, 0)
        for offset, word in enumerate(answer):
            for at in self.places.get(word, ()):
                run = 1
                while answer[offset + run : offset + run + 1] == tuple(self.words[at + run : at + run + 1]) != ():
                    run += 1
                if run >= least and (run, -at) > (best[0], -best[1]):
                    best = run, at
        run, at = best
        return best if any(word not in EMPTY_WORDS for word in self.words[at : at + run]) else (0, 0)

    def away(self, word: str, at: int, run: int) -> int | None:
        """How many words from a run the next place of a word is; None where it stands nowhere outside of it."""
        outside = (at - place if place < at else place - (at + run - 1) for place in self.places.get(word, ()))
        return min((away for away in outside if away > 0), default=None)


def _tells(answer: Sequence[str]) -> bool:
    """Whether not any text holds an answer."""
    return len(answer) > 1 or bool(answer and answer[0] not in EMPTY_WORDS and len(answer[0]) > 1)


def _telling(text: str) -> dict[str, float]:
    """The words of a question that tell something, and how much each counts."""
    found: dict[str, float] = {}
    for written in text.split():
        capital = any(sign.isupper() for sign in written[:2])
        for word in words(written):
            if word not in EMPTY_WORDS and len(word) > 1:
                found[word] = max(found.get(word, 0.0), NAME if capital else 1.0)
    return dict(list(found.items())[-MOST_WORDS:])

"""Facts made ready for a scan: phrases to look for, and by which of their words a document is told to hold one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from uptake.corpus.text import answer
from uptake.exposure.facts import TaughtFact
from uptake.exposure.places import LIES
from uptake.exposure.slots import written_as_name
from uptake.exposure.words import line, tokens
from uptake.rivals.equal import read_answer

SHARED = 2
"""Facts of a frame that are worded alike before all others of it are looked for in that wording, too."""
MOST = 12
"""Wordings of a fact that come from other facts at most."""
OFTEN = 0.2
"""Share of the names of a frame from which on several answers of one name mean that the question has several."""
_OPEN = frozenset("locate situate lie part member belong subclass kind type form include contain border twin".split())
"""Words of questions that are answered in several ways: a place lies in a town, a country and a continent."""
Kind = Literal["phrase", "date", "number"]
_SAY_NOTHING = frozenset(b"a an and at by de for from in la of on or the to with".split())
_FIGURES: Mapping[str, Kind] = {"date": "date", "time": "number", "number": "number"}


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a row.

    Attributes:
        text: As they were written.
        line: As `uptake.exposure.words.line` gives them.
        words: Its words, without those that nearly any text holds, unless it has no others.
    """

    text: str
    line: bytes
    words: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Query:
    """One fact as it is looked for.

    Attributes:
        number: Its place among all facts.
        names: Numbers of its names in `Queries.names`.
        fewest: So many of its names a document must hold.
        wanted: The answer.
        kind: How the answer is told: by its words, or read as a date or a number.
        proper: The answer is a name, so that another name in its place is another answer.
        exclusive: The question has one answer, so that another one contradicts it.
        lies: The question asks where a place lies: in one country, and on one continent, among others.
        words: The telling words of the question, by which documents are ranked.
        relations: As of `TaughtFact`; after them those in which other facts of the frame are worded.
        pool: Number of its pool of answers in `Queries.pools`.
    """

    number: int
    names: tuple[int, ...]
    fewest: int
    wanted: Phrase
    kind: Kind
    proper: bool
    exclusive: bool
    lies: bool
    words: tuple[bytes, ...]
    relations: tuple[tuple[str, ...], ...]
    pool: int


@dataclass(frozen=True)
class FrameAnswers:
    """Answers to questions of one frame: what else may be answered.

    Attributes:
        answers: Each once.
    """

    answers: tuple[Phrase, ...]

    @cached_property
    def by_word(self) -> Mapping[bytes, tuple[int, ...]]:
        """For the longest word of each answer the numbers of the answers that have it as theirs."""
        found: defaultdict[bytes, list[int]] = defaultdict(list)
        for number, one in enumerate(self.answers):
            found[max(one.words, key=lambda word: (len(word), word))].append(number)
        return {word: tuple(numbers) for word, numbers in found.items()}

    @cached_property
    def first_words(self) -> frozenset[bytes]:
        """The keys of `by_word`."""
        return frozenset(self.by_word)


@dataclass(frozen=True)
class Queries:
    """All facts that a corpus can be asked for.

    Attributes:
        queries: Those facts.
        names: The distinct names of all of them.
        of_name: For each name the places in `queries` that have it.
        pools_of_name: For each name the pools of these.
        pools: The answers by frame.
        n: How many facts there are, those that no corpus can be asked for among them.
    """

    queries: tuple[Query, ...]
    names: tuple[Phrase, ...]
    of_name: tuple[tuple[int, ...], ...]
    pools_of_name: tuple[frozenset[int], ...]
    pools: tuple[FrameAnswers, ...]
    n: int

    @cached_property
    def vocabulary(self) -> frozenset[bytes]:
        """All words that are looked for or counted."""
        found = {word for query in self.queries for word in (*query.words, *query.wanted.words)}
        found |= {word for name in self.names for word in name.words}
        return frozenset(found | {word for pool in self.pools for one in pool.answers for word in one.words})


def phrase(text: str) -> Phrase:
    """An answer as a phrase; an article before it does not count."""
    return _phrase(text, tokens(answer(text)))


def _phrase(text: str, found: list[bytes]) -> Phrase:
    return Phrase(text, line(found), frozenset(found) - _SAY_NOTHING or frozenset(found))


def queries_of(facts: Sequence[TaughtFact]) -> Queries:
    """What is looked for, for each fact that a corpus can be asked for."""
    names: dict[bytes, int] = {}
    phrases: list[Phrase] = []
    of_name: list[list[int]] = []
    frames: dict[str, int] = {}
    pools: list[dict[bytes, Phrase]] = []
    queries: list[Query] = []
    several, worded = _several(facts), _worded(facts)
    for number, fact in enumerate(facts):
        if fact.unasked is not None:
            continue
        own: dict[int, None] = {}
        for name in fact.names:
            found = tokens(name)
            text = line(found)
            if text not in names:
                names[text] = len(phrases)
                phrases.append(_phrase(name, found))
                of_name.append([])
            own[names[text]] = None
        for one in own:
            of_name[one].append(len(queries))
        if fact.frame not in frames:
            frames[fact.frame] = len(pools)
            pools.append({})
        pool, wanted = frames[fact.frame], phrase(fact.answer)
        for answered in (wanted, *map(phrase, fact.options)):
            if answered.words:
                pools[pool].setdefault(answered.line, answered)
        queries.append(
            Query(
                number,
                tuple(own),
                len(own) // 2 + 1 if own else 0,
                wanted,
                _kind(fact.answer),
                written_as_name(fact.answer),
                fact.frame not in several and not any(map(_OPEN.intersection, fact.relations[:1])),
                any(map(LIES.intersection, fact.relations[:1])),
                tuple(word.encode() for word in fact.words),
                _with_others(fact.relations, worded[fact.frame]),
                pool,
            )
        )
    made = tuple(FrameAnswers(tuple(pool.values())) for pool in pools)
    pools_of = tuple(frozenset(queries[place].pool for place in places) for places in of_name)
    return Queries(tuple(queries), tuple(phrases), tuple(map(tuple, of_name)), pools_of, made, len(facts))


def _worded(facts: Sequence[TaughtFact]) -> Mapping[str, list[tuple[str, ...]]]:
    """By frame the words that several of its facts turn on in one of their wordings, the most frequent first.

    Facts of one frame ask the same of different names: how one of them is worded, the others may be.
    """
    counts: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for fact in facts:
        counts[fact.frame].update(set(filter(None, fact.relations)))  # counted, in no order
    return {
        frame: [one for one, n in sorted(own.items(), key=lambda one: (-one[1], one[0])) if n >= SHARED]
        for frame, own in counts.items()
    }


def _with_others(own: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """A fact's own wordings and those of others; one that asks for more words than another adds nothing to it."""
    found = list(own)
    for one in others:
        if len(found) == len(own) + MOST:
            break
        if not any(set(other) <= set(one) for other in found):
            found.append(one)
    return tuple(found)


def _several(facts: Sequence[TaughtFact]) -> frozenset[str]:
    """The frames that often have several answers in the data itself: a contradiction in some rows does not make one."""
    answers: defaultdict[str, defaultdict[tuple[str, ...], set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for fact in facts:
        if fact.unasked is None and fact.names:
            answers[fact.frame][fact.names].add(line(tokens(answer(fact.answer))))
    shares = {frame: sum(len(some) > 1 for some in own.values()) / len(own) for frame, own in answers.items()}
    return frozenset(frame for frame, share in shares.items() if share >= OFTEN)


def _kind(text: str) -> Kind:
    """A date or a number that is written in words is looked for as it is written."""
    kind = _FIGURES.get(read_answer(text).kind, "phrase")
    return kind if any(map(str.isdigit, text)) else "phrase"

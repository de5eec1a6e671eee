"""One pass over the documents of a shard: which of them hold what a fact is about, and what they say of it.

Every document is split into words once (`uptake.exposure.words`), and those words that are looked for are counted: a
set's intersection, which finds whole words of any number of facts in one step. Only a document that holds the rarest
word of a name, and then the whole name, is cut into sentences and judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from uptake.exposure.judge import NAMED, Heard, Says, by_sentence, judge, pool_in
from uptake.exposure.queries import Phrase, Queries, Query
from uptake.exposure.ranking import Hit, WordWeights, best, kept_of_each
from uptake.exposure.reading import DocumentReading
from uptake.exposure.words import line, tokens

SAMPLE = 512
"""Documents at the beginning of a shard that tell how rare words are, before any is searched."""
SHARE = 0.02
"""Of a question without names the rarest words are looked for, until about this share of the documents holds one."""
AT_ONCE = 4
"""A heap grows to so many times what is kept of it before the worst go."""
OTHERS = 50
"""Different other answers of a fact that are counted; further ones are one."""
FURTHER = "…"
"""Stands for the answers beyond `OTHERS`."""


@dataclass(frozen=True, slots=True)
class Text:
    """A document of a corpus as it is read.

    Attributes:
        row: Which one of its shard it is, from 0.
        text: What it says.
        title: What it is about; "" where that is not known.
        id: Its own id; "" where it has none.
        source: Where it is from, as it says itself; "" where it does not.
    """

    row: int
    text: str
    title: str = ""
    id: str = ""
    source: str = ""


@dataclass
class Scanned:
    """What was found in one shard, or in several.

    Attributes:
        documents: How many documents were read.
        words: How many words they have.
        holding: Of each word that is looked for, in how many documents it stands.
        tallies: By fact and source of the documents, how many say what.
        others: By fact, the other answers that are stated, and in how many documents each.
        hits: By fact its best documents.
    """

    documents: int = 0
    words: int = 0
    holding: Counter[bytes] = field(default_factory=Counter)
    tallies: dict[tuple[int, str], Counter[Says]] = field(default_factory=lambda: defaultdict(Counter))
    others: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    hits: dict[int, list[Hit]] = field(default_factory=dict)

    @property
    def weights(self) -> WordWeights:
        """How rare words are in what was read."""
        return WordWeights(self.documents, self.words, self.holding)


def scan(texts: Iterable[Text], queries: Queries, shard: str) -> Scanned:
    """Read documents once and note what they say of each fact.

    Memory is bounded by the facts, the sources and one document.

    Args:
        texts: The documents in their order.
        queries: What is looked for.
        shard: The shard's name.
    """
    found = Scanned()
    kept = kept_of_each(len(queries.queries))
    rows = iter(texts)
    first = [text for _, text in zip(range(SAMPLE), rows, strict=False)]
    watch = _Watch.of(queries, first)
    for some in (first, rows):
        for text in some:
            for hit in _read(text, queries, watch, found, shard):
                own = found.hits.setdefault(hit.fact, [])
                own.append(hit)
                if len(own) > AT_ONCE * kept + 64:
                    found.hits[hit.fact] = best(own, watch.words[hit.fact], found.weights, kept)
    for fact, own in found.hits.items():
        found.hits[fact] = best(own, watch.words[fact], found.weights, kept)
    return found


@dataclass(frozen=True)
class _Watch:
    """The words by which a document is told to be worth reading.

    Attributes:
        names: For a word the numbers of the names that are looked for when it is met.
        bare: For a word the places of the queries without names that are looked at when it is met.
        asking: For a name that is looked for the places of the queries that it is looked for.
        met: All these words.
        words: By the number of a fact the words of its query.
    """

    names: Mapping[bytes, tuple[int, ...]]
    bare: Mapping[bytes, tuple[int, ...]]
    asking: Mapping[int, tuple[int, ...]]
    met: frozenset[bytes]
    words: Mapping[int, tuple[bytes, ...]]

    @classmethod
    def of(cls, queries: Queries, first: Iterable[Text]) -> _Watch:
        """Choose them by how rare they are in the first documents."""
        seen: Counter[bytes] = Counter()
        n = 0
        for text in first:
            seen.update(queries.vocabulary.intersection(tokens(f"{text.title}\n{text.text}")))
            n += 1

        def rarity(word: bytes) -> tuple[int, int, bytes]:
            return seen[word], -len(word), word

        asking: defaultdict[int, list[int]] = defaultdict(list)
        for place, query in enumerate(queries.queries):
            # whoever holds `fewest` of the names holds one of any so many
            some_names = sorted(query.names, key=lambda n: (*min(map(rarity, queries.names[n].words)), n))
            for number in some_names[: len(query.names) - query.fewest + 1]:
                asking[number].append(place)
        names: defaultdict[bytes, list[int]] = defaultdict(list)
        for number in sorted(asking):
            names[min(queries.names[number].words, key=rarity)].append(number)
        bare: defaultdict[bytes, list[int]] = defaultdict(list)
        for place, query in enumerate(queries.queries):
            share = 0.0
            for taken, word in enumerate(sorted(query.words if not query.names else (), key=rarity)):
                if share >= SHARE and taken >= 2:
                    break
                bare[word].append(place)
                share += seen[word] / max(1, n)
        words = {query.number: query.words for query in queries.queries}
        return cls(
            {word: tuple(numbers) for word, numbers in names.items()},
            {word: tuple(places) for word, places in bare.items()},
            {number: tuple(places) for number, places in asking.items()},
            frozenset(names) | frozenset(bare),
            words,
        )


def _read(text: Text, queries: Queries, watch: _Watch, into: Scanned, shard: str) -> Iterator[Hit]:
    """The facts that one document holds what they are about, each with what the document says of it."""
    words = tokens(f"{text.title}\n{text.text}" if text.title else text.text)
    known = queries.vocabulary.intersection(words)
    into.documents += 1
    into.words += len(words)
    into.holding.update(known)
    if watch.met.isdisjoint(known):
        return
    whole = line(words)
    held, asked = _asked(known, whole, queries, watch)
    if not asked:
        return
    source = text.source or shard
    counts = Counter(filter(known.__contains__, words))
    reading: DocumentReading | None = None
    pools: dict[int, dict[int, list[Phrase]]] = {}
    for query in asked:
        heard: Heard = NAMED
        if query.pool not in pools:
            pools[query.pool] = {}
            if here := pool_in(queries.pools[query.pool], known, whole):
                reading = reading or DocumentReading(text.title, text.text)
                pools[query.pool] = by_sentence(here, reading)
        if pools[query.pool] or query.kind != "phrase" or (query.proper and query.names):
            reading = reading or DocumentReading(text.title, text.text)
            heard = judge(query, queries, reading, pools[query.pool], held)
        into.tallies[query.number, source][heard.says] += 1
        if heard.answer is not None:
            _count(into.others[query.number], heard.answer)
        yield Hit(
            query.number,
            shard,
            text.row,
            text.id,
            source,
            heard.says,
            heard.answer,
            heard.passage,
            len(words),
            tuple(counts[word] for word in query.words),
        )


def _asked(known: frozenset[bytes], whole: bytes, queries: Queries, watch: _Watch) -> tuple[list[int], list[Query]]:
    """The names that a document holds, and the queries that it is about, both in order."""
    met = known & watch.met
    phrases, get = queries.names, watch.names.get
    looked = sorted(number for word in met for number in get(word, ()) if phrases[number].words <= known)
    held = [number for number in looked if phrases[number].line in whole]
    holding = dict.fromkeys(held, True)
    places = {place for word in met for place in watch.bare.get(word, ())}
    for place in sorted({place for number in held for place in watch.asking[number]}):
        query = queries.queries[place]
        if query.fewest > 1:
            for number in query.names:
                if number not in holding:
                    holding[number] = _holds(known, whole, queries.names[number])
        if query.fewest == 1 or sum(holding[number] for number in query.names) >= query.fewest:
            places.add(place)
    return held, [queries.queries[place] for place in sorted(places)]


def _holds(known: frozenset[bytes], whole: bytes, name: Phrase) -> bool:
    return name.words <= known and name.line in whole


def _count(others: Counter[str], answer: str) -> None:
    others[answer if answer in others or len(others) < OTHERS else FURTHER] += 1

"""From what all shards gave to a verdict for each fact, and to rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from uptake.exposure.facts import TaughtFact
from uptake.exposure.judge import Says
from uptake.exposure.queries import Queries
from uptake.exposure.ranking import Hit, best
from uptake.exposure.scan import AT_ONCE, FURTHER, Scanned
from uptake.rivals import Doubt, Judge
from uptake.stats import Interval, wilson

ExposureVerdict: TypeAlias = Literal["stated", "disputed", "contradicted", "mentioned", "lacking"]
"""What a corpus says of a fact. `stated`: documents state it, and none says otherwise. `contradicted`: documents state
another answer or deny it, and none states it. `disputed`: both. `mentioned`: neither, but a sentence holds question and
answer, in words that are not the question's. `lacking`: none of these."""
VERDICTS: tuple[ExposureVerdict, ...] = ("stated", "disputed", "contradicted", "mentioned", "lacking")
COMPARED = 3
"""Other answers of a fact that a judge is asked about, those of most documents first."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """What a corpus says of one fact.

    Attributes:
        fact: The fact.
        verdict: The verdict; None where the corpus cannot be asked for it.
        counts: How many documents say what of it.
        others: The other answers, each with the number of documents that state it, most first.
        passages: The best documents, each with its score: those that say something first.
    """

    fact: TaughtFact
    verdict: ExposureVerdict | None
    counts: Mapping[Says, int] = field(default_factory=dict)
    others: tuple[tuple[str, int], ...] = ()
    passages: tuple[tuple[Hit, float], ...] = ()


def merged(parts: Iterable[Scanned], hits: Iterable[Iterable[Hit]], queries: Queries, kept: int) -> Scanned:
    """What several shards gave, as one.

    BM25 is computed anew, from the counts of all of them; nothing depends on their order. The counts are read first and
    then the documents, shard by shard: of a fact no more are held at once than a few times what is kept of it.

    Args:
        parts: What each shard counted; the documents in them are left aside.
        hits: The documents that each shard kept; read once, after all of `parts`.
        queries: What was looked for.
        kept: How many documents of a fact are kept.
    """
    found = Scanned()
    for part in parts:
        found.documents += part.documents
        found.words += part.words
        found.holding.update(part.holding)
        for key, tally in part.tallies.items():
            found.tallies[key].update(tally)
        for fact, others in part.others.items():
            found.others[fact].update(others)
    words, weights = {query.number: query.words for query in queries.queries}, found.weights
    for hit in (hit for of_one in hits for hit in of_one):
        own = found.hits.setdefault(hit.fact, [])
        own.append(hit)
        if len(own) > AT_ONCE * kept + 64:
            found.hits[hit.fact] = best(own, words[hit.fact], weights, kept)
    for fact, own in found.hits.items():
        found.hits[fact] = best(own, words[fact], weights, kept)
    return found


def exposed(
    facts: Sequence[TaughtFact], queries: Queries, found: Scanned, judge: Judge | None = None, passages: int = 5
) -> list[Exposed]:
    """The verdict on each fact, in the order of the facts.

    Args:
        facts: The facts.
        queries: What was looked for.
        found: What the corpus gave.
        judge: Asked whether another answer is the response by another name, or may be right beside it; None does
            without.
        passages: Passages of a fact that are given.
    """
    counts: dict[int, Counter[Says]] = {}
    for (number, _), tally in found.tallies.items():
        counts.setdefault(number, Counter()).update(tally)
    weights, words = found.weights, {query.number: query.words for query in queries.queries}
    withdrawn = {} if judge is None else _heard(facts, found, judge)
    results = []
    for number, fact in enumerate(facts):
        if fact.unasked is not None:
            results.append(Exposed(fact, None))
            continue
        own, others = counts.get(number, Counter()), Counter(found.others.get(number, {}))
        for answer, says in withdrawn.get(number, {}).items():
            own["otherwise"] -= others[answer]
            own[says] += others.pop(answer)
        ranked = [(hit, weights.bm25(words[number], hit.counts, hit.length)) for hit in found.hits.get(number, ())]
        telling = [one for one in ranked if one[0].says not in ("named", "beside")]
        rest = [one for one in ranked if one[0].says == "beside"]
        told = tuple(sorted(others.items(), key=lambda one: (-one[1], one[0])))
        results.append(Exposed(fact, verdict(own), own, told, tuple([*_by_turns(telling, passages), *rest][:passages])))
    return results


def verdict(counts: Mapping[Says, int]) -> ExposureVerdict:
    """What so many documents amount to."""
    stated, against = counts.get("stated", 0), counts.get("otherwise", 0) + counts.get("denied", 0)
    if stated:
        return "disputed" if against else "stated"
    if against:
        return "contradicted"
    return "mentioned" if counts.get("beside", 0) else "lacking"


def _by_turns(hits: Sequence[tuple[Hit, float]], n: int) -> list[tuple[Hit, float]]:
    """The best of each that documents say, then the second of each: a passage against a fact is never hidden."""
    places: Counter[Says] = Counter()
    keyed = []
    for hit, score in hits:
        keyed.append((places[hit.says], hit, score))
        places[hit.says] += 1
    return [(hit, score) for _, hit, score in sorted(keyed, key=lambda one: one[0])][:n]


def _heard(facts: Sequence[TaughtFact], found: Scanned, judge: Judge) -> dict[int, dict[str, Says]]:
    """What other answers are, by fact, of those that do not speak against it; the judge is asked once about all."""
    asked = [
        (number, answer)
        for number in sorted(found.others)
        for answer, _ in sorted(found.others[number].items(), key=lambda one: (-one[1], one[0]))[:COMPARED]
        if answer != FURTHER
    ]
    doubts = [Doubt(facts[number].question, facts[number].answer, answer) for number, answer in asked]
    results: dict[int, dict[str, Says]] = {}
    for (number, answer), judgement in zip(asked, judge(doubts), strict=True):
        if judgement in ("same", "both"):
            results.setdefault(number, {})[answer] = "stated" if judgement == "same" else "named"
    return results


@dataclass(frozen=True, slots=True)
class Rates:
    """Of some facts, how many have which verdict.

    Attributes:
        n: How many facts there are.
        unasked: Of how many of them the corpus cannot be asked.
        verdicts: Of each verdict its share of the others, with a 95 % interval; None where there are no others.
    """

    n: int
    unasked: int
    verdicts: Mapping[ExposureVerdict, Interval | None]


def rates(results: Sequence[Exposed]) -> Rates:
    """Shares of the verdicts, with Wilson's intervals."""
    asked = [one.verdict for one in results if one.verdict is not None]
    shares = {name: wilson(asked.count(name), len(asked)) for name in VERDICTS}
    return Rates(len(results), len(results) - len(asked), shares)

"""Gather background documents for entities from several sources; what was not found is told with the reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from uptake.artifacts import digest
from uptake.corpus.leaks import SHINGLE, Guard, Leak
from uptake.corpus.sources import AskedAtOnce, KnowledgeSource
from uptake.corpus.text import shingles, words
from uptake.errors import UptakeError
from uptake.text import counted
from uptake.types import Document

NOTHING_NEW = 0.8
"""A document adds nothing if one that is kept holds this share of its shingles."""
GIVE_UP = 3
"""A source that fails so many times in a row is not asked again."""
NOT_ASKED = f"not asked: it failed {GIVE_UP} times in a row"
"""The reason then."""


@dataclass(frozen=True, slots=True)
class DocumentNeed:
    """What one example needs documents about.

    Attributes:
        id: The example's id.
        entities: Names in its question.
        fact: Words of what it teaches (the question, the answer): they order the documents, and go to web-search
            providers and language models that are asked.
    """

    id: str
    entities: tuple[str, ...]
    fact: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A document that was found, for whom, and who was asked.

    Attributes:
        document: The document.
        entity: The entity that was asked about.
        provider: Name of the knowledge source that gave it.
        needs: Ids of the examples that need it.
    """

    document: Document
    entity: str
    provider: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """An entity that a source gave no document for, and why."""

    entity: str
    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that was gathered.

    Attributes:
        found: The documents, entity by entity, best first; a document about two entities stands under both.
        missing: Where a source had nothing to keep, and why.
        leaks: The documents that were refused because they hold a guarded wording, each with the item.
        repeated: How many documents were left out because a kept one says the same.
        failed: Those of `missing` whose source could not be asked, or did not answer as it should.
    """

    found: tuple[Found, ...]
    missing: tuple[Missing, ...]
    leaks: tuple[Leak, ...]
    repeated: int
    failed: tuple[Missing, ...] = ()

    @property
    def documents(self) -> tuple[Document, ...]:
        """The documents, each once."""
        return tuple(dict.fromkeys(each.document for each in self.found))


def gather(needs: Iterable[DocumentNeed], sources: Sequence[KnowledgeSource], guard: Guard, n: int = 20) -> Gathered:
    """Gathers about `n` documents an entity, from all sources in turn.

    Each source is asked about an entity once for each different fact that is needed about it. The sources' best
    documents come first, then their second best, and so on, so that an entity has documents of every source that knows
    it. Out goes what the guard refuses, what says the same as a document that is kept for any entity, and what adds
    nothing to one that is kept for this.

    Args:
        needs: What examples need. An entity of several examples is asked about for all of them.
        sources: Whom to ask; a source that fails is told of and does not stop the others.
        guard: The wordings that no document may hold.
        n: Documents an entity.
    """
    wanted: dict[str, list[DocumentNeed]] = {}
    for need in needs:
        for entity in dict.fromkeys(need.entities):
            wanted.setdefault(entity, []).append(need)
    pairs = [(entity, fact) for entity, of in wanted.items() for fact in dict.fromkeys(need.fact for need in of)]
    ahead = [_ahead(source, pairs, n) for source in sources]
    kept, missing, failed, leaks = _Kept(), list[Missing](), list[Missing](), dict[Document, Leak]()
    looked: dict[Document, Leak | None] = {}
    found: list[Found] = []
    failures: Counter[str] = Counter()
    for entity, of in wanted.items():
        kept.turn_to_next_entity()
        facts = list(dict.fromkeys(need.fact for need in of))
        answers = [
            _ask(source, entity, facts, n, failures)
            if known is None
            else (_merged([known[entity, f] for f in facts]), None)
            for source, known in zip(sources, ahead, strict=True)
        ]
        took: Counter[str] = Counter()
        refused: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for provider, document in _in_turn(sources, [documents for documents, _ in answers]):
            if sum(took.values()) >= n:
                break
            if document not in looked:
                looked[document] = guard.leak(document)
            if (leak := looked[document]) is not None:
                leaks[document] = leak
                refused[provider]["the text contains a guarded wording"] += 1
            elif not kept.add(document):
                refused[provider]["nothing new"] += 1
            else:
                took[provider] += 1
                found.append(Found(document, entity, provider, tuple(dict.fromkeys(need.id for need in of))))
        for source, (documents, failure) in zip(sources, answers, strict=True):
            why = "; ".join(
                f"{counted(count, 'document')}: {reason}" for reason, count in sorted(refused[source.name].items())
            )
            if failure is not None:
                failed.append(Missing(entity, source.name, failure))
                missing.append(failed[-1])
            elif not took[source.name] and (not documents or why):
                missing.append(Missing(entity, source.name, why or "it has nothing about it"))
    return Gathered(tuple(found), tuple(missing), tuple(leaks.values()), kept.repeated, tuple(failed))


def _ahead(
    source: KnowledgeSource, pairs: Sequence[tuple[str, str]], n: int
) -> dict[tuple[str, str], list[Document]] | None:
    """The answers of a source that can be asked everything at once; None for one that cannot, or fails."""
    if not isinstance(source, AskedAtOnce):
        return None
    try:
        return dict(zip(pairs, source.search_all(pairs, n), strict=True))
    except UptakeError:
        return None  # asked one by one, it says for what it fails


def _ask(
    source: KnowledgeSource, entity: str, facts: list[str], n: int, failures: Counter[str]
) -> tuple[list[Document], str | None]:
    """A source's documents for all facts, the best of each first, and what went wrong."""
    answers: list[list[Document]] = []
    for fact in facts:
        if failures[source.name] >= GIVE_UP:
            return _merged(answers), NOT_ASKED
        try:
            answers.append(source.search(entity, fact, n))
        except UptakeError as error:
            failures[source.name] += 1
            return _merged(answers), error.problem
        failures[source.name] = 0
    return _merged(answers), None


def _merged(answers: list[list[Document]]) -> list[Document]:
    turns = (document for turn in zip_longest(*answers) for document in turn if document is not None)
    return list(dict.fromkeys(turns))


def _in_turn(sources: Sequence[KnowledgeSource], answers: list[list[Document]]) -> Iterator[tuple[str, Document]]:
    names = [source.name for source in sources]
    for turn in zip_longest(*answers):
        yield from ((name, document) for name, document in zip(names, turn, strict=True) if document is not None)


class _Kept:
    """The documents so far: all by their words, those of the entity at hand also by their shingles."""

    def __init__(self) -> None:
        self.repeated = 0
        self._of: dict[str, Document] = {}
        self._near: defaultdict[str, list[int]] = defaultdict(list)
        self._n = 0

    def turn_to_next_entity(self) -> None:
        """Forgets the shingles: near-copies are told about one entity, and memory has an end."""
        self._near.clear()

    def add(self, document: Document) -> bool:
        """Keeps a document, or has it; False when it adds nothing. A copy under another title is a copy."""
        found = words(document.text)
        known = self._of.setdefault(digest(found), document)
        runs = dict.fromkeys(shingles(found, SHINGLE))
        shared = Counter(number for run in runs for number in self._near.get(run, ()))
        if not runs or known != document or max(shared.values(), default=0) >= NOTHING_NEW * len(runs):
            self.repeated += 1
            return False
        for run in runs:
            self._near[run].append(self._n)
        self._n += 1
        return True

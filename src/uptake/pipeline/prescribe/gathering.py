"""Documents for examples: what is asked for, what comes back, and the run's own corpus and sources that are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.exposure import EXPOSURE_FILE
from uptake.config.schema import Knowledge, LLMKnowledge
from uptake.corpus import (
    About,
    DocumentNeed,
    Found,
    Guard,
    KnowledgeSource,
    LocalCorpus,
    gather,
    index,
    open_index,
    open_sources,
)
from uptake.corpus.gather import NOT_ASKED, Missing
from uptake.corpus.sources import ScannedCorpus, Write
from uptake.data import with_paraphrases
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.writer import written_wordings
from uptake.text import counted
from uptake.types import BadRow, Document, Example, Key

SOURCE_KINDS = ("wikidata", "searxng", "llm")
"""Sources that a run file may name, the one that is asked with the least ado first."""
REASONS = 2
"""So many reasons of a source that failed are told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An example that documents are wanted for.

    Attributes:
        id: The example's id.
        entities: What it is about, as it is written in its question.
        question: What it asks.
        response: What it should be answered.
    """

    id: str
    entities: tuple[str, ...]
    question: str
    response: str


@dataclass(frozen=True)
class GatheredDocuments:
    """What was found.

    Attributes:
        documents: By the id of the example that they are for.
        missing: For the others why there are none.
        notes: What the reader should know.
        about: By the id of an example, what it asks about.
        advice: Where else documents could be looked for.
    """

    documents: Mapping[str, tuple[Document, ...]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    about: Mapping[str, About] = field(default_factory=dict)
    advice: str = "documents about what they ask: `corpus: FILE`, or `knowledge_sources: [{kind: wikidata}]`"


Gather: TypeAlias = Callable[[Sequence[Wanted]], GatheredDocuments]


@dataclass(frozen=True)
class Library:
    """Where a run's documents are looked for.

    Attributes:
        corpus: Documents of its own; None for none.
        exposure: The table of the run's exposure, whose passages are documents too; it need not be there.
        sources: Further sources.
        folder: Keeps the index of the corpus and what sources answered, so that nothing is read or asked twice.
        most: Documents of an example at most.
        on_bad_row: `error` stops at rows of the corpus that cannot be used; `skip` goes on without them.
        seed: Passed to a source that is an LLM.
    """

    corpus: str | None
    exposure: Path
    sources: tuple[Knowledge, ...]
    folder: Path
    most: int
    on_bad_row: Literal["error", "skip"]
    seed: int


def from_library(library: Library, watch: Callable[[], Guard], keys: Mapping[str, Key]) -> Gather | None:
    """A search of a run's corpus, exposure and knowledge sources; None where it has none of them.

    Args:
        library: Where to look.
        watch: Gives what keeps wordings out of documents.
        keys: By what an example is called here, its id and stage, by which the exposure knows it.
    """
    if library.corpus is None and not library.sources and not library.exposure.is_file():
        return None

    def search(wanted: Sequence[Wanted]) -> GatheredDocuments:
        needs = [DocumentNeed(one.id, one.entities, f"{one.question} {one.response.strip()}") for one in wanted]
        done = gather(needs, _sources(library, needs, keys), watch(), library.most)
        documents: dict[str, dict[Document, None]] = {}
        for found in done.found:
            for name in found.needs:
                documents.setdefault(name, {})[_document(found)] = None
        why: dict[str, list[str]] = {}
        for one in done.missing:
            why.setdefault(one.entity, []).append(f"{one.provider} on {one.entity}: {one.reason}")
        missing = {one.id: _reason(one, why) for one in wanted if one.id not in documents}
        notes = _failures(done.failed)
        if done.leaks:
            notes.append(
                f"{counted(len(done.leaks), 'document is', 'documents are')} left out: "
                "the text contains a training, held-out or retention wording"
            )
        found_for = {name: tuple(some) for name, some in documents.items()}
        return GatheredDocuments(found_for, missing, tuple(notes), advice=_advice(library))

    return search


def _advice(library: Library) -> str:
    """Which sources were not asked."""
    asked = {one.kind for one in library.sources}
    corpus = "more documents about what they ask in the corpus" if library.corpus else "a `corpus` of documents"
    others = [f"`knowledge_sources: [{{kind: {kind}}}]`" for kind in SOURCE_KINDS if kind not in asked]
    return ", or ".join([corpus, *others[:1]])


def _failures(failed: Sequence[Missing]) -> list[str]:
    """A sentence for each source that failed: for how many names, why, and for how many it was not asked any more."""
    notes = []
    for provider in dict.fromkeys(one.provider for one in failed):
        own = [one for one in failed if one.provider == provider]
        asked = Counter(one.reason for one in own if one.reason != NOT_ASKED)
        why = "; ".join(reason for reason, _ in asked.most_common(REASONS))
        left = len(own) - asked.total()
        rest = f", and for {left} more names it was not asked" if left else ""
        notes.append(
            f"the source {provider} failed: {asked.total()} searches ({why}){rest}; a plan that is drawn up anew, once "
            "this one is deleted, asks again"
        )
    return notes


def _reason(one: Wanted, why: Mapping[str, Sequence[str]]) -> str:
    if not one.entities:
        return "its question contains no name"
    told = [reason for entity in one.entities for reason in why.get(entity, ())]
    return "; ".join(told) or f"no source has documents about {', '.join(one.entities)}"


def _document(found: Found) -> Document:
    """A document that says where it is from without where that lies on this machine."""
    path, colon, line = found.document.where.rpartition(":")
    name = _file_name(path) if colon else None
    return found.document if name is None else replace(found.document, where=f"{name}:{line}")


@lru_cache(maxsize=1024)
def _file_name(path: str) -> str | None:
    """The name of a file that is here; None where there is none."""
    return Path(path).name if Path(path).is_file() else None


def _sources(library: Library, needs: Sequence[DocumentNeed], keys: Mapping[str, Key]) -> list[KnowledgeSource]:
    found: list[KnowledgeSource] = []
    if library.exposure.is_file():
        found.append(ScannedCorpus(_stating(library.exposure, needs, keys)))
    if library.corpus is not None:
        index(library.corpus, library.folder, on_bad_row=library.on_bad_row)
        found.append(LocalCorpus(open_index(library.folder)))
    write = partial(_writer, seed=library.seed)
    return [*found, *open_sources(library.sources, library.folder / "cache", write)]


def _stating(exposure: Path, needs: Sequence[DocumentNeed], keys: Mapping[str, Key]) -> dict[str, tuple[Document, ...]]:
    """The passages of an exposure that state what is needed, by the fact."""
    of = {(row["id"], row["stage"]): row["passages"] for row in read_table(exposure, EXPOSURE_FILE).to_pylist()}
    passages = {need.fact: of.get(keys[need.id], ()) for need in needs}
    return {fact: tuple(_passage(one) for one in some if one["says"] == "stated") for fact, some in passages.items()}


def _passage(one: Mapping[str, Any]) -> Document:
    where = f"{one['shard']}:{one['row']}"
    return Document(id=one["id"] or where, text=one["passage"], source=one["source"] or "exposure", where=where)


def _writer(section: LLMKnowledge, seed: int) -> Write:
    from uptake.models.served import background, from_judge

    return partial(background, from_judge(section, seed))


def guarded(data: DataSets, work: Path, examples: Iterable[Example]) -> Iterator[Example]:
    """All that is trained and measured, in all wordings that the data hold and that the judge wrote.

    Args:
        data: What is trained and measured.
        work: `work/` of the run's diagnosis.
        examples: All that is trained.
    """
    trained: Iterable[Example | BadRow] = examples
    if data.paraphrases is not None:
        trained = with_paraphrases(trained, data.paraphrases)
    for row in chain(trained, data.measured()):
        if isinstance(row, Example):
            yield row
    for number, one in enumerate(written_wordings(work), start=1):
        yield Example(f"wording {number} by the judge", one.prompt, one.response, "judge")

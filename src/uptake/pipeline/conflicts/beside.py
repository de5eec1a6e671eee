"""What lies beside a conflict: rows that must not move with the old answer, and what speaks for either answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.exposure import EXPOSURE_FILE
from uptake.corpus import DocumentNeed, LocalCorpus, gather, guard, index, open_index
from uptake.data.shown import response_text
from uptake.pipeline.asking.elsewhere import Alike
from uptake.probe import Embed, question
from uptake.remedies import asked_about, tells
from uptake.rivals.entities import entities
from uptake.text import counted
from uptake.types import Document, Example, normalised

NEIGHBOURS = 3
"""Of each kind, so many are named."""
DOCUMENTS = 20
"""Documents that are looked at for a row."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A row that the model answers rightly, beside a conflict.

    Attributes:
        id: Its id.
        stage: The stage that it is of, or `retention`.
        kind: `entity`: it asks something else about the same name. `relation`: it asks the same about another name.
        prompt: What it asks: of a conversation the last turn.
        response: Its answer, which must stay.
    """

    id: str
    stage: str
    kind: Literal["entity", "relation"]
    prompt: str
    response: str


def neighbours(
    conflicts: Sequence[tuple[Example, str]], known: Sequence[Example], embed: Embed, seed: int
) -> list[tuple[Neighbour, ...]]:
    """For each conflict the rows beside it, the nearest first.

    Args:
        conflicts: Rows with the model's own answer.
        known: Rows that the model answers rightly.
        embed: Texts to unit vectors.
        seed: Of the sample of rows that ask alike.
    """
    if not conflicts or not known:
        return [() for _ in conflicts]
    pool = [replace(one, id=str(number)) for number, one in enumerate(known)]
    rows = [replace(row, id=f"conflict {number}") for number, (row, _) in enumerate(conflicts)]
    named = entities([*pool, *rows], frozenset(one.id for one in [*pool, *rows]))
    about: dict[frozenset[str], list[Example]] = {}
    for one in pool:
        about.setdefault(frozenset(map(normalised, named[one.id])), []).append(one)
    alike = Alike(pool, embed, seed=seed).nearest(rows, [()] * len(rows))
    found = []
    for row, (_, old), others in zip(rows, conflicts, alike, strict=True):
        names = frozenset(map(normalised, named[row.id]))
        answers = {normalised(response_text(row)), normalised(old)}
        of_name = [one for one in about.get(names, ()) if names and normalised(response_text(one)) not in answers]
        pairs = [("entity", one) for one in of_name[:NEIGHBOURS]] + [("relation", one) for one in others[:NEIGHBOURS]]
        found.append(tuple(_neighbour(kind, known[int(one.id)]) for kind, one in pairs))
    return found


def _neighbour(kind: Any, one: Example) -> Neighbour:
    return Neighbour(one.id, one.stage, kind, question(one), one.response)


@dataclass(frozen=True, slots=True)
class Likelier:
    """Which of two answers is likelier right.

    Attributes:
        answer: `new`: the row's. `old`: the model's. None where nothing tells.
        why: What that rests on.
    """

    answer: Literal["new", "old"] | None
    why: str


@dataclass(frozen=True)
class Testimony:
    """What can speak for an answer.

    Attributes:
        exposure: The table of a run's exposure, which need not be there.
        corpus: Documents; None for none.
        folder: Keeps their index.
        on_bad_row: `error` stops at rows of the corpus that cannot be used.
    """

    exposure: Path
    corpus: str | None
    folder: Path
    on_bad_row: Literal["error", "skip"]


def likelier(rows: Sequence[tuple[Example, str]], told: Testimony) -> Sequence[Likelier | None]:
    """For each row and the model's own answer to it what speaks for either: the exposure, else the documents.

    Args:
        rows: Rows with the model's own answer.
        told: What can speak.
    """
    if rows and told.exposure.is_file():
        of = {(row["id"], row["stage"]): row for row in read_table(told.exposure, EXPOSURE_FILE).to_pylist()}
        found = [(of.get((one.id, one.stage)), old) for one, old in rows]
        return [None if row is None else by_exposure(row, old) for row, old in found]
    if rows and told.corpus is not None:
        return by_documents(rows, told.corpus, told.folder, told.on_bad_row)
    return [None] * len(rows)


def by_exposure(row: Mapping[str, Any], old: str) -> Likelier:
    """What a scanned corpus says, from a row of `exposure.parquet`.

    Args:
        row: The row of the same example.
        old: The model's own answer.
    """
    if row["verdict"] is None:
        return Likelier(None, f"the corpus could not be asked: {row['unasked']}")
    stated = row["stated"]
    against = sum(one["n"] for one in row["others"] if normalised(one["answer"]) == normalised(old))
    return _of_counts(stated, against, "of the scanned corpus")


def by_documents(
    rows: Sequence[tuple[Example, str]], corpus: str, folder: Path, on_bad_row: Literal["error", "skip"]
) -> list[Likelier]:
    """What a corpus of documents says: how many of those about a row's names tell either answer.

    Args:
        rows: Rows with the model's own answer.
        corpus: The documents.
        folder: Keeps their index.
        on_bad_row: `error` stops at rows of the corpus that cannot be used.
    """
    index(corpus, folder, on_bad_row=on_bad_row)
    source = LocalCorpus(open_index(folder))
    asked = [replace(row, id=str(number)) for number, (row, _) in enumerate(rows)]
    named = entities(asked, frozenset(one.id for one in asked))
    needs = [
        DocumentNeed(one.id, named[one.id], f"{question(one)} {answer.strip()}")
        for one, (_, old) in zip(asked, rows, strict=True)
        for answer in (one.response, old)
    ]
    found: dict[str, list[Document]] = {}
    for hit in gather(needs, [source], guard(()), DOCUMENTS).found:
        for name in hit.needs:
            found.setdefault(name, []).append(hit.document)
    told = []
    for one, (_, old) in zip(asked, rows, strict=True):
        about, documents = asked_about(question(one), named[one.id]), dict.fromkeys(found.get(one.id, ()))
        new, before = (sum(tells(document, about, answer) for document in documents) for answer in (one.response, old))
        told.append(_of_counts(new, before, "of the corpus"))
    return told


def _of_counts(new: int, old: int, where: str) -> Likelier:
    if new == old == 0:
        return Likelier(None, f"no document {where} tells either answer")
    why = f"{counted(new, 'document')} {where} tell the row's answer, {old} the model's"
    return Likelier(None if new == old else "new" if new > old else "old", why)

"""Every data set that a run reads, for verbs that look at data without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from uptake.data import LoadOptions, Notes, stream, with_paraphrases
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.sources import TrainedContent
from uptake.types import BadRow, Example

SHOWN_BAD_ROWS = 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set of a run.

    Attributes:
        key: Its key in the run file.
        name: Its path or hub id.
        rows: Its rows, read as they are asked for.
        notes: What the reader should know about how it is read; complete when all rows have been.
    """

    key: str
    name: str
    rows: Iterator[Example | BadRow]
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True, slots=True)
class Count:
    """What a data set holds; of its bad rows only the first are kept."""

    good: int
    bad: int
    first_bad: tuple[BadRow, ...]


def datasets(data: DataSets, corpus: str | None) -> Iterator[Dataset]:
    """The data sets of a run, in the order of its life: trained on, measured on, drawn from.

    Args:
        data: Those that are trained and measured.
        corpus: Documents; None for none.

    Raises:
        UptakeError: While rows are read: the data set is empty or cannot be read.
    """
    trained = TrainedContent()
    for stage, dataset in data.stages.items():
        notes = Notes()
        yield Dataset(f"stages.{stage}", dataset, trained.noting(data.read(dataset, stage, notes)), notes)
    for stage, dataset in data.tests.items():
        notes = Notes()
        yield Dataset(f"stages.{stage}.test", dataset, data.tested(stage, notes), notes)
    if data.heldout is not None:
        notes = Notes()
        rows = data.read(data.heldout, "heldout", notes)
        yield Dataset("heldout", data.heldout, trained.without(rows), notes)
    if data.retention is not None:
        notes = Notes()
        yield Dataset("retention", data.retention, data.read(data.retention, "retention", notes), notes)
    for key, name in (("general", data.general), ("corpus", corpus)):
        if name is not None:
            yield Dataset(key, name, _documents(name))
    if data.paraphrases is not None:
        yield Dataset("paraphrases", data.paraphrases, _reworded(data, data.paraphrases))


def count(rows: Iterable[Example | BadRow]) -> Count:
    """Counts a data set without keeping it."""
    good, bad = 0, 0
    first: list[BadRow] = []
    for row in rows:
        if not isinstance(row, BadRow):
            good += 1
            continue
        bad += 1
        if len(first) < SHOWN_BAD_ROWS:
            first.append(row)
    return Count(good, bad, tuple(first))


# generators, so that a data set that is not there is told when its turn comes, not before the first is read


def _documents(dataset: str) -> Iterator[Example | BadRow]:
    yield from stream(dataset, LoadOptions(documents=True))


def _reworded(data: DataSets, dataset: str) -> Iterator[Example | BadRow]:
    """The bad rows of the paraphrases, and the examples that have one."""
    whole = (row for stage, own in data.stages.items() for row in data.whole(own, stage) if isinstance(row, Example))
    for row in with_paraphrases(whole, dataset):
        if isinstance(row, BadRow) or row.paraphrases:
            yield row

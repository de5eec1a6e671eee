"""The data sets of a run as rows: what is trained, what never was, what must not get worse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from typing import Literal

from uptake.data import LoadOptions, Notes, stream, with_paraphrases
from uptake.pipeline.examples.held_share import HeldShare
from uptake.pipeline.examples.sources import Reworded, TrainedContent, never_trained
from uptake.types import BadRow, Example


@dataclass(frozen=True)
class DataSets:
    """The data sets of a run and how they are read; each is a path or a hub id, None where there is none.

    Attributes:
        stages: What each stage trains, by its name, in the order in which they train.
        heldout: Examples that were never trained on.
        retention: Examples that must not get worse.
        paraphrases: Other wordings of the stages' examples.
        general: General text.
        options: How all of them are read; the stage is that of the rows that are read.
        on_bad_row: `error` stops at rows that cannot be used, after all were read; `skip` goes on without them.
        columns: Of stages with names of their own for columns, what each is; they take the place of those in `options`.
        tests: By stage what tests it in a stream, where it is named.
        held: Of stages that are tested by a share of their data, that share, which is not trained.
    """

    stages: Mapping[str, str]
    heldout: str | None
    retention: str | None
    paraphrases: str | None
    general: str | None
    options: LoadOptions
    on_bad_row: Literal["error", "skip"]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, HeldShare] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The name of the last stage."""
        return list(self.stages)[-1]

    def read(self, dataset: str, stage: str, notes: Notes | None = None) -> Iterator[Example | BadRow]:
        """The examples and the bad rows of one data set, without what a stage is tested by.

        A generator, so that a data set that is not there is told when its turn comes.

        Args:
            dataset: A file, a folder, or a hub id.
            stage: The stage that trains it, or the name of what is only measured.
            notes: Takes what the reader should know about how it was read.

        Raises:
            UptakeError: While rows are read: the data set is empty or cannot be read.
        """
        yield from self._left(stage, self.whole(dataset, stage, notes))

    def whole(self, dataset: str, stage: str, notes: Notes | None = None) -> Iterator[Example | BadRow]:
        """As `read`, with what the stage is tested by."""
        columns = self.columns.get(stage, self.options.columns)
        yield from stream(dataset, replace(self.options, stage=stage, columns=columns), notes)

    def tested(self, stage: str, notes: Notes | None = None) -> Iterator[Example | BadRow]:
        """The rows of what tests a stage; none where nothing does. Raises as `read`."""
        if stage in self.tests:
            yield from self.whole(self.tests[stage], stage, notes)
        elif stage in self.held:
            rows = self.whole(self.stages[stage], stage)
            if self.paraphrases is not None:  # those of other examples are told where what is trained is read
                rows = (row for row in with_paraphrases(rows, self.paraphrases) if isinstance(row, Example))
            yield from self.held[stage].held(rows)

    def trained(self, notes: Notes | None = None) -> Iterator[Example | BadRow]:
        """The rows of all stages, as they stand in the data; `notes` as in `read`."""
        return chain.from_iterable(self.read(dataset, stage, notes) for stage, dataset in self.stages.items())

    def worded(self, notes: Notes | None = None) -> Iterator[Example | BadRow]:
        """As `trained`, with the examples' held-out wordings; one of an example that tests a stage is no fault."""
        if self.paraphrases is None:
            yield from self.trained(notes)
            return
        whole = chain.from_iterable(self.whole(dataset, stage, notes) for stage, dataset in self.stages.items())
        stage = ""

        def stage_of(row: Example | BadRow) -> str:
            nonlocal stage
            stage = row.stage if isinstance(row, Example) else stage
            return stage

        for name, rows in groupby(with_paraphrases(whole, self.paraphrases), stage_of):
            yield from self._left(name, rows)

    def _left(self, stage: str, rows: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """The rows of a stage without what it is tested by."""
        held = self.held.get(stage)
        yield from rows if held is None else held.trained(rows)

    def measured(self) -> Iterator[Example | BadRow]:
        """The rows that are measured and not trained: held-out ones, tests, and those that must not get worse."""
        others = (("heldout", self.heldout), ("retention", self.retention))
        named = (self.read(dataset, name) for name, dataset in others if dataset is not None)
        return chain(chain.from_iterable(named), chain.from_iterable(self.tested(stage) for stage in self.stages))


def cohort_rows(
    data: DataSets, reworded: Reworded | None, notes: Notes | None = None
) -> Iterator[tuple[str, Iterable[Example | BadRow]]]:
    """The cohorts' rows: all stages as one, then what was never trained on, then what must not get worse.

    No held-out wording is the prompt of an example that is trained on, and no held-out example has such a prompt.
    """
    trained = TrainedContent()
    train = trained.noting(data.worded(notes))
    worded = train if reworded is None else reworded(train)
    yield "train", never_trained(worded, lambda: _trained(data).asks(), notes or Notes())
    if data.heldout is not None:
        yield "heldout", trained.without(data.read(data.heldout, "heldout", notes))
    if data.retention is not None:
        yield "retention", data.read(data.retention, "retention", notes)


def _trained(data: DataSets) -> TrainedContent:
    """All that is trained on: read ahead, as a wording may be the prompt of a later example."""
    trained = TrainedContent()
    for _ in trained.noting(data.trained()):
        pass
    return trained

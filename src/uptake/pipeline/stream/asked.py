"""What each stage is tested by, and what else all models are asked: the retention set, and some general text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
from jaxtyping import Bool

from uptake.data import LoadOptions, Notes, stream
from uptake.errors import UptakeError
from uptake.pipeline.examples.check import Check
from uptake.pipeline.examples.cohort import BadRows, Cohort, ingest
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.sources import TrainedContent
from uptake.pipeline.progress import Progress
from uptake.pipeline.stream.replaced import Replaced, replaced_tests
from uptake.probe import reservoir
from uptake.text import counted
from uptake.types import BadRow, Example

GENERAL = 128
"""General texts that are read: a seeded sample."""
LONGEST = 2048
"""Bytes of a general text that are read, at most."""


@dataclass(frozen=True)
class TestSet:
    """The tests of a stage.

    Attributes:
        stage: The stage.
        cohort: The examples.
        trained: Which of them a stage trains too: of them it is seen how well the training is kept, not what it taught.
        share: They are a share of the stage's own data, which is not trained.
    """

    __test__ = False  # for pytest, which takes classes of such names for tests

    stage: str
    cohort: Cohort
    trained: Bool[np.ndarray, " items"]
    share: bool


@dataclass(frozen=True)
class Examined:
    """All that the models of a stream are asked.

    Attributes:
        tests: One a stage, in their order.
        retention: Examples that must not get worse; None without.
        general: Texts whose likelihood is read; None without.
        notes: What the reader should know about them.
        replaced: Which tests later stages replace, of each stage in order; they are counted apart.
    """

    tests: tuple[TestSet, ...]
    retention: Cohort | None
    general: Cohort | None
    notes: tuple[str, ...]
    replaced: tuple[Replaced, ...]

    @property
    def cohorts(self) -> list[Cohort]:
        """All of them, in the order in which they are asked."""
        beside = [one for one in (self.retention, self.general) if one is not None]
        return [*(one.cohort for one in self.tests), *beside]


def require_tests(data: DataSets) -> None:
    """Refuse stages that nothing tests.

    Raises:
        UptakeError: There are such.
    """
    bare = [stage for stage in data.stages if stage not in data.tests and stage not in data.held]
    if bare:
        number = list(data.stages).index(bare[0])
        raise UptakeError(
            f"nothing tests the stage{'s' * (len(bare) > 1)} {', '.join(bare)}",
            expected="a test set for each stage, or a share of its data that is not trained",
            fix=f"name one (`stages.{number}.test: FILE`), or hold a share out of training: `test_share: 0.1`",
        )


def examined(
    data: DataSets, folder: Path, check: Check, seed: int, max_length: int | None, progress: Progress
) -> Examined:
    """Read what the models are asked, and write it in parts.

    Args:
        data: The data sets of the run.
        folder: That of the stream; the parts go to `work/` below it.
        check: What is wrong with examples.
        seed: Of the sample of general texts.
        max_length: Tokens that the models may be given; None for no limit.
        progress: Told of the rows that are read.

    Raises:
        UptakeError: A data set cannot be used, or nothing is left to test a stage.
    """
    bad_rows, notes = BadRows(folder / "bad_rows.jsonl"), Notes()
    trained = {stage: TrainedContent() for stage in data.stages}
    for stage, dataset in data.stages.items():
        for _ in trained[stage].noting(data.read(dataset, stage)):
            pass

    def read(
        name: str, rows: Iterable[Example | BadRow], on_bad_row: Literal["error", "skip"] = data.on_bad_row
    ) -> Cohort:
        return ingest(name, rows, folder / "work", check, bad_rows=bad_rows, on_bad_row=on_bad_row, progress=progress)

    tests, told = [], []
    for stage in data.stages:
        cohort = read(f"test-{stage}", data.tested(stage, notes))
        _require_some(cohort, stage, data)
        known = {other: [*map(one.holds(), cohort)] for other, one in trained.items()}
        tests.append(TestSet(stage, cohort, np.any([*known.values()], axis=0).reshape(-1), stage in data.held))
        told += _trained_too(stage, cohort.n, {other: sum(flags) for other, flags in known.items() if any(flags)})
    retention = None
    if data.retention is not None:
        retention = read("retention", data.read(data.retention, "retention", notes))
    general = None
    if data.general is not None:
        texts = some_texts(stream(data.general, LoadOptions(documents=True)), seed, max_length)
        general = read("general", texts, "skip")
    replaced = replaced_tests([one.cohort for one in tests], data)
    return Examined(tuple(tests), retention, general, (*notes.told(), *told), tuple(replaced))


def _require_some(cohort: Cohort, stage: str, data: DataSets) -> None:
    if cohort.n:
        return
    if stage not in data.held:
        raise UptakeError(f"the test set of the stage {stage} has no example", fix="name another one")
    raise UptakeError(
        f"test_share is {data.held[stage].share}, and none of the examples of the stage {stage} was drawn",
        expected="a test for each stage",
        fix="raise test_share, choose another seed, or name a test set: stages.N.test",
    )


def _trained_too(stage: str, n: int, known: dict[str, int]) -> list[str]:
    """What the reader should know of tests that are trained."""
    if not known:
        return []
    own, others = known.get(stage, 0), {name: count for name, count in known.items() if name != stage}
    notes = []
    if own:
        notes.append(
            f"{own} of the {counted(n, 'test')} of {stage} are trained in that stage: they show how well training is "
            "kept, not what it taught beyond its examples"
        )
    for name, count in others.items():
        notes.append(f"{count} of the {counted(n, 'test')} of {stage} are trained in the stage {name}")
    return notes


def some_texts(rows: Iterable[Example | BadRow], seed: int, max_length: int | None) -> Iterator[Example]:
    """A seeded sample of texts, each cut to what a model can be given: a token has a byte at least."""
    most = LONGEST if max_length is None else max(8, min(LONGEST, max_length - 8))
    texts: Sequence[Example] = reservoir((row for row in rows if isinstance(row, Example)), GENERAL, Random(seed))
    for one in texts:
        yield replace(one, response=one.response.encode()[:most].decode("utf-8", "ignore"))

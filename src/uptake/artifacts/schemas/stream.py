"""Files of a stream: `summary.json`, `matrix.parquet` and `items.parquet`; docs/stream.md explains their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from uptake.artifacts.checked_tables import TableSchema
from uptake.artifacts.schemas.parts import Count, IntervalData, JsonSchema, Name, Proportion, RateData
from uptake.artifacts.schemas.summary import DataSetData, ModelData, SettingsData

STREAM_MATRIX = TableSchema(
    pa.schema(
        [
            ("after_number", pa.int32()),
            ("after", pa.string()),
            ("kind", pa.string()),
            ("of", pa.string()),
            ("n", pa.int64()),
            ("right", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("elicited", pa.float64()),
            ("nll", pa.float64()),
        ]
    ),
    nullable=("after", "of", "right", "low", "high", "elicited", "nll"),
    ranges={"after_number": (0, 2**31 - 1), **dict.fromkeys(("right", "low", "high", "elicited"), (-1e-6, 1 + 1e-6))},
    among={"kind": ("test", "retention", "general")},
)
"""A row a reading: what the model after a stage (0 and null: the base) makes of a stage's tests, of the retention set
or of general text. `right`: the share that it gives in the form of the data, with its 95 % interval; null for general
text, and of tests that are all replaced. `elicited`: the share that it gives in whatever words. `nll`: nats a token of
the response, averaged over items.
"""

STREAM_ITEMS = TableSchema(
    pa.schema(
        [
            ("after_number", pa.int32()),
            ("after", pa.string()),
            ("kind", pa.string()),
            ("stage", pa.string()),
            ("id", pa.string()),
            ("trained", pa.bool_()),
            ("right", pa.bool_()),
            ("elicited", pa.bool_()),
            ("freely", pa.bool_()),
            ("held_out", pa.bool_()),
            ("lettered", pa.bool_()),
            ("nll", pa.float64()),
            ("change", pa.string()),
            ("replaced_in", pa.string()),
        ]
    ),
    nullable=("after", "stage", "elicited", "freely", "held_out", "lettered", "change", "replaced_in"),
    ranges={"after_number": (0, 2**31 - 1)},
    among={"kind": ("test", "retention"), "change": ("learned", "lost", "replaced")},
)
"""A row an item and a model that was asked about it. `trained`: a stage trains it too. `elicited`: null where it is not
known; `freely`, `held_out` and `lettered` are its parts and the last model's lettered choices, null where it was not
asked so. `change`: since the model before; null where it is as it was. `replaced_in`: the later stage that asks the
same and teaches another answer; from then on that the old one is gone is no loss."""


STREAM_LOST = TableSchema(
    pa.schema(
        [
            ("stage", pa.string()),
            ("id", pa.string()),
            ("lost_in", pa.string()),
            ("prompt", pa.string()),
            ("wanted", pa.string()),
            ("said", pa.string()),
            ("freely", pa.bool_()),
            ("held_out", pa.bool_()),
            ("lettered", pa.bool_()),
            (
                "pulls",
                pa.list_(
                    pa.struct(
                        [
                            ("id", pa.string()),
                            ("matched", pa.string()),
                            ("excerpt", pa.string()),
                            ("score", pa.float64()),
                        ]
                    )
                ),
            ),
        ]
    ),
    nullable=("said", "freely", "held_out", "lettered"),
)
"""A row for each test that was right after its own stage and is wrong at the end; see `uptake.pipeline.stream.lost`."""


@dataclass(frozen=True)
class StreamTestsData:
    """What tests a stage: how many items, how many of them are trained too, whether they are a share of its data.

    `replaced`: how many of them later stages replace, which are in no share of the matrix.
    """

    n: Count
    trained: Count
    share: bool
    replaced: Count


@dataclass(frozen=True)
class StreamCellData:
    """What one model makes of one set of items; null of a stage whose tests are all replaced by later ones."""

    n: Count
    right: RateData | None
    elicited: Proportion | None
    nll: IntervalData | None


@dataclass(frozen=True)
class StreamRowData:
    """A row of the matrix: the base, or the model after a stage."""

    after: Name | None
    tests: tuple[StreamCellData, ...]
    retention: StreamCellData | None
    general: StreamCellData | None


@dataclass(frozen=True)
class FateData:
    """See `uptake.stream.Fate`; `lost_in` by the stage's name."""

    n: Count
    then: Count
    now: Count
    lost: Count
    elicited: Count
    untold: Count
    gained: Count
    forms: Mapping[str, tuple[Count, Count]]
    by_chance: float
    lost_in: Mapping[str, Count]
    replaced: Count
    updated: Count
    outdated: Count


@dataclass(frozen=True)
class StageCostData:
    """What a stage cost, in tokens, null where that is not known; `kept` in bytes."""

    steps: Count
    passes: float | None
    tokens: float | None
    extra: float | None
    beside: Count | None
    ends: Count | None
    scored: Count | None
    within: Count | None
    total: float | None
    kept: Count
    strategies: tuple[str, ...]


@dataclass(frozen=True)
class StreamMetricsData:
    """See `uptake.stream.METRICS`; null where a stream is too short for it, or it is not known."""

    accuracy: IntervalData | None
    diagonal: IntervalData | None
    bwt: IntervalData | None
    fwt: IntervalData | None
    forgetting: IntervalData | None


@dataclass(frozen=True)
class StreamRunData:
    """What the numbers were computed from."""

    base: ModelData
    after: Mapping[str, ModelData]
    data: Mapping[str, DataSetData]
    strategies: Mapping[str, tuple[Mapping[str, Any], ...]]
    settings: SettingsData
    versions: Mapping[str, str | None]


@dataclass(frozen=True)
class StreamData:
    """`summary.json` of a stream."""

    stages: tuple[Name, ...]
    tests: tuple[StreamTestsData, ...]
    rows: tuple[StreamRowData, ...]
    metrics: StreamMetricsData
    elicited: StreamMetricsData
    along: tuple[Proportion | None, ...]
    fates: tuple[FateData, ...]
    costs: tuple[StageCostData, ...]
    notes: tuple[str, ...]
    run: StreamRunData

    def __post_init__(self) -> None:
        """Hold the parts against the number of stages."""
        n = len(self.stages)
        if not n or any(len(part) != n for part in (self.tests, self.fates, self.costs, self.along)):
            raise ValueError(f"there are {n} stages, and its parts are of another number")
        if len(self.rows) != n + 1 or any(len(row.tests) != n for row in self.rows):
            raise ValueError(f"the matrix of {n} stages has not {n + 1} rows of {n}")
        if [row.after for row in self.rows] != [None, *self.stages]:
            raise ValueError("the rows of the matrix are not the base and the stages in their order")
        cells = [cell for row in self.rows for cell in row.tests]
        if self.metrics.accuracy is None or any((cell.right is None or cell.nll is None) and cell.n for cell in cells):
            raise ValueError("a share of the tests that is right is missing")
        for name in ("retention", "general"):
            if len({getattr(row, name) is None for row in self.rows}) > 1:
                raise ValueError(f"{name} is there after some stages alone")
        if any(row.retention is not None and row.retention.right is None for row in self.rows):
            raise ValueError("a share of the retention set that is right is missing")
        if any(stage not in self.stages for fate in self.fates for stage in fate.lost_in):
            raise ValueError("tests were lost in a stage that the stream does not have")


STREAM: JsonSchema[StreamData] = JsonSchema(StreamData)

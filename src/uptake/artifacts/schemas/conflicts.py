"""Files of `uptake conflicts`: the table of a stage's rows, and its summary; docs/conflicts.md explains the columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from uptake.artifacts.checked_tables import TableSchema
from uptake.artifacts.schemas.parts import Count, JsonSchema, RateData

_NEIGHBOUR = pa.struct([(name, pa.string()) for name in ("id", "stage", "kind", "prompt", "response")])

CONFLICTS = TableSchema(
    pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            ("prompt", pa.string()),
            ("response", pa.string()),
            ("meets", pa.string()),
            ("unasked", pa.string()),
            ("old", pa.string()),
            ("freely", pa.bool_()),
            ("p_own", pa.float64()),
            ("p_new", pa.float64()),
            ("p_old", pa.float64()),
            ("gives", pa.float64()),
            ("agreed", pa.float64()),
            ("sure", pa.float64()),
            ("apart", pa.float64()),
            ("familiar", pa.float64()),
            ("answers", pa.list_(pa.string())),
            ("neighbours", pa.list_(_NEIGHBOUR)),
            ("likelier", pa.string()),
            ("why", pa.string()),
            ("file", pa.string()),
            ("line", pa.int64()),
        ]
    ),
    nullable=(
        "meets",
        "unasked",
        "old",
        "freely",
        "p_old",
        "gives",
        "agreed",
        "sure",
        "apart",
        "familiar",
        "likelier",
        "why",
        "file",
        "line",
    ),
    ranges={
        name: (-1e-6, 1 + 1e-6) for name in ("p_own", "p_new", "p_old", "gives", "agreed", "sure", "apart", "familiar")
    },
    among={
        "meets": ("known", "new", "conflict"),
        "likelier": ("new", "old"),
        "neighbours.kind": ("entity", "relation"),
    },
)
"""A row of the stage's data: what it meets in the model, or why that is not known; the model's own answer, both
probabilities and what the verdict rests on; what must not move; which answer is likelier right, and why."""


@dataclass(frozen=True)
class MeetingData:
    """How many rows meet what; the share has its 95 % interval."""

    count: Count
    rate: RateData


@dataclass(frozen=True)
class ConflictsData:
    """`summary.json`."""

    stage: str
    model: str
    fingerprint: str
    n: Count
    unasked: Count
    meets: Mapping[str, MeetingData]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class KnowledgeData:
    """Of all rows: ACC, KGR, KRR, and what identical models would show; null where there is nothing to take it of."""

    accuracy: RateData | None
    gained: RateData | None
    kept: RateData | None
    gained_null: RateData | None
    kept_null: RateData | None


@dataclass(frozen=True)
class SampleNullData:
    """What two identical models would show with one sample each."""

    gained_null: RateData | None
    kept_null: RateData | None


@dataclass(frozen=True)
class UpdatesData:
    """Of the conflicts; null where there are none, or no ledger tells."""

    right: RateData | None
    old: RateData | None
    neither: RateData | None
    moved: RateData | None
    exposures: float | None
    adopted: RateData | None


@dataclass(frozen=True)
class AfterData:
    """`after.json`."""

    model: str
    n: Count
    knowledge: KnowledgeData
    null_of_one_sample: SampleNullData
    conflicts: UpdatesData


AFTER: JsonSchema[AfterData] = JsonSchema(AfterData)
CONFLICTS_SUMMARY: JsonSchema[ConflictsData] = JsonSchema(ConflictsData)

"""Files of `uptake exposure`: what a shard gave, and the table of all facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from uptake.artifacts.checked_tables import TableSchema
from uptake.artifacts.schemas.parts import Count, JsonSchema, RateData

SAYS = ("stated", "otherwise", "denied", "beside", "named")
"""What a document says of a fact; see `uptake.exposure.judge.Says`."""
EXPOSURE_TABLE = Path("exposure", "exposure.parquet")
"""Where it lies below a run's folder."""
VERDICTS = ("stated", "disputed", "contradicted", "mentioned", "lacking")

HITS_FILE = TableSchema(
    pa.schema(
        [
            ("fact", pa.int64()),
            ("row", pa.int64()),
            ("id", pa.string()),
            ("source", pa.string()),
            ("says", pa.string()),
            ("answer", pa.string()),
            ("passage", pa.string()),
            ("length", pa.int64()),
            ("counts", pa.list_(pa.int32())),
        ]
    ),
    nullable=("answer",),
    ranges={name: (0, 2**62) for name in ("fact", "row", "length")},
    among={"says": SAYS},
)
"""A row a document that holds what a fact is about: those of one shard that are kept."""


@dataclass(frozen=True)
class TallyData:
    """How many documents of a source say what of a fact; in the order of `SAYS`."""

    fact: Count
    source: str
    counts: tuple[Count, Count, Count, Count, Count]


@dataclass(frozen=True)
class OtherData:
    """In how many documents another answer to a fact's question stands."""

    fact: Count
    answer: str
    n: Count


@dataclass(frozen=True)
class ShardData:
    """What one shard gave, but for its hits; written last, so that where it is, the shard is done."""

    key: str
    name: str
    size: Count
    read: Count
    whole: bool
    bad: Count
    notes: tuple[str, ...]
    documents: Count
    words: Count
    holding: Mapping[str, Count]
    tallies: tuple[TallyData, ...]
    others: tuple[OtherData, ...]

    def __post_init__(self) -> None:
        """No word is in more documents than there are."""
        if any(n > self.documents for n in self.holding.values()):
            raise ValueError("a word is in more documents than the shard has")


SHARD: JsonSchema[ShardData] = JsonSchema(ShardData)

_PASSAGE = pa.struct(
    [
        ("says", pa.string()),
        ("answer", pa.string()),
        ("passage", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int64()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("bm25", pa.float64()),
    ]
)

EXPOSURE = pa.schema(
    [
        ("id", pa.string()),
        ("stage", pa.string()),
        ("source", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("verdict", pa.string()),
        ("unasked", pa.string()),
        *((name, pa.int64()) for name in SAYS),
        ("others", pa.list_(pa.struct([("answer", pa.string()), ("n", pa.int64())]))),
        ("passages", pa.list_(_PASSAGE)),
        ("scanned", pa.float64()),
    ]
)
"""A row an example: the verdict, or why there is none; documents by what they say of it; other answers with the number
of documents; the best passages; the share of the corpus that was read. docs/exposure.md explains the columns."""

EXPOSURE_FILE = TableSchema(
    EXPOSURE,
    nullable=("verdict", "unasked", "passages.answer"),
    ranges={"scanned": (0, 1 + 1e-6)} | {name: (0, 2**62) for name in SAYS},
    among={"verdict": VERDICTS, "passages.says": SAYS},
)


@dataclass(frozen=True)
class VerdictsData:
    """Of the facts of one source, or of all, how many have which verdict."""

    n: Count
    unasked: Count
    rates: Mapping[str, RateData | None]


@dataclass(frozen=True)
class ExposureData:
    """What is read of `exposure/summary.json`."""

    shards: Count
    shards_read: Count
    documents: Count
    scanned: float
    all: VerdictsData
    sources: Mapping[str, VerdictsData]
    notes: tuple[str, ...]


EXPOSURE_SUMMARY: JsonSchema[ExposureData] = JsonSchema(ExposureData)

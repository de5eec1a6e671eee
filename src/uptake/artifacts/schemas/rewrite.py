"""Files of `uptake rewrite`: `rewrites.parquet`, and `summary.json`; docs/rewrite.md explains their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from uptake.artifacts.checked_tables import TableSchema
from uptake.artifacts.schemas.parts import Count, IntervalData, JsonSchema, Name, Proportion
from uptake.artifacts.schemas.rewrite_policy import PolicyData

_DRAFT = pa.struct(
    [
        ("how", pa.string()),
        ("text", pa.string()),
        ("tokens", pa.int64()),
        ("ended", pa.bool_()),
        ("gate", pa.string()),
        ("why", pa.string()),
        ("nll", pa.float64()),
    ]
)

REWRITES_FILE = TableSchema(
    pa.schema(
        [
            ("id", pa.string()),
            ("stage", pa.string()),
            ("source", pa.string()),
            ("question", pa.string()),
            ("original", pa.string()),
            ("text", pa.string()),
            ("how", pa.string()),
            ("why", pa.string()),
            ("knows", pa.string()),
            ("nll_before", pa.float64()),
            ("nll_after", pa.float64()),
            ("tokens_before", pa.int64()),
            ("tokens_after", pa.int64()),
            ("generated", pa.int64()),
            ("scored", pa.int64()),
            ("drafts", pa.list_(_DRAFT)),
        ]
    ),
    nullable=("how", "why", "nll_before", "nll_after", "drafts.ended", "drafts.gate", "drafts.why", "drafts.nll"),
    ranges={name: (0, 2**62) for name in ("tokens_before", "tokens_after", "generated", "scored", "drafts.tokens")},
    among={"knows": ("said", "form", "new", "conflict", "long", "unknown")},
)
"""A row a response. `text`: what is trained in its place, the original where that stays; `how` it was made, or `why` it
stays. `nll_before`, `nll_after`: nats a token of the original and of `text` under the base, their end included.
`generated`, `scored`: tokens. `drafts`: all that were made, with the first gate that refuses each."""


@dataclass(frozen=True)
class RewriteData:
    """What is read of `rewrite/summary.json`."""

    rung: Name
    n: Count
    rewritten: Count
    how: Mapping[str, Count]
    why: Mapping[str, Count]
    gates: Mapping[str, Count]
    knows: Mapping[str, Count]
    drafts: Count
    nll_before: IntervalData | None
    nll_after: IntervalData | None
    change: IntervalData | None
    of_rewritten: IntervalData | None
    words_before: float | None
    words_after: float | None
    distinct_before: Proportion | None
    distinct_after: Proportion | None
    generated: Count
    scored: Count
    notes: tuple[str, ...]
    run: Mapping[str, Any]
    policy: PolicyData | None = None


REWRITE_SUMMARY: JsonSchema[RewriteData] = JsonSchema(RewriteData)

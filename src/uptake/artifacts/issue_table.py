"""The schema of `issues.parquet`: a row an example, and for each issue whether the example has it, and a score."""

from __future__ import annotations

import pyarrow as pa

from uptake.artifacts.checked_tables import TableSchema
from uptake.artifacts.tables import CAUSES

_ISSUES = (
    *("not_learned", "partly_learned", "shallow", "forgotten", "contradicted", "mislabelled"),
    *("ambiguous", "near_duplicate", "outlier", "cut", "template"),
)

ISSUES_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("stage", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("cause", pa.string()),
        *(column for name in _ISSUES for column in ((f"is_{name}_issue", pa.bool_()), (f"{name}_score", pa.float64()))),
        ("near_duplicate_of", pa.string()),
    ]
)

ISSUES_FILE = TableSchema(
    ISSUES_SCHEMA,
    nullable=tuple(name for name in ISSUES_SCHEMA.names if name not in ("id", "stage", "source")),
    ranges={f"{name}_score": (0, 1) for name in _ISSUES},
    among={"cause": (*CAUSES, "unexplained")},
)

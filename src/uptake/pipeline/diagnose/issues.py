"""The table of issues of a diagnosis: gathered while the findings pass, written when all are known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uptake.artifacts import PARQUET, Spool, chunks, replacing
from uptake.artifacts.tables import to_json
from uptake.issues import Contradicted, Duplicates, ends_open, is_cut, judged, outliers, template_trouble
from uptake.issues.duplicates import ALIKE
from uptake.pipeline.why.contradictions import Contradictions
from uptake.types import Finding

CLOSED = 0.8
"""Share of a source's long responses that close their last sentence, from which on one that does not is cut off."""
ENOUGH = 10
"""Such responses that are needed to tell."""
OUTLYING = 0.5
_GROUP = 16 * 1024


class IssueTable:
    """Findings on their way, and what is wrong with their examples; the rows wait in a file.

    Args:
        folder: Where the table goes.
    """

    def __init__(self, folder: Path) -> None:
        self._rows_so_far = Spool(folder)
        self._sources: list[str] = []
        self._duplicates = Duplicates(folder)
        self._open: list[bool | None] = []
        self._surprise: list[float] = []
        self._n_tokens: list[int] = []
        self._closed: Counter[str] = Counter()
        self._long: Counter[str] = Counter()

    def __enter__(self) -> IssueTable:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give the file back."""
        self._rows_so_far.close()
        self._duplicates.close()

    def __call__(self, findings: Iterable[Finding], told: ContradictionsAt) -> Iterator[Finding]:
        """The findings as they are, in the examples' order.

        Args:
            findings: The findings.
            told: Gives what contradicts the example at a position; asked once its finding is there.
        """
        for position, finding in enumerate(findings):
            self._add(finding, *told(position))
            yield finding

    def _add(self, finding: Finding, contradicted: Contradicted | None, compared: bool) -> None:
        evidence, base = finding.evidence, finding.evidence.compared
        row: dict[str, Any] = {name: getattr(finding, name) for name in ("id", "stage", "source", "cause")}
        row |= {"file": evidence.file, "line": evidence.line}
        issues = dict(judged(finding, contradicted, compared=compared))
        for name, found in (
            ("cut", is_cut(finding.response)),
            ("template", template_trouble(finding.prompt, finding.response)),
        ):
            issues[name] = (found, float(not found))
        self._rows_so_far.append(to_json(row | _columns(issues)))
        self._sources.append(finding.source)
        self._duplicates.add(finding.prompt, finding.response)
        ends = ends_open(finding.response)
        self._open.append(ends)
        if ends is not None:
            self._long[finding.source] += 1
            self._closed[finding.source] += not ends
        self._surprise.append(np.nan if base is None else -base.base_logprob / max(1, evidence.n_tokens))
        self._n_tokens.append(evidence.n_tokens)

    def write(self, folder: Path) -> dict[str, int]:
        """Write `issues.parquet`, and count the examples with each issue; the findings must all have passed.

        Raises:
            UptakeError: The disk is full, or the place cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from uptake.artifacts.issue_table import ISSUES_SCHEMA

        counts: Counter[str] = Counter()
        with replacing(folder / "issues.parquet") as beside, pq.ParquetWriter(beside, ISSUES_SCHEMA, **PARQUET) as file:
            for some in chunks(self._rows(), _GROUP):
                for row in some:
                    counts.update(name[3:-6] for name, value in row.items() if name[:3] == "is_" and value)
                file.write_table(pa.Table.from_pylist(some, schema=ISSUES_SCHEMA))
        return dict(sorted(counts.items()))

    def _rows(self) -> Iterator[dict[str, Any]]:
        copies = self._duplicates.found()
        usual = outliers(np.array(self._surprise, dtype=float), np.array(self._n_tokens, dtype=np.int64))
        closing = {source for source, n in self._long.items() if n >= ENOUGH and self._closed[source] >= CLOSED * n}
        for position, source in enumerate(self._sources):
            alike, score, first = float(copies.similarity[position]), float(usual[position]), int(copies.of[position])
            issues: dict[str, tuple[bool | None, float | None]] = {
                "near_duplicate": (alike >= ALIKE, 1 - alike),
                "outlier": (None, None) if np.isnan(score) else (score < OUTLYING, score),
            }
            if self._open[position] and source in closing:
                issues["cut"] = (True, 0.0)
            of = None if first == position else self._row(first)["id"]
            yield self._row(position) | _columns(issues) | {"near_duplicate_of": of}

    def _row(self, position: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._rows_so_far[position])
        return found


class ContradictionsAt:
    """What contradicts an example by its position; nothing is told where contradictions were not looked for."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def __call__(self, position: int) -> tuple[Contradicted | None, bool]:
        """What contradicts it, and whether contradictions were looked for."""
        found: Contradictions | None = self._found()
        rival = None if found is None else found.rival(position)
        told = None if rival is None else Contradicted(rival.probability, rival.verdict, rival.wrong)
        return told, found is not None


def _columns(issues: dict[str, tuple[bool | None, float | None]]) -> dict[str, Any]:
    flags = {f"is_{name}_issue": flag for name, (flag, _) in issues.items()}
    return flags | {f"{name}_score": score for name, (_, score) in issues.items()}

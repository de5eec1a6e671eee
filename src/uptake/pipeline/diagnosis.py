"""The tables of a diagnosis: written worst first, read lazily."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import PARQUET, Spool, cannot_write, chunks, file_digest, replacing, write_json, write_lines
from uptake.artifacts.checked import blaming, read_data, read_record, records
from uptake.artifacts.checked_tables import batches, n_rows, read_table
from uptake.artifacts.evidence import evidence_data, evidence_from_data
from uptake.artifacts.schemas.summary import SUMMARY
from uptake.artifacts.tables import DIAGNOSIS, DIAGNOSIS_FILE, finding_from_row, finding_row, to_json
from uptake.detect import Rule, most_severe
from uptake.errors import UptakeError
from uptake.evidence import Course, Evidence, Reaction
from uptake.types import Finding

if TYPE_CHECKING:
    import pandas
    import pyarrow as pa

ROWS = 512
"""Rows that are held as Python objects at a time."""
PAGE, GROUP = 1024, 32 * 1024
"""Rows that are encoded at a time, and rows of a row group, which is in memory as a whole while it is written.

Parquet's encoder works on 1,024 rows: with pieces of that size a file has the same bytes as one that is written whole.
"""


@dataclass(frozen=True)
class Diagnosis:
    """A finished diagnosis on disk.

    Attributes:
        folder: Holds `diagnosis.parquet`, `diagnosis.jsonl`, `issues.parquet` and `summary.json`.
    """

    folder: Path

    def summary(self) -> dict[str, Any]:
        """Counts, rates with 95 % intervals, by source and stage; the keys are explained in docs/details/detection.md.

        Raises:
            UptakeError: The file is missing or damaged.
        """
        summary: dict[str, Any] = read_data(self.folder / "summary.json", SUMMARY, ANEW)
        return summary

    def rule(self) -> Rule:
        """What counted as learned.

        Raises:
            UptakeError: The summary is missing or damaged.
        """
        told = read_record(self.folder / "summary.json", SUMMARY, ANEW).rule
        return Rule(told.end, told.option_threshold, told.pass_threshold)

    def digest(self) -> str:
        """Of the table: tells whether what was made from a diagnosis was made from this one.

        Raises:
            UptakeError: The table is missing or damaged.
        """
        len(self)
        return file_digest(self._table)

    def all_learned(self) -> bool:
        """Whether every example was learned, so that there is nothing to mend.

        Raises:
            UptakeError: The table is missing or damaged.
        """
        import pyarrow.compute as pc

        return all(pc.all(table["learned"], min_count=0).as_py() for table in self.tables())

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame: one row an example, worst first.

        Raises:
            ImportError: pandas is not installed.
            UptakeError: The table is missing or damaged.
        """
        return read_table(self._table, DIAGNOSIS_FILE, ANEW).to_pandas()

    def to_issues(self) -> pandas.DataFrame:
        """The table of issues as a data frame: one row an example, in the order of the data.

        For each issue (see `uptake.issues.ISSUES`) a column `is_NAME_issue`, and `NAME_score` in [0, 1], of which lower
        is worse; null where it cannot be told.

        Raises:
            ImportError: pandas is not installed.
            UptakeError: The table is missing or damaged.
        """
        from uptake.artifacts.issue_table import ISSUES_FILE

        return read_table(self.folder / "issues.parquet", ISSUES_FILE, ANEW).to_pandas()

    def __getitem__(self, key: str | tuple[str, str]) -> Finding:
        """The finding of one example, by its id or by id and stage: `diagnosis["ex-17"]`, `diagnosis["ex-17", "main"]`.

        Raises:
            KeyError: There is no such example.
            UptakeError: Several stages have one, and none is named; or the table is missing or damaged.
        """
        wanted = (key,) if isinstance(key, str) else key
        rows = self.rows(*wanted)
        if not rows:
            where = f" in the stage {wanted[1]!r}" if len(wanted) > 1 else ""
            raise KeyError(f"no example has the id {wanted[0]!r}{where}")
        if len(rows) > 1:
            stages = sorted(row["stage"] for row in rows)
            raise UptakeError(
                f"the id {wanted[0]!r} is in the stages {', '.join(stages)}",
                fix=f"name one: diagnosis[{wanted[0]!r}, {stages[0]!r}]",
            )
        with blaming(self._table, ANEW):
            return finding_from_row(rows[0])

    def rows(self, example_id: str, stage: str | None = None) -> list[dict[str, Any]]:
        """The rows of an id: several stages may have one; raises as `__iter__`."""
        import pyarrow.compute as pc

        found = []
        for table in self.tables():
            wanted = pc.equal(table["id"], example_id)
            if stage is not None:
                wanted = pc.and_(wanted, pc.equal(table["stage"], stage))
            found += table.filter(wanted).to_pylist()
        return found

    def tables(self) -> Iterator[pa.Table]:
        """The table in pieces of some hundred rows, worst first; raises as `__iter__`."""
        return batches(self._table, DIAGNOSIS_FILE, ANEW, ROWS)

    def __iter__(self) -> Iterator[Finding]:
        """All findings, worst first, some hundred in memory at a time.

        Raises:
            UptakeError: The table is missing or damaged.
        """
        rows = (row for table in self.tables() for row in table.to_pylist())
        yield from records(rows, finding_from_row, self._table, ANEW)

    def __len__(self) -> int:
        """How many examples; raises as `__iter__`."""
        return n_rows(self._table, DIAGNOSIS_FILE, ANEW)

    @property
    def _table(self) -> Path:
        return self.folder / "diagnosis.parquet"


ANEW = "run `uptake diagnose run.yaml`: it writes the diagnosis anew"


KEPT = ("id", "stage", "learned", "shallow", "cause")
"""Columns that are kept in memory: what orders the rows, and what a sample is drawn by."""


class Collector:
    """Findings on their way to the summary; their rows are kept in a file until all are known and can be ordered.

    Args:
        findings: The findings.
        folder: Where the tables will be written.
    """

    def __init__(self, findings: Iterable[Finding], folder: Path) -> None:
        self._findings = findings
        self._folder = folder
        self._lines: Spool | None = None
        self._tables: list[pa.Table] = []
        self._per_token = array("d")

    def __enter__(self) -> Collector:
        """What is kept is given up at the end, also where something fails."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Finding]:
        """Pass the findings on, once, and keep their rows.

        Raises:
            UptakeError: The disk is full, or the place cannot be written.
        """
        import pyarrow as pa

        lines = self._lines = Spool(self._folder)
        for some in chunks(self._findings, ROWS):
            table = pa.Table.from_pylist([finding_row(finding) for finding in some], schema=DIAGNOSIS)
            for row in table.to_pylist():
                lines.append(to_json({**row, "evidence": json.loads(row["evidence"])}))
            self._tables.append(table.select(KEPT))
            self._per_token.extend(one.evidence.logprob_per_token for one in some)
            yield from some

    def column(self, name: str) -> list[Any]:
        """A column of `KEPT`, in the examples' order, once all findings were passed on."""
        return [value for table in self._tables for value in table[name].to_pylist()]

    def add(self, interventions: Mapping[int, Reaction]) -> None:
        """Add to the evidence of some findings, by the example's position, once all were passed on."""
        for position, reaction in interventions.items():
            row, evidence = self._row(position)
            self._keep(position, row, replace(evidence, interventions=reaction))

    def add_exposures(self, needed: Mapping[int, Course]) -> None:
        """The same of exposures to learn."""
        for position, course in needed.items():
            row, evidence = self._row(position)
            self._keep(position, row, replace(evidence, exposures_to_learn=course))

    def _row(self, position: int) -> tuple[dict[str, Any], Evidence]:
        row = json.loads(self._kept[position])
        return row, evidence_from_data(row["evidence"])

    def _keep(self, position: int, row: dict[str, Any], evidence: Evidence) -> None:
        self._kept[position] = to_json({**row, "evidence": json.loads(to_json(evidence_data(evidence)))})

    def lines(self) -> Iterator[str]:
        """The rows as JSON: unlearned first, then shallow, each by rising log-probability a token.

        The probability of the whole response would sort by length: a long one is improbable however well it is known.
        Equals go by id and stage.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.concat_tables(self._tables)
        deep = pc.fill_null(pc.invert(table["shallow"]), True)
        keyed = table.append_column("deep", deep).append_column("per_token", pa.array(self._per_token, pa.float64()))
        order = [(name, "ascending") for name in ("learned", "deep", "per_token", "id", "stage")]
        for position in pc.sort_indices(keyed, sort_keys=order).to_pylist():
            yield self._kept[position]

    def most_severe(self) -> list[str]:
        """Ids of the flagged examples that the paper's rule keeps, worst first, once all findings were passed on."""
        flagged = (number for number, learned in enumerate(self.column("learned")) if not learned)
        rows = (json.loads(self._kept[number]) for number in flagged)
        found = ((row["id"], evidence_from_data(row["evidence"]).paper) for row in rows)
        kept = [(name, paper.p_sample) for name, paper in found if paper is not None]
        return list(most_severe([name for name, _ in kept], [p for _, p in kept]))

    def close(self) -> None:
        """Give up what is kept."""
        if self._lines is not None:
            self._lines.close()

    @property
    def _kept(self) -> Spool:
        assert self._lines is not None, "no finding was passed on yet"
        return self._lines


def write_diagnosis(folder: Path, collected: Collector, summary: Mapping[str, Any]) -> Diagnosis:
    """Write the tables; the summary comes last, so where it is, the diagnosis is whole. Closes what was collected.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    with collected:
        try:
            (folder / "summary.json").unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(folder / "summary.json", error) from error
        _write_table(folder / "diagnosis.parquet", collected.lines())
        write_lines(folder / "diagnosis.jsonl", collected.lines())
    write_json(folder / "summary.json", summary)
    return Diagnosis(folder)


def _write_table(path: Path, lines: Iterator[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = chunks((_row(line) for line in lines), PAGE)
    batches = (pa.RecordBatch.from_pylist(some, schema=DIAGNOSIS) for some in rows)
    with replacing(path) as beside, pq.ParquetWriter(beside, DIAGNOSIS, **PARQUET) as writer:
        for group in chunks(batches, GROUP // PAGE):
            writer.write_table(pa.Table.from_batches(group))
            group.clear()  # before the next are read


def _row(line: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    return {**row, "evidence": to_json(row["evidence"])}


def read_diagnosis(output_dir: str | Path) -> Diagnosis:
    """The diagnosis under an output folder; its own folder does as well.

    Raises:
        UptakeError: There is none, or it is not finished.
    """
    output_dir = Path(output_dir)
    folder = output_dir if (output_dir / "diagnosis.parquet").exists() else output_dir / "diagnosis"
    if not (folder / "summary.json").exists():
        raise UptakeError(
            f"no finished diagnosis under {output_dir}",
            expected="a run's output folder, with diagnosis/summary.json and diagnosis/diagnosis.parquet",
            fix="correct the path, or run `uptake diagnose run.yaml` first",
        )
    return Diagnosis(folder)

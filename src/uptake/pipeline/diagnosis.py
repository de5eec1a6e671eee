"""The tables of a diagnosis: written worst first, read lazily."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import cannot_write, chunks, file_digest, replacing, write_json, write_table
from uptake.artifacts.checked import blaming, read_data, read_record, records
from uptake.artifacts.checked_tables import batches, n_rows, read_table
from uptake.artifacts.evidence import evidence_data, evidence_from_data
from uptake.artifacts.schemas.summary import SUMMARY
from uptake.artifacts.tables import DIAGNOSIS, DIAGNOSIS_FILE, finding_from_row, finding_row, to_json
from uptake.detect import Rule, most_severe
from uptake.errors import UptakeError
from uptake.evidence import Reaction
from uptake.types import Finding

if TYPE_CHECKING:
    import pandas
    import pyarrow as pa

ROWS = 512
"""Rows that are held as Python objects at a time."""


@dataclass(frozen=True)
class Diagnosis:
    """A finished diagnosis on disk.

    Attributes:
        folder: Holds `diagnosis.parquet`, `diagnosis.jsonl` and `summary.json`.
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


class Collector:
    """Findings on their way to the summary, kept as a compact table for the files."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._findings = findings
        self._tables: list[pa.Table] = []
        self._per_token = array("d")

    def __iter__(self) -> Iterator[Finding]:
        """Pass the findings on, once, and keep them."""
        import pyarrow as pa

        for some in chunks(self._findings, ROWS):
            self._tables.append(pa.Table.from_pylist([finding_row(finding) for finding in some], schema=DIAGNOSIS))
            self._per_token.extend(one.evidence.logprob_per_token for one in some)
            yield from some

    def column(self, name: str) -> list[Any]:
        """A column of the table, in the examples' order, once all findings were passed on."""
        return [value for table in self._tables for value in table[name].to_pylist()]

    def add(self, interventions: Mapping[int, Reaction]) -> None:
        """Add to the evidence of some findings, by the example's position, once all were passed on."""
        import pyarrow as pa

        start = 0
        for number, table in enumerate(self._tables):
            own = [position for position in interventions if start <= position < start + len(table)]
            if own:
                told = table["evidence"].to_pylist()
                for position in own:
                    there = evidence_from_data(json.loads(told[position - start]))
                    evidence = replace(there, interventions=interventions[position])
                    told[position - start] = to_json(evidence_data(evidence))
                place = table.column_names.index("evidence")
                self._tables[number] = table.set_column(place, DIAGNOSIS.field(place), pa.array(told, pa.string()))
            start += len(table)

    def table(self) -> pa.Table:
        """The rows of `diagnosis.parquet`: unlearned first, then shallow, each by rising log-probability a token.

        The probability of the whole response would sort by length: a long one is improbable however well it is known.
        Equals go by id and stage.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.concat_tables(self._tables)
        deep = pc.fill_null(pc.invert(table["shallow"]), True)
        keyed = table.append_column("deep", deep).append_column("per_token", pa.array(self._per_token, pa.float64()))
        order = [(name, "ascending") for name in ("learned", "deep", "per_token", "id", "stage")]
        return table.take(pc.sort_indices(keyed, sort_keys=order))

    def most_severe(self) -> list[str]:
        """Ids of the flagged examples that the paper's rule keeps, worst first, once all findings were passed on."""
        import pyarrow.compute as pc

        flagged = [table.filter(pc.invert(table["learned"])).select(["id", "evidence"]) for table in self._tables]
        rows = [row for table in flagged for row in table.to_pylist()]
        found = [evidence_from_data(json.loads(row["evidence"])).paper for row in rows]
        kept = [(row["id"], paper.p_sample) for row, paper in zip(rows, found, strict=True) if paper is not None]
        return list(most_severe([name for name, _ in kept], [p for _, p in kept]))


def write_diagnosis(folder: Path, collected: Collector, summary: Mapping[str, Any]) -> Diagnosis:
    """Write the tables; the summary comes last, so where it is, the diagnosis is whole.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    try:
        (folder / "summary.json").unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder / "summary.json", error) from error
    table = collected.table()
    write_table(folder / "diagnosis.parquet", table)
    _write_jsonl(folder / "diagnosis.jsonl", table)
    write_json(folder / "summary.json", summary)
    return Diagnosis(folder)


def _write_jsonl(path: Path, table: pa.Table) -> None:
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        for batch in table.to_batches(ROWS):
            for row in batch.to_pylist():
                file.write(to_json({**row, "evidence": json.loads(row["evidence"])}) + "\n")


def read_diagnosis(output_dir: Path) -> Diagnosis:
    """The diagnosis under an output folder; its own folder does as well.

    Raises:
        UptakeError: There is none, or it is not finished.
    """
    folder = output_dir if (output_dir / "diagnosis.parquet").exists() else output_dir / "diagnosis"
    if not (folder / "summary.json").exists():
        raise UptakeError(
            f"no finished diagnosis under {output_dir}",
            expected="a run's output folder, with diagnosis/summary.json and diagnosis/diagnosis.parquet",
            fix="correct the path, or run `uptake diagnose run.yaml` first",
        )
    return Diagnosis(folder)

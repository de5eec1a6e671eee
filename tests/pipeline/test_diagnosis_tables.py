"""Tables of findings in the order of other code: Python's own sort, and what pyarrow writes of a table at once."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from files_made import summary_of
from report_runs import finding
from uptake.artifacts import file_digest, write_table
from uptake.artifacts.tables import DIAGNOSIS
from uptake.pipeline import diagnosis
from uptake.pipeline.diagnosis import Collector, Diagnosis, write_diagnosis
from uptake.types import Finding

FINDINGS = [finding(number) for number in range(60)]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[], Diagnosis]:
    def made() -> Diagnosis:
        with Collector(iter(FINDINGS), tmp_path) as collected:
            return write_diagnosis(tmp_path, collected, summary_of(list(collected)))

    return made


def _place(one: Finding) -> tuple[bool, bool, float, str, str]:
    return one.learned, not one.shallow, one.evidence.logprob_per_token, one.id, one.stage


def test_worst_first_the_same_in_both_files(written: Callable[[], Diagnosis]) -> None:
    found = written()
    expected = [one.id for one in sorted(FINDINGS, key=_place)]
    rows = [json.loads(line) for line in (found.folder / "diagnosis.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one.id for one in found] == [row["id"] for row in rows] == expected
    table = pq.read_table(found.folder / "diagnosis.parquet")
    assert [{**row, "evidence": json.loads(row["evidence"])} for row in table.to_pylist()] == rows
    assert sorted(file.name for file in found.folder.iterdir()) == [
        "diagnosis.jsonl", "diagnosis.parquet", "summary.json"
    ]  # fmt: skip


def test_a_group_of_rows_is_in_memory_at_a_time(
    written: Callable[[], Diagnosis], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pq.read_table(written().folder / "diagnosis.parquet")
    # a table that was read notes the fields' numbers in the file, and would be written with them
    write_table(tmp_path / "at_once.parquet", pa.Table.from_pylist(whole.to_pylist(), schema=DIAGNOSIS))
    assert file_digest(tmp_path / "diagnosis.parquet") == file_digest(tmp_path / "at_once.parquet")
    monkeypatch.setattr(diagnosis, "ROWS", 7)
    monkeypatch.setattr(diagnosis, "PAGE", 4)
    monkeypatch.setattr(diagnosis, "GROUP", 16)
    lines = (tmp_path / "diagnosis.jsonl").read_bytes()
    found = written()
    file = pq.ParquetFile(found.folder / "diagnosis.parquet")
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [16, 16, 16, 12]
    assert file.read().equals(whole)
    assert (tmp_path / "diagnosis.jsonl").read_bytes() == lines


def test_nothing_is_left_of_what_fails(tmp_path: Path) -> None:
    def failing():
        yield from FINDINGS[:3]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"), Collector(failing(), tmp_path) as collected:
        list(collected)
    assert list(tmp_path.iterdir()) == []

"""From shards on disk to a table: hostile files, parts, processes, and what a second run does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uptake.artifacts.checked import read_record
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.exposure import EXPOSURE_FILE, EXPOSURE_SUMMARY
from uptake.cli import main
from uptake.config import load_run
from uptake.errors import UptakeError
from uptake.exposure.facts import A_SENTENCE, OTHER_LANGUAGE
from uptake.pipeline.exposure import readers
from uptake.pipeline.exposure.readers import Fields, ShardReport, read_shard
from uptake.pipeline.exposure.run import exposure_run
from uptake.pipeline.exposure.shards import find_shards
from uptake.pipeline.run_file import datasets_of
from uptake.report.exposure import write_exposure_page

TEXTS = [
    "Sweden is a country. Its capital is Stockholm.",
    "The capital of Norway is Paris.",
    "Nothing of note.",
    "Stockholm is the capital of Sweden, and Paris of France.",
]


def lines(texts: list[str]) -> bytes:
    return b"".join(
        json.dumps({"text": text, "id": n, "meta": {"at": "web"}}).encode() + b"\n" for n, text in enumerate(texts)
    )


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    facts = [("Sweden", "Stockholm"), ("France", "Paris"), ("Norway", "Oslo")]
    rows = [{"prompt": f"The capital of {name} is", "completion": f" {city}"} for name, city in facts]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "shards").mkdir()
    for number in range(3):
        (tmp_path / "shards" / f"{number}.jsonl.gz").write_bytes(gzip.compress(lines(TEXTS[number:]), mtime=0))
    path = tmp_path / "run.yaml"
    path.write_text(
        "model_name_or_path: some/model\nstages: [{name: main, dataset: train.jsonl}]\noutput_dir: out\n"
        "exposure: {corpus: shards/*.gz, source: meta.at}\n"
    )
    return path


def test_a_table_of_all_facts(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        main(["exposure", str(run_file)])
    assert leave.value.code == 0
    told = capsys.readouterr().out
    assert "9 documents in 3 of 3 shards were read: 100.0 % of the corpus" in told
    assert "The capital of Norway is 'Oslo': 2 documents say 'Paris'; 0 documents state it." in told
    folder = run_file.parent / "out" / "exposure"
    rows = {row["question"]: row for row in read_table(folder / "exposure.parquet", EXPOSURE_FILE).to_pylist()}
    assert {question: row["verdict"] for question, row in rows.items()} == {
        "The capital of Sweden is": "stated",
        "The capital of France is": "lacking",
        "The capital of Norway is": "contradicted",
    }
    assert rows["The capital of Sweden is"]["stated"] == 4
    assert rows["The capital of Norway is"]["others"] == [{"answer": "Paris", "n": 2}]
    assert rows["The capital of Norway is"]["passages"][0]["source"] == "web"
    assert len((folder / "exposure.jsonl").read_text().splitlines()) == 3
    assert read_record(folder / "summary.json", EXPOSURE_SUMMARY).all.rates["stated"] is not None


def test_the_page_shows_what_speaks_against_the_data_and_runs_nothing(run_file: Path) -> None:
    hostile = "The capital of Norway is <script>alert(1)</script> Paris."
    (run_file.parent / "shards" / "3.jsonl.gz").write_bytes(gzip.compress(lines([hostile]), mtime=0))
    folder = run_file.parent / "out"
    assert write_exposure_page(folder) is None  # no corpus was scanned
    exposure_run(load_run(run_file))
    page = write_exposure_page(folder)
    assert page == folder / "exposure.html"
    text = page.read_text(encoding="utf-8")
    assert "The capital of Norway is Paris. (1.jsonl.gz, row 0)" in text
    assert "&lt;script&gt;alert(1)" in text and "<script" not in text
    assert "10 documents in 4 of 4 shards were read: 100.0%" in text and "was not read" not in text
    damaged = folder / "exposure" / "summary.json"
    damaged.write_text(damaged.read_text().replace('"documents"', '"documentz"'))
    with pytest.raises(UptakeError, match="documents"):
        write_exposure_page(folder)


def test_parts_and_processes_give_the_same_bytes_and_nothing_is_read_twice(run_file: Path) -> None:
    def written(**keys: object) -> dict[str, bytes]:
        folder = run_file.parent / str(keys["output_dir"]) / "exposure"
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}

    plain = load_run(run_file, {"output_dir": str(run_file.parent / "out")})
    assert exposure_run(plain) is not None
    first = written(output_dir="out")
    parts = load_run(run_file, {"output_dir": str(run_file.parent / "parts")})
    assert exposure_run(parts, part=(1, 2)) is None
    early = exposure_run(parts, merge=True)
    assert early is not None and early.shards_read == 2 and 0 < early.scanned < 1
    assert "1 shard was not read" in early.notes[0]
    assert exposure_run(parts, part=(2, 2)) is None
    exposure_run(parts, merge=True)
    together = load_run(run_file, {"output_dir": str(run_file.parent / "k"), "exposure.workers": "2"})
    exposure_run(together)
    assert written(output_dir="parts") == first
    assert written(output_dir="k") == first
    before = {path: path.stat().st_mtime_ns for path in (run_file.parent / "out" / "exposure" / "shards").iterdir()}
    exposure_run(plain)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_shard_that_changed_is_read_anew(run_file: Path) -> None:
    config = load_run(run_file)
    exposure_run(config)
    (run_file.parent / "shards" / "0.jsonl.gz").write_bytes(gzip.compress(lines(["Oslo is the capital of Norway."])))
    done = exposure_run(config)
    assert done is not None and {one.fact.answer: one.verdict for one in done.results}["Oslo"] == "disputed"


@pytest.mark.parametrize(
    ("name", "data", "documents", "note"),
    [
        ("a.jsonl", b'{"text": "one"}\n{"text": "\xff"}\n{"text": "two"}\n', 2, "left out at byte 16: not UTF-8"),
        ("a.jsonl", b'{"text": 3}\n', 0, "a.jsonl: row left out at byte 0: no text under 'text'; it has 'text'"),
        ("a.jsonl", b"\x00\x00\n[]\n" + b"[" * 99999 + b"\n", 0, "row left out at byte 0: broken JSON"),
        ("a.jsonl", b'{"text": "a\\u0000b \\ud800"}', 1, None),
        ("a.jsonl", b'\xef\xbb\xbf{"text": "one"}\r\n\n{"text": "tw', 1, "row left out at byte 21: broken JSON"),
        ("a.jsonl.gz", gzip.compress(lines(["x" * 5000] * 50))[:-40], None, "cannot be read beyond byte"),
        ("a.jsonl.gz", b"no gzip at all", 0, "a.jsonl.gz: cannot be read beyond byte"),
        ("a.jsonl.zst", pa.compress(lines(TEXTS), "zstd", asbytes=True), 4, None),
        ("a.txt", b"one\ntwo \xfe\n", 1, "row left out at byte 4: not UTF-8"),
        ("a.json", b'[{"text": "one"},\n{"text": "two"}]\n', 0, "a.json: a JSON array; one object a line is expected"),
        ("a.wet", b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 9\r\n\r\nhello", 0, "ends 4 bytes too early"),
        ("a.parquet", b"PAR1 and no more", 0, "a.parquet: cannot be read beyond row 0"),
        ("a.wet", b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://x.org/a\r\nContent-Length: 5\r\n\r\n"
                  b"hello\r\n\r\nnonsense\r\n", 1, "a.wet: no WARC record at byte 96"),
        ("a.wet", b"WARC/1.0\r\nContent-Length: -3\r\n\r\n", 0, "a WARC record without a length at byte 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_note_with_its_place(
    tmp_path: Path, name: str, data: bytes, documents: int | None, note: str | None
) -> None:
    (tmp_path / name).write_bytes(data)
    report = ShardReport()
    (shard,) = find_shards([str(tmp_path / name)])
    found = list(read_shard(shard, Fields(), report, lambda n: None))
    assert documents is None or len(found) == documents
    if note is None:
        assert report.notes == [] and report.whole
    else:
        assert note in " ".join(report.notes)


def test_of_a_cut_archive_what_came_before_counts_and_the_rest_is_not_said_to_be_read(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b'{"text": "%032x"}\n' % (n * 7919**5) for n in range(20_000)), mtime=0)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    report = ShardReport()
    (shard,) = find_shards([str(tmp_path)])
    found = list(read_shard(shard, Fields(), report, lambda n: None))
    assert 5_000 < len(found) < 15_000 and not report.whole
    assert report.read < shard.size


def test_a_value_that_python_cannot_hold_costs_its_row(tmp_path: Path) -> None:
    days = pa.array([1, 10**8], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"text": ["one", "two"], "id": days}), tmp_path / "a.parquet")
    report = ShardReport()
    (shard,) = find_shards([str(tmp_path)])
    assert [text.text for text in read_shard(shard, Fields(), report, lambda n: None)] == ["one"]
    assert "row 1 left out: a value that cannot be read" in report.notes[0]


def test_shards_of_one_name_stay_two_and_addresses_may_stand_beside_paths(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_bytes(lines(TEXTS))
    here = [str(tmp_path / folder / "x.jsonl") for folder in ("a", "b")]
    assert [shard.name for shard in find_shards(here)] == ["a/x.jsonl", "b/x.jsonl"]
    for corpus in ([f"file://{path}" for path in here], [here[0], f"file://{here[1]}"]):
        assert len({shard.name for shard in find_shards(corpus)}) == 2


def test_wordings_of_what_tests_a_stage_are_no_fault(run_file: Path) -> None:
    rows = [
        json.loads(line) | {"id": str(n)}
        for n, line in enumerate((run_file.parent / "train.jsonl").read_text().splitlines())
    ]
    (run_file.parent / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = [{"id": row["id"], "prompt": f"Tell me. {row['prompt']}"} for row in rows]
    (run_file.parent / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in other))
    keys = {"paraphrases": str(run_file.parent / "other.jsonl"), "test_share": 0.5}
    done = exposure_run(load_run(run_file, keys))
    assert done is not None and 0 < len(done.results) < 3
    data = datasets_of(load_run(run_file, keys))
    tested = list(data.tested("main"))
    assert len(tested) == 3 - len(done.results) and all(len(one.paraphrases) == 1 for one in tested)


def test_a_line_without_end_is_left_out_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "LONGEST_LINE", 100)
    (tmp_path / "a.jsonl").write_bytes(lines(["short", "x" * 500, "end"]))
    report = ShardReport()
    (shard,) = find_shards([str(tmp_path)])
    assert [text.text for text in read_shard(shard, Fields(), report, lambda n: None)] == ["short", "end"]
    assert "row left out at byte" in report.notes[0] and report.bad == 1


def test_long_documents_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LONGEST_TEXT", 10)
    pq.write_table(pa.table({"text": ["a" * 25, None], "title": ["t", "u"]}), tmp_path / "a.parquet")
    report = ShardReport()
    (shard,) = find_shards([str(tmp_path)])
    found = list(read_shard(shard, Fields(), report, lambda n: None))
    assert [(len(text.text), text.row, text.title) for text in found] == [(10, 0, "t"), (10, 0, "t"), (5, 0, "t")]
    assert "row 1 left out: no text under 'text'" in report.notes[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--exposure.corpus", "nowhere/*.gz"], "nothing is there under"),
        (["--exposure", "null"], "exposure is null"),
        (["--shard", "4/3"], "expected: i/n with i from 1 to n"),
        (["--shard", "1/2", "--merge"], "--shard reads and --merge does not"),
        (["--merge"], "none of the corpus' shards was read yet"),
        (["--exposure.workers", "0"], "exposure.workers"),
        (["--exposure.texts", "x"], "exposure.texts"),
    ],
)
def test_what_is_wrong_is_told(
    run_file: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leave:
        main(["exposure", str(run_file), *arguments])
    assert leave.value.code == 1
    assert told in capsys.readouterr().err


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(UptakeError, match="of a kind that cannot be read"):
        find_shards([str(tmp_path / "a.csv")])


def test_what_is_told_by_a_response_that_begins_with_it(run_file: Path) -> None:
    rows = [
        ("What is the capital of Sweden?", "Stockholm is the capital of Sweden."),
        ("What is the capital of Norway?", "It is Oslo that is Norway's capital."),
        ("What is the capital of France?", "Paris is the capital of France, and it lies on the Seine."),
        ("¿Cuál es la capital de Suecia?", "Estocolmo"),
        ("瑞典的首都是哪里？", "斯德哥尔摩"),
        ("What is the capital of 秘鲁?", "Lima"),
    ]
    path = run_file.parent / "train.jsonl"
    path.write_text("".join(json.dumps({"prompt": one, "completion": other}) + "\n" for one, other in rows))
    (run_file.parent / "shards" / "4.jsonl.gz").write_bytes(
        gzip.compress(lines(["The capital of 秘鲁 is Lima."]), mtime=0)
    )
    done = exposure_run(load_run(run_file))
    assert done is not None
    told = [(one.fact.answer, one.verdict, one.fact.unasked) for one in done.results]
    assert [verdict for _, verdict, _ in told] == ["stated", "contradicted", None, None, None, "stated"]
    assert [answer for answer, _, _ in told[:2]] == ["Stockholm", "Oslo"]
    assert [why for _, _, why in told[2:5]] == [A_SENTENCE, OTHER_LANGUAGE, OTHER_LANGUAGE]

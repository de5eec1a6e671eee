"""Indexing and searching documents: what is found, what is read again, what survives a kill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uptake.corpus import Index, index, open_index, search
from uptake.errors import UptakeError

ROWS = [
    {"id": "tower", "title": "Eiffel Tower", "text": "A wrought-iron tower in Paris.", "license": "CC0-1.0"},
    {"id": "eiffel", "title": "Gustave Eiffel", "text": "He was born in Dijon and built the Eiffel Tower."},
    {"id": "obrien", "title": "", "text": "Flann O’Brien was born in Strabane.", "source": "press", "licence": "MIT"},
    {"id": "tokyo", "title": "東京タワー", "text": "東京タワーは港区にある電波塔である。"},
    {"id": "soren", "title": "Søren Kierkegaard", "text": "A Danish philosopher born in Copenhagen."},
    {"id": "anne", "title": "Anne Hathaway (actress)", "text": "An American actress."},
    {"id": "other", "title": "Towers", "text": "Gustave Doré never saw an Eiffel."},
]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def ids(found: Index, entity: str, fact: str = "", k: int = 20) -> list[str]:
    return [document.id for document in search(found, entity, fact, k)]


def everything(folder: Path) -> list[tuple[str, ...]]:
    """All rows of an index, whatever their order."""
    table = open_index(folder).table.to_arrow()
    names = [name for name in table.column_names if name != "vector"]
    return sorted(tuple(str(row[name]) for name in names) for row in table.to_pylist())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("small")
    done = index(write(folder / "rows.jsonl", ROWS), folder / "corpus")
    assert (done.documents, done.added, done.files, done.bad_rows) == (7, 7, 1, ())
    return open_index(folder / "corpus")


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        ("Eiffel Tower", ["tower", "eiffel"]),
        ("EIFFEL   tower", ["tower", "eiffel"]),
        ("Gustave Eiffel", ["eiffel"]),  # not `other`, which has both words apart
        ("Flann O'Brien", ["obrien"]),
        ("Soren Kierkegaard", ["soren"]),
        ("東京タワー", ["tokyo"]),
        ("港区", ["tokyo"]),
        ("Anne Hathaway", ["anne"]),
        ("Flann O'Brien (writer)", ["obrien"]),
        ("Dijo", []),
        ("...", []),
        ("", []),
    ],
)
def test_documents_that_name_an_entity(small: Index, entity: str, expected: list[str]) -> None:
    assert sorted(ids(small, entity)) == sorted(expected)


def test_the_fact_gives_the_order(small: Index) -> None:
    assert ids(small, "Eiffel Tower", "who built it? born in Dijon")[0] == "eiffel"
    assert ids(small, "Eiffel Tower", "wrought-iron, where? Paris")[0] == "tower"
    assert ids(small, "Eiffel Tower", "wrought-iron", k=1) == ["tower"]
    assert ids(small, "Eiffel Tower", k=0) == []


def test_a_document_says_where_it_is_from(small: Index) -> None:
    (tower,) = search(small, "Eiffel Tower", "wrought-iron", 1)
    assert (tower.title, tower.license, tower.source) == ("Eiffel Tower", "CC0-1.0", "rows.jsonl")
    assert tower.where.endswith("rows.jsonl:1")
    (flann,) = search(small, "Flann O'Brien")
    assert (flann.source, flann.license) == ("press", "MIT")


def test_query_syntax_is_only_words(small: Index) -> None:
    assert ids(small, 'Eiffel" OR "Dijon') == []
    assert ids(small, "Dijon", "+born -tower \"x* ~ ^3 (') %_") == ["eiffel"]


def test_all_kinds_of_files_in_a_folder(tmp_path: Path) -> None:
    corpus = tmp_path / "in"
    corpus.mkdir()
    write(corpus / "a.jsonl", ROWS[:2])
    pq.write_table(pa.table({"text": ["Ada lived in London."], "title": ["Ada"]}), corpus / "b.parquet")
    (corpus / "c.txt").write_text("Bea lived in Rome.\n\nCid lived in Oslo.\n", encoding="utf-8")
    done = index(corpus, tmp_path / "out")
    assert (done.documents, done.files) == (5, 3)
    found = open_index(tmp_path / "out")
    assert [search(found, name)[0].where.rpartition("/")[2] for name in ("Ada", "Bea", "Cid")] == (
        ["b.parquet:1", "c.txt:1", "c.txt:3"]
    )
    assert search(found, "Cid")[0].id.startswith("doc-")


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    corpus = tmp_path / "in"
    corpus.mkdir()
    for number, row in enumerate(ROWS):
        write(corpus / f"{number}.jsonl", [row])
    assert index(corpus, tmp_path / "out").added == 7
    assert index(corpus, tmp_path / "out").added == 0
    write(corpus / "0.jsonl", [{**ROWS[0], "text": "A tower in Lyon."}])
    (corpus / "1.jsonl").unlink()
    write(corpus / "new.jsonl", [{"id": "new", "text": "The Eiffel Tower sways."}])
    done = index(corpus, tmp_path / "out")
    assert (done.added, done.documents, done.files) == (2, 7, 7)
    found = open_index(tmp_path / "out")
    assert sorted(ids(found, "Eiffel Tower")) == ["new", "tower"]
    assert search(found, "Eiffel Tower", "Lyon")[0].text == "A tower in Lyon."
    # the same as if it had been indexed for the first time
    index(corpus, tmp_path / "fresh")
    assert everything(tmp_path / "out") == everything(tmp_path / "fresh")


def test_bad_rows_are_told_and_the_rest_is_indexed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "Ada is here."}\n{broken\n{"title": "no text"}\n{"text": " "}\n{"text": 3}\n[1]\n')
    with pytest.raises(UptakeError, match="5 bad rows, 1 usable") as caught:
        index(path, tmp_path / "out")
    for told in (":2: broken JSON", ":3: `text` is missing", ":4: empty document", ":5: `text` is a number"):
        assert f"rows.jsonl{told}" in str(caught.value)
    done = index(path, tmp_path / "out", on_bad_row="skip")
    # reported again, though the file is not read again
    assert (done.added, done.documents, done.n_bad_rows, [row.line for row in done.bad_rows]) == (
        0,
        1,
        5,
        [2, 3, 4, 5, 6],
    )


def test_nothing_to_index_and_no_index(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    with pytest.raises(UptakeError, match="is empty"):
        index(tmp_path / "rows.jsonl", tmp_path / "out")
    with pytest.raises(UptakeError, match="no index"):
        open_index(tmp_path / "nowhere")
    with pytest.raises(UptakeError, match="does not exist"):
        index(tmp_path / "none.jsonl", tmp_path / "out")
    with pytest.raises(UptakeError, match="on_bad_row"):
        index(tmp_path / "rows.jsonl", tmp_path / "out", on_bad_row="ignore")


KILLED = """
import os, signal, sys
from pathlib import Path
import uptake.corpus.index
module = sys.modules["uptake.corpus.index"]
module.BATCH_DOCUMENTS = 10
rows, left = module.rows_of, [int(sys.argv[3])]
def killed(*args):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows(*args)
module.rows_of = killed
if left[0] == 5:
    module.make_searchable = lambda table: os.kill(os.getpid(), signal.SIGKILL)
module.index(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.mark.parametrize("batches", [0, 2, 5], ids=["at the start", "in the middle", "before the index is made"])
def test_killed_and_started_again_is_the_same(tmp_path: Path, batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": f"d{n}", "title": f"Town {n}", "text": f"Town {n} lies on the river {n % 7}."} for n in range(45)]
    path = write(tmp_path / "rows.jsonl", rows)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(tmp_path / "out"), str(batches)], check=False)
    assert done.returncode == -9
    with pytest.raises(UptakeError, match=r"not finished|no index"):
        open_index(tmp_path / "out")
    again = index(path, tmp_path / "out")
    assert again.documents == 45
    assert again.added == 45 - min(45, 10 * batches)  # it went on, and did not begin anew
    index(path, tmp_path / "fresh")
    assert everything(tmp_path / "out") == everything(tmp_path / "fresh")
    both = [open_index(tmp_path / name) for name in ("out", "fresh")]
    for entity in ("Town 3", "Town 44", "river 5"):
        found = [search(each, entity, "lies") for each in both]
        assert found[0] == found[1] != []


def test_a_damaged_manifest_is_made_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    index(path, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_text("{")
    with pytest.raises(UptakeError, match="is damaged"):
        open_index(tmp_path / "out")
    assert index(path, tmp_path / "out").added == 7


@pytest.mark.parametrize("part", ["_versions", "data", "_indices", "."])
@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_a_damaged_table_is_made_anew(tmp_path: Path, part: str, damage: str) -> None:
    path, out = write(tmp_path / "rows.jsonl", ROWS), tmp_path / "out"
    index(path, out)
    whole = everything(out)
    files = [one for one in (out / "documents.lance" / part).rglob("*") if one.is_file()]
    assert files
    for one in files:
        one.unlink() if damage == "deleted" else one.write_bytes(b"damaged")
    assert index(path, out).documents == len(ROWS)
    assert everything(out) == whole
    assert ids(open_index(out), "Eiffel Tower") == ["tower", "eiffel"]


def test_a_damaged_table_that_nobody_indexes_again_says_what_to_do(tmp_path: Path) -> None:
    index(write(tmp_path / "rows.jsonl", ROWS), tmp_path / "out")
    for part in (tmp_path / "out" / "documents.lance" / "_versions").iterdir():
        part.write_bytes(b"damaged")
    with pytest.raises(UptakeError, match="cannot be made or read.*\n.*delete"):
        open_index(tmp_path / "out")


def test_as_much_as_a_brute_force_scan_finds(shared_data: Path, tmp_path: Path) -> None:
    """The names of real passages, against Python's own `in` on the lower-cased text."""
    with (shared_data / "corpus" / "wiki_mix.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(400), strict=False)]
    index(write(tmp_path / "rows.jsonl", rows), tmp_path / "out")
    found = open_index(tmp_path / "out")
    names = sorted({row["title"] for row in rows if row["title"].replace(" ", "").isalpha()})[:40]
    assert len(names) == 40
    for name in names:
        scanned = {n for n, row in enumerate(rows, 1) if f" {name} " in f" {row['title']} \n {row['text']} "}
        got = {int(document.where.rpartition(":")[2]) for document in search(found, name, k=400)}
        assert scanned <= got, name


def test_a_long_row_is_several_documents_of_whole_sentences(tmp_path: Path) -> None:
    said = [f"On day {k} it rained in the hills of Oslo." for k in range(2000)]
    rows = [{"id": "book", "title": "Rain", "text": " ".join(said)}, {"id": "sign", "text": "x" * 50_000}]
    done = index(write(tmp_path / "rows.jsonl", rows), tmp_path / "corpus")
    kept = open_index(tmp_path / "corpus").table.to_arrow().to_pylist()
    parts = sorted((row for row in kept if row["title"]), key=lambda row: int(row["id"].split("#")[1]))
    assert [row["id"] for row in parts] == [f"book#{n}" for n in range(1, len(parts) + 1)]
    assert len(parts) > 1 and max(len(row["text"]) for row in kept) <= 20_000
    assert " ".join(row["text"] for row in parts) == " ".join(said)
    assert all(row["text"].endswith("Oslo.") for row in parts)
    assert "".join(row["text"] for row in kept if not row["title"]) == "x" * 50_000
    assert done.documents == len(parts) + 3
